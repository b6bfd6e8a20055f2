/* graphc: convolution */
/* 6 launches; 1 argument: 512 bytes; 4 states: 320 bytes; 2 scalars: 16 bytes; 3 outputs: 164 bytes; arena: 9,472 bytes */

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

/* The larger; NaN if either is NaN. */
static inline float gc_maximum_f32(float a, float b)
{
    const float larger = b > a ? b : a; /* two selections, which compilers turn into vector code */
    return b != b ? b : larger;
}


/* ---- scalars ---- */


static inline bool gc_isnan_f32(float a) { return a != a; }

/* ---- vectors ---- */

#define GC_INLINE static inline __attribute__((always_inline, unused))

/* Loops over a tile must be unrolled whole, so that its accumulators become registers. */
#if defined(__clang__)
#define GC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GC_UNROLL _Pragma("GCC unroll 32")
#pragma GCC diagnostic ignored "-Wpsabi" /* vectors are never passed across an ABI: all functions are inlined */
#endif

#if defined(__has_builtin)
#define GC_HAS_BUILTIN(name) __has_builtin(name)
#else
#define GC_HAS_BUILTIN(name) 0
#endif
#define GC_SHUFFLES GC_HAS_BUILTIN(__builtin_shufflevector)

/* fma() is one instruction here; elsewhere a call of libm, far slower than a multiplication and an addition. */
#if defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__AVX512F__) || defined(__ARM_FEATURE_FMA)
#define GC_FAST_FMA 1
#else
#define GC_FAST_FMA 0
#endif


typedef float gc_f32v __attribute__((vector_size(32)));
typedef float gc_f32v_unaligned __attribute__((vector_size(32), aligned(4), may_alias));

GC_INLINE gc_f32v gc_f32v_load(const float *from)
{
    return *(const gc_f32v_unaligned *)from;
}

/* The same for a vector with several uses: gcc would fold the load into each instruction that uses it. */
GC_INLINE gc_f32v gc_f32v_load_once(const float *from)
{
    gc_f32v value = gc_f32v_load(from);
#if defined(__AVX__) && !defined(__clang__)
    __asm__("" : "+v"(value));
#endif
    return value;
}

GC_INLINE void gc_f32v_store(float *to, gc_f32v value)
{
    *(gc_f32v_unaligned *)to = value;
}

/* The first `count` lanes from memory, zeros behind them; no byte past them is touched. */
GC_INLINE gc_f32v gc_f32v_load_part(const float *from, int64_t count)
{
    gc_f32v value = { 0 };
    memcpy(&value, from, (size_t)count * sizeof *from);
    return value;
}

/* The first `count` lanes to memory. */
GC_INLINE void gc_f32v_store_part(float *to, gc_f32v value, int64_t count)
{
    memcpy(to, &value, (size_t)count * sizeof *to);
}

GC_INLINE gc_f32v gc_f32v_splat(float value)
{
    return (gc_f32v){ value, value, value, value, value, value, value, value };
}

/* Whether all of some numbers are finite: x - x is 0 for those, and NaN for the others. */
GC_INLINE bool gc_f32_finite(const float *from, int64_t count)
{
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < count; ++i)
        total += from[i] - from[i];
    return total == 0;
}

