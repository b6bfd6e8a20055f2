// graphc: convolution
// 5 launches of 6 kernels; arena: 4,608 bytes

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


/* ---- scalars ---- */


static __device__ inline bool gc_isnan_f32(float a) { return a != a; }

/* ---- what threads find together ---- */

static __device__ inline float gc_warp_sum_f32(float a)
{
    for (int step = 16; step > 0; step /= 2) {
        const float b = (float)__shfl_xor_sync(0xffffffffu, (float)a, step);
        a = a + b;
    }
    return a;
}

static __device__ inline float gc_block_sum_f32(float value)
{
    __shared__ float of_warp[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    value = gc_warp_sum_f32(value);
    __syncthreads(); /* what was combined before may still be read */
    if (lane == 0)
        of_warp[warp] = value;
    __syncthreads();
    return gc_warp_sum_f32(lane < warps ? of_warp[lane] : 0.0f);
}

/* ---- kernels ---- */

/* convolution, add, relu
   tests/test_golden.py:68 */
extern "C" __global__ void __launch_bounds__(256) convolution_add_relu(const float *__restrict__ in0,
    const float *__restrict__ in1, const float *__restrict__ in2, float *__restrict__ out0)
{
    const int row = blockIdx.x * 256 + threadIdx.x;
    const int b = row / 256;
    const int m = row / 64 % 4;
    const int n = row % 64;
    float total = 0.0f;
    for (int k = 0; k < 9; ++k)
        total += in0[m * 9 + k] * (k / 3 + n / 8 - 1 >= 0 && k / 3 + n / 8 - 1 < 8 && (k % 3 + n % 8 - 1 >= 0 && k % 3 + n % 8 - 1 < 8) ? in1[b * 64 + k / 3 * 8 + n + k % 3 - 9] : 0.0f);
    const float t0 = total + in2[m];
    out0[b * 256 + m * 64 + n] = t0 <= 0.0f ? 0.0f : t0;
}

/* max_pool
   tests/test_golden.py:68 */
extern "C" __global__ void __launch_bounds__(256) max_pool(const float *__restrict__ in0, float *__restrict__ out0)
{
    const int row = blockIdx.x * 256 + threadIdx.x;
    if (row >= 128)
        return;
    const int i0 = row / 4;
    const int i1 = row % 4;
    float a0 = -INFINITY;
    a0 = gc_maximum_f32(a0, in0[i0 * 16 + i1 * 2]);
    a0 = gc_maximum_f32(a0, in0[i0 * 16 + i1 * 2 + 1]);
    a0 = gc_maximum_f32(a0, in0[i0 * 16 + i1 * 2 + 8]);
    a0 = gc_maximum_f32(a0, in0[i0 * 16 + i1 * 2 + 9]);
    out0[i0 * 4 + i1] = a0;
}

/* sum
   tests/test_golden.py:68 */
extern "C" __global__ void __launch_bounds__(128) sum(const float *__restrict__ in0, float *__restrict__ out0)
{
    float a0 = 0.0f;
    #pragma unroll 4
    for (int r0 = (int)threadIdx.x; r0 < 128; r0 += 128) {
        a0 += in0[r0];
    }
    a0 = gc_block_sum_f32(a0);
    if (threadIdx.x == 0)
        out0[0] = a0;
}

/* max_pool_position, max_pool_spread, le, where
   backward of tests/test_golden.py:68 */
extern "C" __global__ void __launch_bounds__(256) max_pool_position_max_pool_spread_le(const float *__restrict__ in0,
    const float *__restrict__ in1, float *__restrict__ out0)
{
    const int row = blockIdx.x * 256 + threadIdx.x;
    if (row >= 128)
        return;
    const int i0 = row / 4;
    const int i1 = row % 4;
    int32_t a0 = -INT64_C(2147483648);
    int64_t a0_position = 0;
    const float t0 = in0[i0 * 4 + i1];
    for (int r0 = 0; r0 < 2; ++r0) {
        for (int r1 = 0; r1 < 2; ++r1) {
            const float t1 = in1[i0 * 16 + r0 * 8 + i1 * 2 + r1];
            const int32_t a0_candidate = gc_isnan_f32(t1) ? (int32_t)(r0 * 2 + r1 + 2) : t1 == t0 ? 1 : 0;
            if (a0_candidate > a0) {
                a0 = a0_candidate;
                a0_position = r0 * 2 + r1;
            }
        }
    }
    for (int r0 = 0; r0 < 2; ++r0) {
        for (int r1 = 0; r1 < 2; ++r1)
            out0[i0 * 16 + r0 * 8 + i1 * 2 + r1] = in1[i0 * 16 + r0 * 8 + i1 * 2 + r1] <= 0.0f ? 0.0f : a0_position == (int32_t)(r0 * 2 + r1) ? 1.0f : 0.0f;
    }
}

/* convolution_weight_gradient, mul, add, mul, sub
   backward of tests/test_golden.py:68; update of tests/test_golden.py:70 */
static __device__ void convolution_weight_gradient_mul_add_block(const float *__restrict__ in0,
    const float *__restrict__ in1, const double *__restrict__ in2, const double *__restrict__ in3,
    float *__restrict__ out0, float *__restrict__ out1, float *__restrict__ out2, int block)
{
    const int row = block;
    const int b = row / 36;
    const int m = row / 9 % 4;
    const int n = row % 9;
    float total = 0.0f;
    #pragma unroll 4
    for (int k = (int)threadIdx.x; k < 128; k += 128) {
        total += in0[k / 64 * 256 + m * 64 + k % 64] * (n / 3 + k / 8 % 8 - 1 >= 0 && n / 3 + k / 8 % 8 - 1 < 8 && (k % 8 + n % 3 - 1 >= 0 && k % 8 + n % 3 - 1 < 8) ? in1[n / 3 * 8 + k + n % 3 - 9] : 0.0f);
    }
    total = gc_block_sum_f32(total);
    if (threadIdx.x == 0) {
        out0[m * 9 + n] = total;
        const float t0 = out1[m * 9 + n];
        const float t1 = t0 * (float)in2[0] + total;
        out1[m * 9 + n] = t1;
        const float t2 = out2[m * 9 + n];
        out2[m * 9 + n] = t2 - t1 * (float)in3[0];
    }
}

/* sum, mul, add, mul, sub
   backward of tests/test_golden.py:68; update of tests/test_golden.py:70 */
static __device__ void sum_mul_add_block(const double *__restrict__ in0, const double *__restrict__ in1,
    const float *__restrict__ in2, float *__restrict__ out0, float *__restrict__ out1, float *__restrict__ out2,
    int block)
{
    const double t0 = in0[0];
    const float t1 = (float)t0;
    const double t2 = in1[0];
    const float t3 = (float)t2;
    const int i0 = block;
    float a0 = 0.0f;
    #pragma unroll 4
    for (int point = (int)threadIdx.x; point < 128; point += 128) {
        const int r0 = point / 64;
        const int r1 = point % 64;
        a0 += in2[r0 * 256 + i0 * 64 + r1];
    }
    a0 = gc_block_sum_f32(a0);
    if (threadIdx.x == 0) {
        out0[i0] = a0;
        const float t4 = out1[i0];
        const float t5 = t4 * t1 + a0;
        out1[i0] = t5;
        const float t6 = out2[i0];
        out2[i0] = t6 - t5 * t3;
    }
}

/* Side by side: convolution_weight_gradient_mul_add, sum_mul_add */
extern "C" __global__ void __launch_bounds__(128) convolution_weight_gradient_mul_add_and_1(
    const float *__restrict__ in0_0, const float *__restrict__ in1_0, const double *__restrict__ in2_0,
    const double *__restrict__ in3_0, float *__restrict__ out0_0, float *__restrict__ out1_0,
    float *__restrict__ out2_0, const double *__restrict__ in0_1, const double *__restrict__ in1_1,
    const float *__restrict__ in2_1, float *__restrict__ out0_1, float *__restrict__ out1_1, float *__restrict__ out2_1)
{
    if (blockIdx.x < 36)
        convolution_weight_gradient_mul_add_block(in0_0, in1_0, in2_0, in3_0, out0_0, out1_0, out2_0, blockIdx.x);
    else
        sum_mul_add_block(in0_1, in1_1, in2_1, out0_1, out1_1, out2_1, blockIdx.x - 36);
}
