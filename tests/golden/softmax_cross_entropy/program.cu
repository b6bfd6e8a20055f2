// graphc: softmax_cross_entropy
// 4 launches of 5 kernels; arena: 1,280 bytes

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ---- elementary functions ---- */

/* The larger; NaN if either is NaN. */
static __device__ inline float gc_maximum_f32(float a, float b)
{
    const float larger = b > a ? b : a; /* two selections, which compilers turn into vector code */
    return b != b ? b : larger;
}


/* ---- indices out of range ---- */

/* The first index that a thread has found to lie outside, and its place among all of them. */
typedef struct {
    int64_t place, index, extent;
} gc_wrong_index;

static __device__ inline void gc_look_at_index(int64_t index, int64_t extent, int64_t place, gc_wrong_index *wrong)
{
    if ((index < 0 || index >= extent) && place < wrong->place)
        *wrong = {place, index, extent};
}

/* Note the first of those that a block's threads have found; whether there is one. */
static __device__ inline bool gc_note_wrong_index(gc_wrong_index wrong, int64_t launch, int64_t *error)
{
    __shared__ unsigned long long first;
    __syncthreads();
    if (threadIdx.x == 0)
        first = INT64_MAX;
    __syncthreads();
    if (wrong.place != INT64_MAX)
        atomicMin(&first, (unsigned long long)wrong.place);
    __syncthreads();
    if (first == INT64_MAX)
        return false;
    if (wrong.place == (int64_t)first) {
        error[1] = wrong.index;
        error[2] = wrong.extent;
        error[0] = launch + 1;
    }
    return true;
}

/* ---- kernels ---- */

/* eq, where x2, sum, div, where, neg
   tests/test_golden.py:53, 54; backward of tests/test_golden.py:53 */
extern "C" __global__ void __launch_bounds__(256) eq_where_sum(const int64_t *__restrict__ in0, bool *__restrict__ out0,
    int64_t *__restrict__ out1, float *__restrict__ out2, float *__restrict__ out3)
{
    if (threadIdx.x != 0)
        return;
    float a0 = 0.0f;
    for (int r0 = 0; r0 < 4; ++r0) {
        const int64_t t0 = in0[r0];
        const bool t1 = t0 == -100;
        out0[r0] = t1;
        out1[r0] = t1 ? 0 : t0;
        a0 += t1 ? 0.0f : 1.0f;
    }
    out2[0] = a0;
    const float t2 = 1.0f / a0;
    for (int r0 = 0; r0 < 4; ++r0)
        out3[r0] = -(out0[r0] ? 0.0f : t2);
}

/* check_index
   tests/test_golden.py:53 */
extern "C" __global__ void __launch_bounds__(1024) check_index(const int64_t *__restrict__ in0,
    int64_t *__restrict__ error, int64_t launch)
{
    if (error[0] != 0)
        return; /* a launch before has failed */
    {
        gc_wrong_index wrong = {INT64_MAX, 0, 0};
        for (int place = threadIdx.x; place < 4; place += 1024) {
            const int i0 = place;
            gc_look_at_index(in0[i0], 10, place, &wrong);
        }
        if (gc_note_wrong_index(wrong, launch, error))
            return;
    }
}

/* amax, sub, exp, sum, log, sub, check_target, eq, where, sum, neg, where
   tests/test_golden.py:53 */
extern "C" __global__ void __launch_bounds__(256) amax_sub_exp(const float *__restrict__ in0,
    const int64_t *__restrict__ in1, const bool *__restrict__ in2, float *__restrict__ out0, float *__restrict__ out1,
    float *__restrict__ out2, int64_t *__restrict__ error)
{
    if (error[0] != 0)
        return; /* a launch before has failed */
    const int i0 = blockIdx.x * 256 + threadIdx.x;
    if (i0 >= 4)
        return;
    float a0 = -INFINITY;
    for (int r0 = 0; r0 < 10; ++r0)
        a0 = gc_maximum_f32(a0, in0[i0 * 10 + r0]);
    float a1 = 0.0f;
    for (int r0 = 0; r0 < 10; ++r0) {
        const float t0 = expf(in0[i0 * 10 + r0] - a0);
        out0[i0 * 10 + r0] = t0;
        a1 += t0;
    }
    out1[i0] = a1;
    const float t1 = logf(a1);
    float a2 = 0.0f;
    const int64_t t2 = in1[i0];
    for (int r0 = 0; r0 < 10; ++r0)
        a2 += (int64_t)r0 == t2 ? in0[i0 * 10 + r0] - a0 - t1 : 0.0f;
    out2[i0] = in2[i0] ? 0.0f : -a2;
}

/* check_target, eq, where, neg, sum, div, mul, add
   tests/test_golden.py:53; backward of tests/test_golden.py:53 */
static __device__ void check_target_eq_where_block(const int64_t *__restrict__ in0, const float *__restrict__ in1,
    const float *__restrict__ in2, float *__restrict__ out0, int64_t *__restrict__ error, int block)
{
    if (error[0] != 0)
        return; /* a launch before has failed */
    const int i0 = block * 256 + threadIdx.x;
    if (i0 >= 4)
        return;
    float a0 = 0.0f;
    const int64_t t0 = in0[i0];
    const float t1 = in1[i0];
    for (int r0 = 0; r0 < 10; ++r0)
        a0 += -((int64_t)r0 == t0 ? t1 : 0.0f);
    const float t2 = a0 / in2[i0];
    for (int r0 = 0; r0 < 10; ++r0)
        out0[i0 * 10 + r0] = ((int64_t)r0 == t0 ? t1 : 0.0f) + t2 * out0[i0 * 10 + r0];
}

/* sum, div
   tests/test_golden.py:53 */
static __device__ void sum_div_block(const float *__restrict__ in0, float *__restrict__ out0,
    int64_t *__restrict__ error, int block)
{
    if (error[0] != 0)
        return; /* a launch before has failed */
    if (threadIdx.x != 0)
        return;
    float a0 = 0.0f;
    for (int r0 = 0; r0 < 4; ++r0)
        a0 += in0[r0];
    out0[0] = a0 / out0[0];
}

/* Side by side: check_target_eq_where, sum_div */
extern "C" __global__ void __launch_bounds__(256) check_target_eq_where_and_1(const int64_t *__restrict__ in0_0,
    const float *__restrict__ in1_0, const float *__restrict__ in2_0, float *__restrict__ out0_0,
    int64_t *__restrict__ error_0, const float *__restrict__ in0_1, float *__restrict__ out0_1,
    int64_t *__restrict__ error_1)
{
    if (blockIdx.x < 1)
        check_target_eq_where_block(in0_0, in1_0, in2_0, out0_0, error_0, blockIdx.x);
    else
        sum_div_block(in0_1, out0_1, error_1, blockIdx.x - 1);
}