/* a * b + c, rounded once where the machine can. */
GC_INLINE gc_f32v gc_f32v_fma(gc_f32v a, gc_f32v b, gc_f32v c)
{
#if defined(__clang__)
#pragma clang fp contract(fast)
    return a * b + c;
#elif defined(__FMA__) && GC_HAS_BUILTIN(__builtin_ia32_vfmaddps256)
    return __builtin_ia32_vfmaddps256(a, b, c);
#elif GC_FAST_FMA
    gc_f32v result;
    for (int i = 0; i < 8; ++i)
        result[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return result;
#else
    return a * b + c;
#endif
}

/* The sum of all lanes, by halves. */
GC_INLINE float gc_f32v_sum(gc_f32v value)
{
#if GC_SHUFFLES
    typedef float half4 __attribute__((vector_size(16)));
    const half4 sum4 = __builtin_shufflevector(value, value, 0, 1, 2, 3)
        + __builtin_shufflevector(value, value, 4, 5, 6, 7);
    typedef float half2 __attribute__((vector_size(8)));
    const half2 sum2 = __builtin_shufflevector(sum4, sum4, 0, 1)
        + __builtin_shufflevector(sum4, sum4, 2, 3);
    return sum2[0] + sum2[1];
#else
    float lane[8];
    gc_f32v_store(lane, value);
    for (int width = 8 / 2; width > 0; width /= 2)
        for (int i = 0; i < width; ++i)
            lane[i] += lane[i + width];
    return lane[0];
#endif
}

/* The sums of the lanes of each of four vectors, to four places one after another. */
GC_INLINE void gc_f32v_sum4(float *to, gc_f32v a, gc_f32v b, gc_f32v c, gc_f32v d)
{
#if GC_SHUFFLES
    const gc_f32v ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    const gc_f32v cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 8, 9, 10, 11) + __builtin_shufflevector(c, d, 4, 5, 6, 7, 12, 13, 14, 15);
    gc_f32v sums = __builtin_shufflevector(ab, cd, 0, 1, 4, 5, 8, 9, 12, 13)
        + __builtin_shufflevector(ab, cd, 2, 3, 6, 7, 10, 11, 14, 15);
    sums += __builtin_shufflevector(sums, sums, 1, 0, 3, 2, 5, 4, 7, 6);
    sums = __builtin_shufflevector(sums, sums, 0, 2, 4, 6, 4, 5, 6, 7);
    memcpy(to, &sums, 4 * sizeof *to);
    return;
#endif
    to[0] = gc_f32v_sum(a);
    to[1] = gc_f32v_sum(b);
    to[2] = gc_f32v_sum(c);
    to[3] = gc_f32v_sum(d);
}

/* Writes to[k * pitch + n] = from[n * stride + k] for n < columns, k < depth; zeros for columns <= n < panel. */
__attribute__((unused)) static void gc_f32_pack_transposed(float *restrict to, int64_t pitch, int64_t panel, const float *restrict from, int64_t stride,
    int64_t columns, int64_t depth)
{
#if GC_SHUFFLES
    for (int64_t n = 0; n < panel; n += 8)
        for (int64_t k = 0; k < depth; k += 8) {
            const int64_t count = depth - k < 8 ? depth - k : 8;
            gc_f32v row[8];
            if (n + 8 <= columns && count == 8) {
                GC_UNROLL for (int i = 0; i < 8; ++i)
                    row[i] = gc_f32v_load(from + (n + i) * stride + k);
            } else {
                GC_UNROLL for (int i = 0; i < 8; ++i)
                    row[i] = gc_f32v_load_part(n + i < columns ? from + (n + i) * stride + k : from, n + i < columns ? count : 0);
            }
            GC_UNROLL for (int i = 0; i < 8; ++i)
                if ((i & 1) == 0) {
                    const gc_f32v upper = row[i], lower = row[i + 1];
                    row[i] = __builtin_shufflevector(upper, lower, 0, 8, 2, 10, 4, 12, 6, 14);
                    row[i + 1] = __builtin_shufflevector(upper, lower, 1, 9, 3, 11, 5, 13, 7, 15);
                }
            GC_UNROLL for (int i = 0; i < 8; ++i)
                if ((i & 2) == 0) {
                    const gc_f32v upper = row[i], lower = row[i + 2];
                    row[i] = __builtin_shufflevector(upper, lower, 0, 1, 8, 9, 4, 5, 12, 13);
                    row[i + 2] = __builtin_shufflevector(upper, lower, 2, 3, 10, 11, 6, 7, 14, 15);
                }
            GC_UNROLL for (int i = 0; i < 8; ++i)
                if ((i & 4) == 0) {
                    const gc_f32v upper = row[i], lower = row[i + 4];
                    row[i] = __builtin_shufflevector(upper, lower, 0, 1, 2, 3, 8, 9, 10, 11);
                    row[i + 4] = __builtin_shufflevector(upper, lower, 4, 5, 6, 7, 12, 13, 14, 15);
                }
            const int64_t width = panel - n < 8 ? panel - n : 8;
            if (count == 8 && width == 8) {
                GC_UNROLL for (int i = 0; i < 8; ++i)
                    gc_f32v_store(to + (k + i) * pitch + n, row[i]);
            } else {
                GC_UNROLL for (int i = 0; i < 8; ++i)
                    if (i < count)
                        gc_f32v_store_part(to + (k + i) * pitch + n, row[i], width);
            }
        }
#else
    for (int64_t k = 0; k < depth; ++k)
        for (int64_t n = 0; n < panel; ++n)
            to[k * pitch + n] = n < columns ? from[n * stride + k] : 0;
#endif
}

