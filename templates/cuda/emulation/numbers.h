/* Vectors of numbers, and the half types: computed in float and rounded once, as the instructions do. */
#ifndef GRAPHC_NUMBERS_H
#define GRAPHC_NUMBERS_H

#define EM_VECTORS(T, name, a2, a4) \
    struct alignas(sizeof(T)) name##1 { T x; }; \
    struct alignas(a2) name##2 { T x, y; }; \
    struct name##3 { T x, y, z; }; \
    struct alignas(a4) name##4 { T x, y, z, w; }; \
    static inline name##1 make_##name##1(T x) { return name##1{x}; } \
    static inline name##2 make_##name##2(T x, T y) { return name##2{x, y}; } \
    static inline name##3 make_##name##3(T x, T y, T z) { return name##3{x, y, z}; } \
    static inline name##4 make_##name##4(T x, T y, T z, T w) { return name##4{x, y, z, w}; }

typedef unsigned char em_uchar;
typedef unsigned short em_ushort;
typedef long long em_longlong;
typedef unsigned long long em_ulonglong;
EM_VECTORS(signed char, char, 2, 4)
EM_VECTORS(em_uchar, uchar, 2, 4)
EM_VECTORS(short, short, 4, 8)
EM_VECTORS(em_ushort, ushort, 4, 8)
EM_VECTORS(int, int, 8, 16)
EM_VECTORS(float, float, 8, 16)
EM_VECTORS(em_longlong, longlong, 16, 16)
EM_VECTORS(em_ulonglong, ulonglong, 16, 16)
EM_VECTORS(double, double, 16, 16)
struct uint1 { unsigned x; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline uint1 make_uint1(unsigned x) { return uint1{x}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return uint2{x, y}; }
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return uint3{x, y, z}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return uint4{x, y, z, w}; }

/* ---- the same bits as another type ---- */

template <typename To, typename From> static inline To em_as(From value)
{
    static_assert(sizeof(To) == sizeof(From), "bits of one size");
    To result;
    memcpy(&result, &value, sizeof result);
    return result;
}

static inline int __float_as_int(float x) { return em_as<int>(x); }
static inline unsigned __float_as_uint(float x) { return em_as<unsigned>(x); }
static inline float __int_as_float(int x) { return em_as<float>(x); }
static inline float __uint_as_float(unsigned x) { return em_as<float>(x); }
static inline long long __double_as_longlong(double x) { return em_as<long long>(x); }
static inline double __longlong_as_double(long long x) { return em_as<double>(x); }
static inline int __double2hiint(double x) { return (int)(em_as<uint64_t>(x) >> 32); }
static inline int __double2loint(double x) { return (int)em_as<uint64_t>(x); }
static inline double __hiloint2double(int high, int low)
{
    return em_as<double>((uint64_t)(unsigned)high << 32 | (unsigned)low);
}

/* ---- 16-bit floating point ---- */

