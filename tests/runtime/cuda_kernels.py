"""Kernels written by hand, as a person would write them for nvcc."""

ROW_SUM = r"""
#include <stdint.h>

static __device__ __forceinline__ float warp_sum(float value)
{
    for (int by = 16; by > 0; by >>= 1)
        value += __shfl_xor_sync(0xffffffffu, value, by);
    return value;
}

/* model.py:3 */
extern "C" __global__ void __launch_bounds__(256) row_sum(
    const float *__restrict__ in, float *__restrict__ out, int64_t columns)
{
    __shared__ float parts[8];
    float total = 0.0f;
    for (int64_t column = threadIdx.x; column < columns; column += blockDim.x)
        total += in[blockIdx.x * columns + column];
    total = warp_sum(total);
    if (threadIdx.x % 32 == 0)
        parts[threadIdx.x / 32] = total;
    __syncthreads();
    if (threadIdx.x < 32) {
        total = warp_sum(threadIdx.x < 8 ? parts[threadIdx.x] : 0.0f);
        if (threadIdx.x == 0)
            out[blockIdx.x] = total;
    }
}
"""

TRANSPOSE = r"""
#include <stdint.h>

extern "C" __global__ void transpose(const float *in, float *out, int64_t rows, int64_t columns)
{
    __shared__ float tile[32][33];
    int64_t row = blockIdx.y * 32 + threadIdx.y, column = blockIdx.x * 32 + threadIdx.x;
    for (int step = 0; step < 32; step += 8)
        if (row + step < rows && column < columns)
            tile[threadIdx.y + step][threadIdx.x] = in[(row + step) * columns + column];
    __syncthreads();
    row = blockIdx.x * 32 + threadIdx.y, column = blockIdx.y * 32 + threadIdx.x;
    for (int step = 0; step < 32; step += 8)
        if (row + step < columns && column < rows)
            out[(row + step) * rows + column] = tile[threadIdx.x][threadIdx.y + step];
}
"""

HISTOGRAM = r"""
#include <stdint.h>

extern "C" __global__ void histogram(const int *in, int *counts, float *weight, int64_t count, int64_t bins)
{
    extern __shared__ __align__(16) int own[];
    for (int64_t bin = threadIdx.x; bin < bins; bin += blockDim.x)
        own[bin] = 0;
    __syncthreads();
    for (int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x) {
        atomicAdd(&own[in[i]], 1);
        atomicAdd(weight, 0.5f);
    }
    __syncthreads();
    for (int64_t bin = threadIdx.x; bin < bins; bin += blockDim.x)
        atomicAdd(&counts[bin], own[bin]);
}

extern "C" __global__ void greatest(const float *in, unsigned *out, int64_t count)
{
    int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
    if (i >= count)
        return;
    unsigned bits = __float_as_uint(in[i]), seen = *out;
    while (__uint_as_float(seen) < __uint_as_float(bits)) {
        unsigned before = atomicCAS(out, seen, bits);
        if (before == seen)
            break;
        seen = before;
    }
}
"""

SCAN = r"""
extern "C" __global__ void scan(const int *in, int *out, int *evens)
{
    __shared__ int totals[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int value = in[blockIdx.x * blockDim.x + threadIdx.x];
    int even = __syncthreads_count(value % 2 == 0);
    for (int by = 1; by < 32; by *= 2) {
        int other = __shfl_up_sync(0xffffffffu, value, by);
        if (lane >= by)
            value += other;
    }
    if (lane == 31)
        totals[warp] = value;
    __syncthreads();
    int before = 0;
    for (int w = 0; w < warp; ++w)
        before += totals[w];
    out[blockIdx.x * blockDim.x + threadIdx.x] = before + value;
    if (threadIdx.x == 0)
        evens[blockIdx.x] = even;
}
"""