/* ---- kernels ---- */

/* convolution, add, relu
   tests/test_golden.py:68 */
/* 2 x [4, 9] @ [9, 72]
   outer tile 4 x 24, block 4 x 36 x 9; a: memory, b: local planes */

/* block[rows, vectors * 8] = a[rows, depth] @ b[depth, vectors * 8], or += when not the first; the sums stay in registers. */
GC_INLINE void convolution_add_relu_tile(const float *restrict a, const float *restrict b, const int32_t *restrict b_offset,
    float *restrict block, int64_t depth, bool first, const int rows, const int vectors)
{
    gc_f32v sum[4][3];
    GC_UNROLL for (int i = 0; i < rows; ++i)
        GC_UNROLL for (int j = 0; j < vectors; ++j)
            sum[i][j] = first ? gc_f32v_splat(0) : gc_f32v_load(block + i * 40 + j * 8);
    for (int64_t k = 0; k < depth; ++k) {
        const float *const a_column = a + k, *const b_row = b + b_offset[k];
        gc_f32v b_vector[3];
        GC_UNROLL for (int j = 0; j < vectors; ++j)
            b_vector[j] = gc_f32v_load_once(b_row + j * 8);
        GC_UNROLL for (int i = 0; i < rows; ++i) {
            const gc_f32v a_vector = gc_f32v_splat(a_column[i * 9]);
            GC_UNROLL for (int j = 0; j < vectors; ++j)
                sum[i][j] = gc_f32v_fma(a_vector, b_vector[j], sum[i][j]);
        }
    }
    GC_UNROLL for (int i = 0; i < rows; ++i)
        GC_UNROLL for (int j = 0; j < vectors; ++j)
            gc_f32v_store(block + i * 40 + j * 8, sum[i][j]);
}

__attribute__((noinline)) static void convolution_add_relu_tile_4x3(const float *a, const float *b, const int32_t *b_offset, float *block, int64_t depth, bool first)
{
    convolution_add_relu_tile(a, b, b_offset, block, depth, first, 4, 3);
}

__attribute__((noinline)) static void convolution_add_relu_tile_4x2(const float *a, const float *b, const int32_t *b_offset, float *block, int64_t depth, bool first)
{
    convolution_add_relu_tile(a, b, b_offset, block, depth, first, 4, 2);
}

