/* Matrix fragments (nvcuda::wmma): a warp holds each in equal shares, in an order that CUDA leaves open; here an element
   lies where its number says. Products of halves are exact in float, sums are added in the order of the depth.
   Source: https://docs.nvidia.com/cuda/cuda-c-programming-guide/#warp-matrix-functions */
#ifndef GRAPHC_FRAGMENTS_H
#define GRAPHC_FRAGMENTS_H

namespace nvcuda {
namespace wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
namespace precision {
struct tf32 {};
}
enum layout_t { mem_row_major, mem_col_major };

template <typename T> struct em_held { typedef T type; };
template <> struct em_held<precision::tf32> { typedef float type; };
template <typename Use, int M, int N, int K> struct em_extents;
template <int M, int N, int K> struct em_extents<matrix_a, M, N, K> { enum { rows = M, columns = K }; };
template <int M, int N, int K> struct em_extents<matrix_b, M, N, K> { enum { rows = K, columns = N }; };
template <int M, int N, int K> struct em_extents<accumulator, M, N, K> { enum { rows = M, columns = N }; };

template <typename Use, int M, int N, int K, typename T, typename Layout = void> struct fragment {
    typedef typename em_held<T>::type element;
    enum { rows = em_extents<Use, M, N, K>::rows, columns = em_extents<Use, M, N, K>::columns };
    enum { num_elements = rows * columns / EM_LANES };
    element x[num_elements];
};

template <typename F, typename T> static inline void fill_fragment(F &fragment, T value)
{
    for (int i = 0; i < F::num_elements; ++i)
        fragment.x[i] = (typename F::element)value;
}

template <typename F, typename T> static inline void em_load(F &fragment, const T *from, unsigned pitch, bool by_rows)
{
    for (int i = 0; i < F::num_elements; ++i) {
        const int place = em_lane() * F::num_elements + i, row = place / F::columns, column = place % F::columns;
        fragment.x[i] = (typename F::element)from[by_rows ? row * pitch + column : column * pitch + row];
    }
    em_sync_warp(__LINE__);
}

template <typename Use, int M, int N, int K, typename T, typename S>
static inline void load_matrix_sync(fragment<Use, M, N, K, T, row_major> &fragment, const S *from, unsigned pitch)
{
    em_load(fragment, from, pitch, true);
}

template <typename Use, int M, int N, int K, typename T, typename S>
static inline void load_matrix_sync(fragment<Use, M, N, K, T, col_major> &fragment, const S *from, unsigned pitch)
{
    em_load(fragment, from, pitch, false);
}

template <int M, int N, int K, typename T, typename S>
static inline void load_matrix_sync(
    fragment<accumulator, M, N, K, T> &fragment, const S *from, unsigned pitch, layout_t layout)
{
    em_load(fragment, from, pitch, layout == mem_row_major);
}

template <int M, int N, int K, typename T, typename S>
static inline void store_matrix_sync(
    S *to, const fragment<accumulator, M, N, K, T> &from, unsigned pitch, layout_t layout)
{
    em_sync_warp(__LINE__);
    for (int i = 0; i < from.num_elements; ++i) {
        const int place = em_lane() * from.num_elements + i, row = place / N, column = place % N;
        to[layout == mem_row_major ? row * pitch + column : column * pitch + row] = (S)from.x[i];
    }
    em_sync_warp(__LINE__);
}

/* What a lane brings to a product: where its shares are. */
struct em_shares {
    const void *a, *b, *c;
    void *d;
};

template <typename D, typename A, typename B, typename C>
static inline void mma_sync(D &d, const A &a, const B &b, const C &c)
{
    em_shares shares = {a.x, b.x, c.x, d.x};
    const void *mine = &shares;
    memcpy(em.threads[em.current].given, &mine, sizeof mine);
    em_together("mma_sync", __LINE__, 0xffffffffu, [](unsigned warp, unsigned members) {
        if (members != 0xffffffffu)
            em_fail_at("a product of fragments without all lanes", em.current, "in mma_sync");
        const em_shares *of[EM_LANES];
        for (int lane = 0; lane < EM_LANES; ++lane)
            memcpy(&of[lane], em.threads[warp * EM_LANES + lane].given, sizeof of[lane]);
        const int rows = A::rows, depth = A::columns, columns = B::columns;
        static typename D::element result[D::rows * D::columns];
        for (int row = 0; row < rows; ++row)
            for (int column = 0; column < columns; ++column) {
                const int place = row * columns + column;
                auto total = ((const typename C::element *)of[place / C::num_elements]->c)[place % C::num_elements];
                for (int k = 0; k < depth; ++k) {
                    const int left = row * depth + k, right = k * columns + column;
                    const auto x = ((const typename A::element *)of[left / A::num_elements]->a)[left % A::num_elements];
                    const auto y =
                        ((const typename B::element *)of[right / B::num_elements]->b)[right % B::num_elements];
                    total = total + (typename C::element)((float)x * (float)y);
                }
                result[place] = (typename D::element)total;
            }
        for (int place = 0; place < rows * columns; ++place)
            ((typename D::element *)of[place / D::num_elements]->d)[place % D::num_elements] = result[place];
    });
}

static inline float __float_to_tf32(float x)
{
    uint32_t bits = em_as<uint32_t>(x);
    return x != x ? x : em_as<float>((bits + 0x1000u) & 0xffffe000u);
}

} // namespace wmma
} // namespace nvcuda

#endif