HALVES = r"""
#include <cuda_fp16.h>
#include <cuda_bf16.h>

extern "C" __global__ void halves(const __half *a, const __half *b, __half *sums, __half *products, __nv_bfloat16 *wide)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    sums[i] = __hadd(a[i], b[i]);
    products[i] = __hmul(a[i], b[i]);
    wide[i] = __float2bfloat16(__half2float(a[i]) * 3.0f);
}
"""

VOTES = r"""
extern "C" __global__ void votes(const int *in, unsigned *out, float4 *quads)
{
    unsigned i = threadIdx.x;
    int value = in[i];
    out[i] = __ballot_sync(0xffffffffu, value > 0);
    out[32 + i] = __any_sync(0xffffffffu, value > 90) * 2 + __all_sync(0xffffffffu, value > -100);
    unsigned half = i < 16 ? 0xffffu : 0xffff0000u;
    out[64 + i] = __shfl_sync(half, value, 3, 16);
    out[96 + i] = __shfl_down_sync(0xffffffffu, value, 8, 16);
    __syncwarp();
    float4 quad = make_float4(value, value + 1, value + 2, value + 3);
    quads[i] = quad;
}
"""

WMMA = r"""
#include <cuda_fp16.h>
#include <mma.h>

extern "C" __global__ void multiply(const __half *a, const __half *b, float *c)
{
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 16, __half, nvcuda::wmma::row_major> left;
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 16, __half, nvcuda::wmma::col_major> right;
    nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> total;
    nvcuda::wmma::fill_fragment(total, 0.0f);
    for (int k = 0; k < 32; k += 16) {
        nvcuda::wmma::load_matrix_sync(left, a + k, 32);
        nvcuda::wmma::load_matrix_sync(right, b + k, 32);
        nvcuda::wmma::mma_sync(total, left, right, total);
    }
    nvcuda::wmma::store_matrix_sync(c, total, 16, nvcuda::wmma::mem_row_major);
}
"""

TEXTS = {
    "row_sum": ROW_SUM,
    "transpose": TRANSPOSE,
    "histogram": HISTOGRAM,
    "scan": SCAN,
    "halves": HALVES,
    "votes": VOTES,
    "wmma": WMMA,
}

# What CUDA leaves undefined; nvcc takes all of it.
ENDED_BEFORE_BARRIER = r"""
extern "C" __global__ void ended(float *out)
{
    if (threadIdx.x >= 40)
        return;
    __syncthreads();
    out[threadIdx.x] = 1.0f;
}
"""

TWO_BARRIERS = r"""
extern "C" __global__ void two(float *out)
{
    if (threadIdx.y == 0)
        __syncthreads();
    else
        __syncthreads();
    out[threadIdx.x] = 1.0f;
}
"""

INACTIVE_LANE = r"""
extern "C" __global__ void inactive(float *out)
{
    if (blockIdx.x == 2 && threadIdx.x >= 24)
        return;
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, out[threadIdx.x], 16);
}
"""

NOT_IN_MASK = r"""
extern "C" __global__ void masked(int *out)
{
    out[threadIdx.x] = __shfl_sync(0x0000ffffu, out[threadIdx.x], 3);
}
"""

LANES_APART = r"""
extern "C" __global__ void apart(int *out)
{
    if (threadIdx.x % 2)
        out[threadIdx.x] = __shfl_sync(0xffffffffu, out[threadIdx.x], 0);
    else
        out[threadIdx.x] = __ballot_sync(0xffffffffu, 1);
}
"""

LANE_AT_BARRIER = r"""
extern "C" __global__ void mixed(int *out)
{
    if (threadIdx.x == 5)
        __syncthreads();
    out[threadIdx.x] = __shfl_sync(0xffffffffu, out[threadIdx.x], 0);
}
"""

# Each thread reads what its neighbour writes, with no barrier between.
RACE = r"""
extern "C" __global__ void race(const int *in, int *out)
{
    __shared__ int seen[64];
    seen[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = seen[(threadIdx.x + 63) % 64];
}
"""