GC_KERNEL void convolution_add_relu_multiply(const float *restrict in0, const float *restrict in1, const float *restrict in2, float *restrict out0, float *restrict local, int64_t first, int64_t last)
{
    enum { TILE_M = 4, TILE_N = 24, BLOCK_M = 4, BLOCK_N = 36, BLOCK_K = 9, PITCH = 40 };
    const int64_t M = 4, N = 72, K = 9;
    float *const b_stage = local;
    int64_t b_copied = -1;
    static const int32_t tap[9] = { 0, 1, 2, 9, 10, 11, 18, 19, 20 };
    int32_t b_at[BLOCK_K];
    for (int32_t k = 0; k < BLOCK_K; ++k)
        b_at[k] = k / 9 * 54 + tap[k % 9];
    for (int64_t item = first; item < last; ++item) {
        const int64_t k_first = 0, k_last = K;
        float *const block = local + 80;
        const int64_t batch = item / (1 * 2), place = item % (1 * 2);
        const int64_t n0 = place * BLOCK_N, m0 = 0;
        const int64_t m1 = m0 + BLOCK_M < M ? m0 + BLOCK_M : M, n1 = n0 + BLOCK_N < N ? n0 + BLOCK_N : N;
        for (int64_t k0 = k_first; k0 < k_last; k0 += BLOCK_K) {
            const int64_t k1 = k0 + BLOCK_K < k_last ? k0 + BLOCK_K : k_last;
            const int64_t b_wanted = (batch * 72 + n0) * K + k0;
            if (b_wanted != b_copied) { /* the copy of the item before is kept where it is the same */
                b_copied = b_wanted;
                memset(b_stage, 0, 68 * sizeof *b_stage);
                const int64_t top = n0 / 9, bottom = n1 / 9;
                for (int64_t channel = 0; channel < k1 / 9; ++channel)
                    for (int64_t y = top > 1 ? top - 1 : 0; y < (bottom + 1 < 8 ? bottom + 1 : 8); ++y)
                        for (int64_t x = 0; x < 8; ++x)
                            b_stage[channel * 54 + (y + 1 - top) * 9 + x + 1] = in1[batch * 64 + y * 8 + x];
            }
            for (int64_t n = n0; n < n1; n += TILE_N)
                for (int64_t m = m0; m < m1; m += TILE_M) {
                    const float *const a = in0 + m * 9 + k0;
                    const float *const b = b_stage + n - n0;
                    float *const to = block + (m - m0) * PITCH + n - n0;
                    if (n1 - n > 16)
                        convolution_add_relu_tile_4x3(a, b, b_at, to, k1 - k0, k0 == k_first);
                    else
                        convolution_add_relu_tile_4x2(a, b, b_at, to, k1 - k0, k0 == k_first);
                }
        }
        for (int64_t m = m0; m < m1; ++m) {
            for (int64_t y = n0 / 9; y < n1 / 9; ++y)
                #pragma omp simd
                for (int64_t x = 0; x < 8; ++x) {
                    const float total = block[(m - m0) * PITCH + y * 9 + x - n0];
                    const float t0 = total + in2[m];
                    out0[batch * 256 + m * 64 + y * 8 + x] = t0 <= 0.0f ? 0.0f : t0;
                }
        }
    }
}

/* max_pool
   tests/test_golden.py:68 */
GC_KERNEL void max_pool(const float *restrict in0, float *restrict out0, int64_t first, int64_t last)
{
    for (int64_t i0 = first; i0 < last; ++i0) {
        #pragma omp simd
        for (int64_t i1 = 0; i1 < 4; ++i1) {
            float a0 = -INFINITY;
            a0 = gc_maximum_f32(a0, in0[i0 * 16 + i1 * 2]);
            a0 = gc_maximum_f32(a0, in0[i0 * 16 + i1 * 2 + 1]);
            a0 = gc_maximum_f32(a0, in0[i0 * 16 + i1 * 2 + 8]);
            a0 = gc_maximum_f32(a0, in0[i0 * 16 + i1 * 2 + 9]);
            out0[i0 * 4 + i1] = a0;
        }
    }
}

/* sum
   tests/test_golden.py:68 */
GC_KERNEL void sum(const float *restrict in0, float *restrict out0)
{
    float a0 = 0.0f;
    #pragma omp simd reduction(+ : a0)
    for (int64_t r0 = 0; r0 < 128; ++r0)
        a0 += in0[r0];
    out0[0] = a0;
}

/* max_pool_position, max_pool_spread, le, where
   backward of tests/test_golden.py:68 */
GC_KERNEL void max_pool_position_max_pool_spread_le(const float *restrict in0, const float *restrict in1,
    float *restrict out0, int64_t first, int64_t last)
{
    for (int64_t i0 = first; i0 < last; ++i0) {
        for (int64_t i1 = 0; i1 < 4; ++i1) {
            int32_t a0 = -INT64_C(2147483648);
            int64_t a0_position = 0;
            const float t0 = in0[i0 * 4 + i1];
            for (int64_t r0 = 0; r0 < 2; ++r0) {
                for (int64_t r1 = 0; r1 < 2; ++r1) {
                    const float t1 = in1[i0 * 16 + r0 * 8 + i1 * 2 + r1];
                    const int32_t a0_candidate = gc_isnan_f32(t1) ? (int32_t)(r0 * 2 + r1 + 2) : t1 == t0 ? 1 : 0;
                    if (a0_candidate > a0) {
                        a0 = a0_candidate;
                        a0_position = r0 * 2 + r1;
                    }
                }
            }
            for (int64_t r0 = 0; r0 < 2; ++r0) {
                for (int64_t r1 = 0; r1 < 2; ++r1)
                    out0[i0 * 16 + r0 * 8 + i1 * 2 + r1] = in1[i0 * 16 + r0 * 8 + i1 * 2 + r1] <= 0.0f ? 0.0f : a0_position == (int32_t)(r0 * 2 + r1) ? 1.0f : 0.0f;
            }
        }
    }
}

