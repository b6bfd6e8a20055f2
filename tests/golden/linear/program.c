/* graphc: linear */
/* 1 launches; 2 arguments: 64 bytes; 2 constants: 8 bytes; 3 outputs: 12 bytes; arena: 0 bytes */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#else
#pragma GCC diagnostic ignored "-Wunknown-pragmas" /* without OpenMP its pragmas are comments */
#endif
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* a loop that stays scalar is no fault */
#define GC_ALONE __attribute__((noinline))
#define GC_STEP
#elif defined(__GNUC__)
#define GC_ALONE __attribute__((noipa)) /* what it computes can't depend on who calls it */
#define GC_STEP __attribute__((optimize("O1"))) /* many calls one after the other: no more can be gained */
#else
#define GC_ALONE
#define GC_STEP
#endif
#ifdef GC_APART /* this is one of several parts of a program */
#define GC_KERNEL __attribute__((visibility("hidden"))) GC_ALONE
#else
#define GC_KERNEL static GC_ALONE
#endif

/* ---- kernels ---- */

/* mul, add, sub, power_scalar, sum, mul x3, sum, mul, sum
   tests/test_golden.py:42, 82; backward of tests/test_golden.py:42 */
GC_KERNEL void mul_add_sub(const float *restrict in0, const float *restrict in1, const float *restrict in2,
    const float *restrict in3, float *restrict out0, float *restrict out1, float *restrict out2)
{
    float a0 = 0.0f;
    float a1 = 0.0f;
    float a2 = 0.0f;
    const float t0 = in0[0];
    const float t1 = in1[0];
    #pragma omp simd reduction(+ : a0, a1, a2)
    for (int64_t r0 = 0; r0 < 8; ++r0) {
        const float t2 = in2[r0];
        const float t3 = t0 * t2 + t1 - in3[r0];
        a0 += t3 * t3;
        const float t4 = t3 * 2.0f * 0.125f;
        a1 += t4;
        a2 += t4 * t2;
    }
    out0[0] = a0 * 0.125f;
    out1[0] = a1;
    out2[0] = a2;
}

/* ---- the step ---- */

GC_STEP int64_t graphc_run(
    void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error);

int64_t graphc_run(void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error)
{
    const float *const x = buffers[0]; /* argument f32[8] */
    const float *const y = buffers[1]; /* argument f32[8] */
    const float *const w = buffers[2]; /* constant f32[] */
    const float *const b = buffers[3]; /* constant f32[] */
    float *const result = buffers[4]; /* output f32[] */
    float *const b_grad = buffers[5]; /* output f32[] */
    float *const w_grad = buffers[6]; /* output f32[] */
    (void)extents;
    (void)arena;
    (void)threads;
    (void)error;

    /* 0: mul, add, sub, power_scalar, sum tests/test_golden.py:42, 82; backward of tests/test_golden.py:42 */
    mul_add_sub(w, b, x, y, result, b_grad, w_grad);
    return 0;
}

GC_STEP int64_t graphc_run_many(void **buffers, const int64_t *strides, int64_t buffer_count, int64_t steps,
    const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error);

/* As many steps, one after the other: after each, every buffer moves on by its stride in bytes. Ends at the first step that fails;
   the last of the error's words tells how many were done. */
int64_t graphc_run_many(void **buffers, const int64_t *strides, int64_t buffer_count, int64_t steps,
    const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error)
{
    for (error[3] = 0; error[3] < steps; ++error[3]) {
        const int64_t code = graphc_run(buffers, extents, arena, threads, error);
        if (code != 0)
            return code;
        for (int64_t i = 0; i < buffer_count; ++i)
            buffers[i] = (unsigned char *)buffers[i] + strides[i];
    }
    return 0;
}
