/* Functions of numbers that CUDA has and the C library has not, or has by other names. */
#ifndef GRAPHC_FUNCTIONS_H
#define GRAPHC_FUNCTIONS_H

static inline float rsqrtf(float x) { return (float)(1.0 / sqrt((double)x)); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float rcbrtf(float x) { return (float)(1.0 / cbrt((double)x)); }
static inline double rcbrt(double x) { return 1.0 / cbrt(x); }
#if !defined(__USE_GNU) || !defined(__GLIBC__)
static inline float exp10f(float x) { return (float)pow(10.0, (double)x); }
static inline double exp10(double x) { return pow(10.0, x); }
#endif

/* sin and cos of pi x: the argument is reduced before it is rounded. */
static inline double em_sinpi(double x)
{
    const double r = fmod(x, 2.0), a = fabs(r);
    const double value = a <= 0.25 ? sin(M_PI * a)
        : a <= 0.75                ? cos(M_PI * (0.5 - a))
        : a <= 1.25                ? sin(M_PI * (1.0 - a))
        : a <= 1.75                ? -cos(M_PI * (1.5 - a))
                                   : sin(M_PI * (a - 2.0));
    return copysign(1.0, r) * value;
}

static inline double sinpi(double x) { return em_sinpi(x); }
static inline double cospi(double x) { return em_sinpi(fmod(fabs(x), 2.0) + 0.5); }
static inline float sinpif(float x) { return (float)sinpi((double)x); }
static inline float cospif(float x) { return (float)cospi((double)x); }
static inline double normcdf(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }
static inline float normcdff(float x) { return (float)normcdf((double)x); }

/* The inverse of erf: a start good to four digits (Giles, "Approximating the erfinv function", 2011, simplified), and
   three steps of Newton, with Halley's correction, bring it to the last. */
static inline double erfinv(double y)
{
    if (!(fabs(y) < 1.0))
        return fabs(y) == 1.0 ? copysign(INFINITY, y) : (double)NAN;
    const double w = log1p(-y * y), t = 2.0 / (M_PI * 0.147) + 0.5 * w;
    double x = copysign(sqrt(sqrt(t * t - w / 0.147) - t), y);
    for (int step = 0; step < 3; ++step) {
        const double error = y > 0.5 ? (1.0 - y) - erfc(x) : y < -0.5 ? erfc(-x) - (1.0 + y) : erf(x) - y;
        const double step_by = error / (2.0 / sqrt(M_PI) * exp(-x * x));
        x -= step_by / (1.0 + x * step_by);
    }
    return x;
}

static inline float erfinvf(float y) { return (float)erfinv((double)y); }

#define __expf expf
#define __exp10f exp10f
#define __logf logf
#define __log2f log2f
#define __log10f log10f
#define __powf powf
#define __sinf sinf
#define __cosf cosf
#define __tanf tanf
#define __ldg(address) (*(address))
#define __ldcs(address) (*(address))
#define __ldcg(address) (*(address))
#define __ldca(address) (*(address))
#define __stcs(address, value) ((void)(*(address) = (value)))
#define __stcg(address, value) ((void)(*(address) = (value)))
#define __stwt(address, value) ((void)(*(address) = (value)))
#define __builtin_assume(condition) ((void)0)
#define __trap() abort()

static inline float __fdividef(float a, float b) { return a / b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __frcp_rn(float a) { return 1.0f / a; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline float __frsqrt_rn(float a) { return rsqrtf(a); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline double __drcp_rn(double a) { return 1.0 / a; }
static inline double __dsqrt_rn(double a) { return sqrt(a); }
static inline float __saturatef(float a) { return fminf(fmaxf(a, 0.0f), 1.0f); }

/* Conversions to integers go to the nearest number there is; NaN gives 0. */
template <typename To> static inline To em_to_integer(double value, double low, double high, To least, To most)
{
    if (value != value)
        return 0;
    return value < low ? least : value >= high ? most : (To)value;
}
static inline int em_to_int(double x) { return em_to_integer<int>(x, -0x1p31, 0x1p31, INT32_MIN, INT32_MAX); }
static inline unsigned em_to_uint(double x) { return em_to_integer<unsigned>(x, 0.0, 0x1p32, 0, UINT32_MAX); }
static inline long long em_to_long(double x)
{
    return em_to_integer<long long>(x, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX);
}
static inline int __float2int_rn(float x) { return em_to_int(rint((double)x)); }
static inline int __float2int_rz(float x) { return em_to_int(trunc((double)x)); }
static inline int __float2int_rd(float x) { return em_to_int(floor((double)x)); }
static inline int __float2int_ru(float x) { return em_to_int(ceil((double)x)); }
static inline unsigned __float2uint_rn(float x) { return em_to_uint(rint((double)x)); }
static inline unsigned __float2uint_rz(float x) { return em_to_uint(trunc((double)x)); }
static inline long long __float2ll_rn(float x) { return em_to_long(rint((double)x)); }
static inline long long __float2ll_rz(float x) { return em_to_long(trunc((double)x)); }
static inline int __double2int_rn(double x) { return em_to_int(rint(x)); }
static inline int __double2int_rz(double x) { return em_to_int(trunc(x)); }
static inline long long __double2ll_rn(double x) { return em_to_long(rint(x)); }
static inline long long __double2ll_rz(double x) { return em_to_long(trunc(x)); }
static inline float __double2float_rn(double x) { return (float)x; }
static inline float __int2float_rn(int x) { return (float)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }
static inline float __ll2float_rn(long long x) { return (float)x; }
static inline double __int2double_rn(int x) { return (double)x; }
static inline double __ll2double_rn(long long x) { return (double)x; }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned long long __brevll(unsigned long long x)
{
    unsigned long long result = 0;
    for (int bit = 0; bit < 64; ++bit)
        result |= (x >> bit & 1) << (63 - bit);
    return result;
}
static inline unsigned __brev(unsigned x) { return (unsigned)(__brevll(x) >> 32); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline int __mulhi(int a, int b) { return (int)((int64_t)a * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static inline long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by)
{
    return (unsigned)(((uint64_t)high << 32 | low) << (by & 31) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by)
{
    return (unsigned)(((uint64_t)high << 32 | low) >> (by & 31));
}

template <typename T> static inline T max(T a, T b) { return a > b ? a : b; }
template <typename T> static inline T min(T a, T b) { return a < b ? a : b; }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline float min(float a, float b) { return fminf(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }

#endif