/* The nearest number of `digits` binary digits after the point in the layout of the upper bits of `wide`: to even. */
static inline uint16_t em_round_to_bfloat16(float value)
{
    const uint32_t bits = em_as<uint32_t>(value);
    if (value != value)
        return 0x7fff;
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

static inline float em_from_bfloat16(uint16_t bits) { return em_as<float>((uint32_t)bits << 16); }

static inline uint16_t em_round_to_half(double value)
{
    const uint64_t bits = em_as<uint64_t>(value);
    const uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    if (value != value)
        return 0x7fff;
    const int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    if (exponent >= 16)
        return (uint16_t)(sign | 0x7c00);
    if (exponent < -25)
        return sign;
    /* The significand in units of the last place of the result, and what is cut off. */
    const uint64_t significand = (bits & 0xfffffffffffff) | 0x10000000000000;
    const int cut = exponent >= -14 ? 42 : 42 + (-14 - exponent);
    const uint64_t kept = significand >> cut, half = (uint64_t)1 << (cut - 1), rest = significand & (2 * half - 1);
    const uint64_t rounded = kept + (rest > half || (rest == half && (kept & 1)));
    /* A carry goes on into the exponent, up to infinity. */
    return (uint16_t)(sign | (exponent >= -14 ? rounded + ((uint64_t)(exponent + 14) << 10) : rounded));
}

static inline float em_from_half(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
    if (exponent == 31)
        return em_as<float>(sign | 0x7f800000u | fraction << 13);
    if (!exponent) {
        const float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return em_as<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

struct em_half_format {
    static uint16_t round(double value) { return em_round_to_half(value); }
    static float widen(uint16_t bits) { return em_from_half(bits); }
};

struct em_bfloat16_format {
    /* From double by way of float, as the conversion functions do. */
    static uint16_t round(double value) { return em_round_to_bfloat16((float)value); }
    static float widen(uint16_t bits) { return em_from_bfloat16(bits); }
};

template <typename Format> struct alignas(2) em_short_float {
    uint16_t bits;

    em_short_float() = default;
    em_short_float(float value) : bits(Format::round(value)) {}
    em_short_float(double value) : bits(Format::round(value)) {}
    em_short_float(int value) : bits(Format::round(value)) {}
    em_short_float(unsigned value) : bits(Format::round(value)) {}
    em_short_float(long long value) : bits(Format::round((double)value)) {}
    operator float() const { return Format::widen(bits); }

    em_short_float &operator+=(em_short_float other) { return *this = *this + other; }
    em_short_float &operator-=(em_short_float other) { return *this = *this - other; }
    em_short_float &operator*=(em_short_float other) { return *this = *this * other; }
    em_short_float &operator/=(em_short_float other) { return *this = *this / other; }
    friend em_short_float operator+(em_short_float a, em_short_float b) { return (float)a + (float)b; }
    friend em_short_float operator-(em_short_float a, em_short_float b) { return (float)a - (float)b; }
    friend em_short_float operator*(em_short_float a, em_short_float b) { return (float)a * (float)b; }
    friend em_short_float operator/(em_short_float a, em_short_float b) { return (float)a / (float)b; }
    friend em_short_float operator-(em_short_float a) { return of_bits((uint16_t)(a.bits ^ 0x8000)); }
    friend bool operator<(em_short_float a, em_short_float b) { return (float)a < (float)b; }
    friend bool operator>(em_short_float a, em_short_float b) { return (float)a > (float)b; }
    friend bool operator<=(em_short_float a, em_short_float b) { return (float)a <= (float)b; }
    friend bool operator>=(em_short_float a, em_short_float b) { return (float)a >= (float)b; }
    friend bool operator==(em_short_float a, em_short_float b) { return (float)a == (float)b; }
    friend bool operator!=(em_short_float a, em_short_float b) { return (float)a != (float)b; }

    static em_short_float of_bits(uint16_t bits)
    {
        em_short_float result;
        result.bits = bits;
        return result;
    }
};

typedef em_short_float<em_half_format> __half;
typedef em_short_float<em_bfloat16_format> __nv_bfloat16;
typedef __half half;
typedef __nv_bfloat16 nv_bfloat16;
struct alignas(4) __half2 { __half x, y; };
struct alignas(4) __nv_bfloat162 { __nv_bfloat16 x, y; };
typedef __half2 half2;
typedef __nv_bfloat162 nv_bfloat162;

static inline __half __float2half(float x) { return __half(x); }
static inline __half __float2half_rn(float x) { return __half(x); }
static inline __half __double2half(double x) { return __half(x); }
static inline float __half2float(__half x) { return (float)x; }
static inline __half __ushort_as_half(unsigned short x) { return __half::of_bits(x); }
static inline unsigned short __half_as_ushort(__half x) { return x.bits; }
static inline __nv_bfloat16 __float2bfloat16(float x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __double2bfloat16(double x) { return __nv_bfloat16(x); }
static inline float __bfloat162float(__nv_bfloat16 x) { return (float)x; }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short x) { return __nv_bfloat16::of_bits(x); }
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }

#define EM_HALF_FUNCTIONS(T, T2) \
    static inline T __hadd(T a, T b) { return a + b; } \
    static inline T __hsub(T a, T b) { return a - b; } \
    static inline T __hmul(T a, T b) { return a * b; } \
    static inline T __hdiv(T a, T b) { return a / b; } \
    static inline T __hneg(T a) { return -a; } \
    static inline T __habs(T a) { return T::of_bits((uint16_t)(a.bits & 0x7fff)); } \
    static inline T __hfma(T a, T b, T c) { return T((double)(float)a * (double)(float)b + (double)(float)c); } \
    static inline T __hmax(T a, T b) { return T(fmaxf(a, b)); } \
    static inline T __hmin(T a, T b) { return T(fminf(a, b)); } \
    static inline bool __hlt(T a, T b) { return a < b; } \
    static inline bool __hle(T a, T b) { return a <= b; } \
    static inline bool __hgt(T a, T b) { return a > b; } \
    static inline bool __hge(T a, T b) { return a >= b; } \
    static inline bool __heq(T a, T b) { return a == b; } \
    static inline bool __hne(T a, T b) { return a < b || a > b; } \
    static inline bool __hisnan(T a) { return a != a; } \
    static inline T hsqrt(T a) { return T(sqrtf(a)); } \
    static inline T hexp(T a) { return T(expf(a)); } \
    static inline T hlog(T a) { return T(logf(a)); } \
    static inline T2 __hadd2(T2 a, T2 b) { return T2{a.x + b.x, a.y + b.y}; } \
    static inline T2 __hsub2(T2 a, T2 b) { return T2{a.x - b.x, a.y - b.y}; } \
    static inline T2 __hmul2(T2 a, T2 b) { return T2{a.x * b.x, a.y * b.y}; } \
    static inline T2 __hfma2(T2 a, T2 b, T2 c) { return T2{__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; } \
    static inline float __low2float(T2 a) { return (float)a.x; } \
    static inline float __high2float(T2 a) { return (float)a.y; }

EM_HALF_FUNCTIONS(__half, __half2)
EM_HALF_FUNCTIONS(__nv_bfloat16, __nv_bfloat162)

static inline __half2 __halves2half2(__half x, __half y) { return __half2{x, y}; }
static inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return __nv_bfloat162{x, y}; }
static inline __half2 __floats2half2_rn(float x, float y) { return __half2{__half(x), __half(y)}; }
static inline __half2 __float22half2_rn(float2 v) { return __floats2half2_rn(v.x, v.y); }
static inline float2 __half22float2(__half2 v) { return float2{(float)v.x, (float)v.y}; }
static inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y)
{
    return __nv_bfloat162{__nv_bfloat16(x), __nv_bfloat16(y)};
}
static inline __nv_bfloat162 __float22bfloat162_rn(float2 v) { return __floats2bfloat162_rn(v.x, v.y); }
static inline float2 __bfloat1622float2(__nv_bfloat162 v) { return float2{(float)v.x, (float)v.y}; }

#endif
