/* graphc: softmax_cross_entropy */
/* 5 launches; 2 arguments: 192 bytes; 2 outputs: 164 bytes; arena: 320 bytes */

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

/* ---- elementary functions ---- */

static inline uint32_t gc_bits_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float gc_from_bits_f32(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* a * b + c, rounded once where that is one instruction. The functions below keep their bounds either way. */
static inline float gc_fma_f32(float a, float b, float c)
{
#if defined(__FMA__) || defined(__AVX512F__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/* e^x. x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial of degree 6 in r, then a scaling by 2^n in two steps, so that overflow and
   denormal results come out of the multiplication. n is read from the low bits of a sum with 1.5 * 2^23. Within 1.1 ulp. */
static inline float gc_exp_f32(float x)
{
    const float shifted = gc_fma_f32(x, 0x1.715476p+0f, 0x1.8p+23f);
    const float n = shifted - 0x1.8p+23f;
    const float r = gc_fma_f32(n, -0x1.7f7d1cp-20f, gc_fma_f32(n, -0x1.62e4p-1f, x));
    float p = gc_fma_f32(0x1.6db4eap-10f, r, 0x1.123bdep-7f);
    p = gc_fma_f32(p, r, 0x1.55545ep-5f);
    p = gc_fma_f32(p, r, 0x1.55548ep-3f);
    p = gc_fma_f32(p, r, 0.5f);
    p = gc_fma_f32(p, r * r, r) + 1.0f;
    const uint32_t exponent = gc_bits_f32(shifted) - gc_bits_f32(0x1.8p+23f) + 2 * 127, half = exponent >> 1;
    float result = p * gc_from_bits_f32(half << 23) * gc_from_bits_f32((exponent - half) << 23);
    result = x < -104.0f ? 0.0f : result;
    return x > 89.0f ? __builtin_inff() : result;
}

/* log(1 + f) + e ln 2 for sqrt(1/2) <= 1 + f < sqrt(2): f - f^2 / 2 + f^3 P(f), ln 2 in two parts of which the first times e is exact. */
static inline float gc_log1p_kernel_f32(float f, float e)
{
    float p = gc_fma_f32(0x1.1bcd8ep-4f, f, -0x1.dee1eep-4f);
    p = gc_fma_f32(p, f, 0x1.e3c976p-4f);
    p = gc_fma_f32(p, f, -0x1.fbdb7cp-4f);
    p = gc_fma_f32(p, f, 0x1.236f2cp-3f);
    p = gc_fma_f32(p, f, -0x1.555fep-3f);
    p = gc_fma_f32(p, f, 0x1.99a19cp-3f);
    p = gc_fma_f32(p, f, -0x1.fffff4p-3f);
    p = gc_fma_f32(p, f, 0x1.55554ep-2f);
    const float square = f * f;
    const float tail = gc_fma_f32(e, -0x1.bd0106p-13f, gc_fma_f32(p * f, square, -0.5f * square));
    return gc_fma_f32(e, 0x1.63p-1f, f + tail);
}

/* The natural logarithm. x = 2^e (1 + f); denormal numbers are scaled up first. Within 0.9 ulp. */
static inline float gc_log_f32(float x)
{
    const float normal = x < 0x1p-126f ? x * 0x1p23f : x;
    const uint32_t bits = gc_bits_f32(normal) - 0x3f3504f3u;
    const uint32_t exponent = (bits + (uint32_t)127 * 0x800000) >> 23;
    const float e = gc_from_bits_f32(exponent | 0x4b000000u) - (x < 0x1p-126f ? 0x1p23f + 150.0f : 0x1p23f + 127.0f);
    const float f = gc_from_bits_f32((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float result = gc_log1p_kernel_f32(f, e);
    result = x < __builtin_inff() ? result : x; /* infinity and NaN as they are */
    result = x == 0.0f ? -__builtin_inff() : result;
    return x < 0.0f ? __builtin_nanf("") : result;
}

/* The larger; NaN if either is NaN. */
static inline float gc_maximum_f32(float a, float b)
{
    const float larger = b > a ? b : a; /* two selections, which compilers turn into vector code */
    return b != b ? b : larger;
}


/* ---- scalars ---- */


#pragma omp declare reduction(gc_maximum : float : omp_out = gc_maximum_f32(omp_out, omp_in)) initializer(omp_priv = -INFINITY)

/* Whether an index lies outside [0, extent); then it is noted for the caller. */
static inline bool gc_is_outside(int64_t index, int64_t extent, int64_t *error)
{
    if (index >= 0 && index < extent)
        return false;
    error[1] = index;
    error[2] = extent;
    return true;
}

/* ---- kernels ---- */

/* eq, where x2, sum, div, where, neg
   tests/test_golden.py:53, 54; backward of tests/test_golden.py:53 */
GC_KERNEL void eq_where_sum(const int64_t *restrict in0, bool *restrict out0, int64_t *restrict out1,
    float *restrict out2, float *restrict out3)
{
    float a0 = 0.0f;
    #pragma omp simd reduction(+ : a0)
    for (int64_t r0 = 0; r0 < 4; ++r0) {
        const int64_t t0 = in0[r0];
        const bool t1 = t0 == -100;
        out0[r0] = t1;
        out1[r0] = t1 ? 0 : t0;
        a0 += t1 ? 0.0f : 1.0f;
    }
    out2[0] = a0;
    const float t2 = 1.0f / a0;
    #pragma omp simd
    for (int64_t r0 = 0; r0 < 4; ++r0)
        out3[r0] = -(out0[r0] ? 0.0f : t2);
}

/* check_index
   tests/test_golden.py:53 */
GC_KERNEL int check_index(const int64_t *restrict in0, int64_t *restrict error)
{
    for (int64_t i0 = 0; i0 < 4; ++i0) {
        if (gc_is_outside(in0[i0], 10, error))
            return 1;
    }
    return 0;
}

/* amax, sub, exp, sum, log, sub, check_target, eq, where, sum, neg, where
   tests/test_golden.py:53 */
GC_KERNEL void amax_sub_exp(const float *restrict in0, const int64_t *restrict in1, const bool *restrict in2,
    float *restrict out0, float *restrict out1, float *restrict out2, int64_t first, int64_t last)
{
    for (int64_t i0 = first; i0 < last; ++i0) {
        float a0 = -INFINITY;
        #pragma omp simd reduction(gc_maximum : a0)
        for (int64_t r0 = 0; r0 < 10; ++r0)
            a0 = gc_maximum_f32(a0, in0[i0 * 10 + r0]);
        float a1 = 0.0f;
        #pragma omp simd reduction(+ : a1)
        for (int64_t r0 = 0; r0 < 10; ++r0) {
            const float t0 = gc_exp_f32(in0[i0 * 10 + r0] - a0);
            out0[i0 * 10 + r0] = t0;
            a1 += t0;
        }
        out1[i0] = a1;
        const float t1 = gc_log_f32(a1);
        float a2 = 0.0f;
        const int64_t t2 = in1[i0];
        #pragma omp simd reduction(+ : a2)
        for (int64_t r0 = 0; r0 < 10; ++r0)
            a2 += r0 == t2 ? in0[i0 * 10 + r0] - a0 - t1 : 0.0f;
        out2[i0] = in2[i0] ? 0.0f : -a2;
    }
}

/* sum, div
   tests/test_golden.py:53 */
GC_KERNEL void sum_div(const float *restrict in0, float *restrict out0)
{
    float a0 = 0.0f;
    #pragma omp simd reduction(+ : a0)
    for (int64_t r0 = 0; r0 < 4; ++r0)
        a0 += in0[r0];
    out0[0] = a0 / out0[0];
}

/* check_target, eq, where, neg, sum, div, mul, add
   tests/test_golden.py:53; backward of tests/test_golden.py:53 */
GC_KERNEL void check_target_eq_where(const int64_t *restrict in0, const float *restrict in1, const float *restrict in2,
    float *restrict out0, int64_t first, int64_t last)
{
    for (int64_t i0 = first; i0 < last; ++i0) {
        float a0 = 0.0f;
        const int64_t t0 = in0[i0];
        const float t1 = in1[i0];
        #pragma omp simd reduction(+ : a0)
        for (int64_t r0 = 0; r0 < 10; ++r0)
            a0 += -(r0 == t0 ? t1 : 0.0f);
        const float t2 = a0 / in2[i0];
        #pragma omp simd
        for (int64_t r0 = 0; r0 < 10; ++r0)
            out0[i0 * 10 + r0] = (r0 == t0 ? t1 : 0.0f) + t2 * out0[i0 * 10 + r0];
    }
}

/* ---- the step ---- */

GC_STEP int64_t graphc_run(
    void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error);

int64_t graphc_run(void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error)
{
    const float *const scores = buffers[0]; /* argument f32[4,10] */
    const int64_t *const classes = buffers[1]; /* argument i64[4] */
    float *const result_0 = buffers[2]; /* output f32[] */
    float *const result_1 = buffers[3]; /* output f32[4,10] */
    float *const t5 = (float *)(arena + 128); /* sum f32[4] */
    float *const t6 = (float *)(arena + 192); /* where f32[4] */
    bool *const t7 = (bool *)(arena + 256); /* eq bool[4] */
    int64_t *const t8 = (int64_t *)(arena + 0); /* where i64[4] */
    float *const t10 = (float *)(arena + 64); /* neg f32[4] */
    (void)extents;
    (void)threads;

    /* 0: eq, where, sum, div, neg tests/test_golden.py:53, 54; backward of tests/test_golden.py:53 */
    eq_where_sum(classes, t7, t8, result_0, t10);
    /* 1: check_index tests/test_golden.py:53 */
    if (check_index(t8, error)) {
        error[0] = 1;
        return 1;
    }
    /* 2: amax, sub, exp, sum, log, check_target tests/test_golden.py:53 */
    amax_sub_exp(scores, t8, t7, result_1, t5, t6, 0, 4);
    /* 3: sum, div tests/test_golden.py:53 */
    sum_div(t6, result_0);
    /* 4: check_target, eq, where, neg, sum, div tests/test_golden.py:53; backward of tests/test_golden.py:53 */
    check_target_eq_where(t8, t10, t5, result_1, 0, 4);
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