/* convolution_weight_gradient, mul, add, mul, sub
   backward of tests/test_golden.py:68; update of tests/test_golden.py:70 */
/* [4, 168] @ [168, 9]
   dot tile 4 x 2, block 4 x 9 x 168; a: local places, b: local planes */

/* block[rows, columns] = a[rows, depth] @ b[columns, depth].T, or += when not the first; the sums stay in registers. */
GC_INLINE void convolution_weight_gradient_mul_add_tile(const float *restrict a, const float *restrict b, const int32_t *restrict b_offset,
    float *restrict block, int64_t depth, bool first, const int rows, const int columns)
{
    gc_f32v sum[4][2], b_vector[2];
    GC_UNROLL for (int i = 0; i < rows; ++i)
        GC_UNROLL for (int j = 0; j < columns; ++j)
            sum[i][j] = gc_f32v_splat(0);
    const int64_t whole = depth / 8 * 8;
    for (int64_t k = 0; k < whole; k += 8) {
        GC_UNROLL for (int j = 0; j < columns; ++j)
            b_vector[j] = gc_f32v_load_once(b + b_offset[j] + k);
        GC_UNROLL for (int i = 0; i < rows; ++i) {
            const gc_f32v a_vector = gc_f32v_load_once(a + i * 168 + k);
            GC_UNROLL for (int j = 0; j < columns; ++j)
                sum[i][j] = gc_f32v_fma(a_vector, b_vector[j], sum[i][j]);
        }
    }
    GC_UNROLL for (int i = 0; i < rows; ++i)
        GC_UNROLL for (int j = 0; j < columns; j += 4) {
            float total[4], *const to = block + i * 16 + j;
            const int count = columns - j < 4 ? columns - j : 4;
            if (count == 4)
                gc_f32v_sum4(total, sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
            else
                for (int each = 0; each < count; ++each)
                    total[each] = gc_f32v_sum(sum[i][j + each]);
            for (int each = 0; each < count; ++each)
                to[each] = first ? total[each] : to[each] + total[each];
        }
}

__attribute__((noinline)) static void convolution_weight_gradient_mul_add_tile_4x2(const float *a, const float *b, const int32_t *b_offset, float *block, int64_t depth, bool first)
{
    convolution_weight_gradient_mul_add_tile(a, b, b_offset, block, depth, first, 4, 2);
}

__attribute__((noinline)) static void convolution_weight_gradient_mul_add_tile_4x1(const float *a, const float *b, const int32_t *b_offset, float *block, int64_t depth, bool first)
{
    convolution_weight_gradient_mul_add_tile(a, b, b_offset, block, depth, first, 4, 1);
}

/* One element by itself: a tile also adds zeros times what lies in the gaps, which may be infinite. */
static float convolution_weight_gradient_mul_add_exact(const float *restrict in0, const float *restrict in1, int64_t m, int64_t n)
{
    float total = 0;
    for (int64_t k = 0; k < 128; ++k)
        total += in0[k / 64 * 256 + m * 64 + k % 64] * (n / 3 + k / 8 % 8 - 1 >= 0 && n / 3 + k / 8 % 8 - 1 < 8 && (k % 8 + n % 3 - 1 >= 0 && k % 8 + n % 3 - 1 < 8) ? in1[n / 3 * 8 + k + n % 3 - 9] : 0.0f);
    return total;
}

GC_KERNEL void convolution_weight_gradient_mul_add_multiply(const float *restrict in0, const float *restrict in1, const double *restrict in2, const double *restrict in3, float *restrict out0, float *restrict out1, float *restrict out2, float *restrict local, int64_t first, int64_t last)
{
    enum { TILE_M = 4, TILE_N = 2, BLOCK_M = 4, BLOCK_N = 9, BLOCK_K = 168, PITCH = 16 };
    const int64_t M = 4, N = 9, K = 168;
    float *const a_stage = local;
    int64_t a_copied = -1;
    float *const b_stage = local + 672;
    int64_t b_copied = -1;
    static const int32_t tap[9] = { 0, 1, 2, 9, 10, 11, 18, 19, 20 };
    int32_t b_at[BLOCK_N];
    for (int32_t k = 0; k < BLOCK_N; ++k)
        b_at[k] = k / 9 * 172 + tap[k % 9];
    for (int64_t item = first; item < last; ++item) {
        const int64_t k_first = 0, k_last = K;
        float *const block = local + 864;
        const int64_t m0 = 0, n0 = 0;
        const int64_t m1 = m0 + BLOCK_M < M ? m0 + BLOCK_M : M, n1 = n0 + BLOCK_N < N ? n0 + BLOCK_N : N;
        for (int64_t k0 = k_first; k0 < k_last; k0 += BLOCK_K) {
            const int64_t k1 = k0 + BLOCK_K < k_last ? k0 + BLOCK_K : k_last;
            const int64_t a_wanted = (m0) * K + k0;
            if (a_wanted != a_copied) { /* the copy of the item before is kept where it is the same */
                a_copied = a_wanted;
                memset(a_stage, 0, (size_t)((m1 - m0) * BLOCK_K) * sizeof *a_stage);
                const int64_t first_sample = k0 / BLOCK_K * 2;
                const int64_t last_sample = first_sample + 2 < 2 ? first_sample + 2 : 2;
                for (int64_t m = m0; m < m1; ++m)
                    for (int64_t sample = first_sample; sample < last_sample; ++sample)
                        for (int64_t y = 0; y < 8; ++y)
                            for (int64_t x = 0; x < 8; ++x)
                                a_stage[(m - m0) * BLOCK_K + (sample - first_sample) * 81 + y * 9 + x] = in0[sample * 256 + m * 64 + y * 8 + x];
            }
            const int64_t b_wanted = (n0) * K + k0;
            if (b_wanted != b_copied) { /* the copy of the item before is kept where it is the same */
                b_copied = b_wanted;
                memset(b_stage, 0, 188 * sizeof *b_stage);
                const int64_t first_sample = k0 / BLOCK_K * 2;
                const int64_t last_sample = first_sample + 2 < 2 ? first_sample + 2 : 2;
                for (int64_t channel = 0; channel < n1 / 9; ++channel)
                    for (int64_t sample = first_sample; sample < last_sample; ++sample)
                        for (int64_t y = 0; y < 8; ++y)
                            for (int64_t x = 0; x < 8; ++x)
                                b_stage[channel * 172 + (sample - first_sample) * 81 + (y + 1) * 9 + x + 1] = in1[sample * 64 + y * 8 + x];
            }
            for (int64_t n = n0; n < n1; n += TILE_N)
                for (int64_t m = m0; m < m1; m += TILE_M) {
                    const float *const a = a_stage + (m - m0) * BLOCK_K;
                    const float *const b = b_stage;
                    float *const to = block + (m - m0) * PITCH + n - n0;
                    if (n1 - n > 1)
                        convolution_weight_gradient_mul_add_tile_4x2(a, b, b_at + n - n0, to, k1 - k0, k0 == k_first);
                    else
                        convolution_weight_gradient_mul_add_tile_4x1(a, b, b_at + n - n0, to, k1 - k0, k0 == k_first);
                }
        }
        for (int64_t m = m0; m < m1; ++m)
            if (!gc_f32_finite(block + (m - m0) * PITCH, n1 - n0))
                for (int64_t n = n0; n < n1; ++n)
                    if (!isfinite(block[(m - m0) * PITCH + n - n0]))
                        block[(m - m0) * PITCH + n - n0] = convolution_weight_gradient_mul_add_exact(in0, in1, m, n);
        for (int64_t m = m0; m < m1; ++m)
            #pragma omp simd
            for (int64_t n = n0; n < n1; ++n) {
                const float total = block[(m - m0) * PITCH + n - n0];
                out0[m * 9 + n] = total;
                const float t0 = out1[m * 9 + n];
                const float t1 = t0 * (float)in2[0] + total;
                out1[m * 9 + n] = t1;
                const float t2 = out2[m * 9 + n];
                out2[m * 9 + n] = t2 - t1 * (float)in3[0];
            }
    }
}

/* sum, mul, add, mul, sub
   backward of tests/test_golden.py:68; update of tests/test_golden.py:70 */
GC_KERNEL void sum_mul_add(const double *restrict in0, const double *restrict in1, const float *restrict in2,
    float *restrict out0, float *restrict out1, float *restrict out2, int64_t first, int64_t last)
{
    const double t0 = in0[0];
    const float t1 = (float)t0;
    const double t2 = in1[0];
    const float t3 = (float)t2;
    for (int64_t i0 = first; i0 < last; ++i0) {
        float a0 = 0.0f;
        for (int64_t r0 = 0; r0 < 2; ++r0) {
            #pragma omp simd reduction(+ : a0)
            for (int64_t r1 = 0; r1 < 64; ++r1)
                a0 += in2[r0 * 256 + i0 * 64 + r1];
        }
        out0[i0] = a0;
        const float t4 = out1[i0];
        const float t5 = t4 * t1 + a0;
        out1[i0] = t5;
        const float t6 = out2[i0];
        out2[i0] = t6 - t5 * t3;
    }
}

/* ---- the step ---- */

GC_STEP int64_t graphc_run(
    void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error);

int64_t graphc_run(void *const *buffers, const int64_t *extents, unsigned char *arena, int64_t threads, int64_t *error)
{
    const float *const x = buffers[0]; /* argument f32[2,1,8,8] */
    float *const weight = buffers[1]; /* state f32[4,1,3,3] */
    float *const bias = buffers[2]; /* state f32[4] */
    const double *const momentum = buffers[3]; /* scalar f64[] */
    float *const weight_momentum_buffer = buffers[4]; /* state f32[4,1,3,3] */
    const double *const lr = buffers[5]; /* scalar f64[] */
    float *const bias_momentum_buffer = buffers[6]; /* state f32[4] */
    float *const result = buffers[7]; /* output f32[] */
    float *const weight_grad = buffers[8]; /* output f32[4,1,3,3] */
    float *const bias_grad = buffers[9]; /* output f32[4] */
    float *const t10 = (float *)(arena + 0); /* relu f32[2,4,8,8] */
    float *const t11 = (float *)(arena + 2048); /* max_pool f32[2,4,4,4] */
    float *const t12 = (float *)(arena + 7424); /* where f32[2,4,8,8] */
    (void)extents;
    (void)threads;
    (void)error;

    const int64_t thread = 0;
    /* 0: convolution, add, relu tests/test_golden.py:68 */
    convolution_add_relu_multiply(weight, x, bias, t10, (float *)(arena + 2048 + thread * 960), 0, 4);
    /* 1: max_pool tests/test_golden.py:68 */
    max_pool(t10, t11, 0, 32);
    /* 2: sum tests/test_golden.py:68 */
    sum(t11, result);
    /* 3: max_pool_position, max_pool_spread, le, where backward of tests/test_golden.py:68 */
    max_pool_position_max_pool_spread_le(t11, t10, t12, 0, 32);
    /* 4: convolution_weight_gradient, mul, add, sub backward of tests/test_golden.py:68; update of tests/test_golden.py:70 */
    convolution_weight_gradient_mul_add_multiply(t12, x, momentum, lr, weight_grad, weight_momentum_buffer, weight, (float *)(arena + 0 + thread * 3712), 0, 1);
    /* 5: sum, mul, add, sub backward of tests/test_golden.py:68; update of tests/test_golden.py:70 */
    sum_mul_add(momentum, lr, t12, bias_grad, bias_momentum_buffer, bias, 0, 4);
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
