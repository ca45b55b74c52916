/* The runtime under every generated cell: scalar functions that vectorise, and matrix products for time loops.
 *
 * A generated file starts with this text and is compiled for the machine it runs on, with
 *   -O3 -march=native -std=gnu11 -fno-math-errno -fno-trapping-math -ffp-contract=fast
 * and not with -ffast-math: NaN and infinity are values here, and the rounding tricks below need the written order.
 *
 * real            float, or double with -DREAL_DOUBLE
 * m_exp(x) ...    `for (j) y[j] = m_exp(x[j]);` becomes vector code (float); double calls libm
 * gemm_packed     C = A B (+ C) with B packed once by pack_nt or pack_nn and used at every time step
 * gemm_nt/nn      the same without packing, for a matrix that is used once
 */
#include <math.h>
#include <stdint.h>

#ifdef REAL_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#if defined(__clang__) && defined(__AVX512F__)
#define WIDE __attribute__((min_vector_width(512))) /* or clang would split 64-byte vectors in two */
#else
#define WIDE
#endif
#define INLINE static inline __attribute__((always_inline, unused)) WIDE
#define RUNTIME static __attribute__((unused)) WIDE /* a cell need not use all of them */

/* ---- scalar functions ------------------------------------------------------------------------------------------- */

/* Like torch.maximum and torch.minimum, NaN wins: a comparison with NaN is false, so a NaN b is what is left. */
INLINE real m_max(real a, real b) { return a > b || a != a ? a : b; }
INLINE real m_min(real a, real b) { return a < b || a != a ? a : b; }

/* a where the condition is not 0, else b, by masking bits: selects inside selects confuse the vectoriser. */
INLINE real m_where(real condition, real a, real b) {
#ifdef REAL_DOUBLE
    typedef int64_t bits;
#else
    typedef int32_t bits;
#endif
    union { real r; bits i; } x = {.r = a}, y = {.r = b}, selected;
    bits mask = -(bits)(condition != 0);
    selected.i = (x.i & mask) | (y.i & ~mask);
    return selected.r;
}

#ifdef REAL_DOUBLE

INLINE real m_abs(real x) { return fabs(x); }
INLINE real m_sqrt(real x) { return sqrt(x); }
INLINE real m_exp(real x) { return exp(x); }
INLINE real m_expm1(real x) { return expm1(x); }
INLINE real m_log(real x) { return log(x); }
INLINE real m_log1p(real x) { return log1p(x); }
INLINE real m_tanh(real x) { return tanh(x); }
INLINE real m_erf(real x) { return erf(x); }

#else

/* Polynomials are minimax fits (Lawson's reweighted least squares at Chebyshev nodes against 40-digit values) of the
 * relative error of the function they end up in, on the reduced range given. Every branch is a select between two
 * computed values, written so that NaN falls through: that is what lets the compiler turn them into vector code. */

INLINE int32_t bits_of(float x) { union { float f; int32_t i; } u = {.f = x}; return u.i; }
INLINE float from_bits(int32_t i) { union { int32_t i; float f; } u = {.i = i}; return u.f; }
INLINE float power_of_two(int32_t n) { return from_bits((int32_t)((uint32_t)(n + 127) << 23)); } /* -126 <= n <= 127 */

#define LN2_HIGH 0.693145751953125f /* few digits: n * LN2_HIGH is exact for |n| < 2^9 */
#define LN2_LOW 1.428606765330187e-06f

/* x = n ln 2 + r with |r| <= ln 2 / 2; returns e^r - 1, relative error 1.3e-8 before rounding. */
INLINE float exp_reduced(float x, int32_t *n) {
    const float to_integer = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer that sits in the lowest bits */
    float shifted = x * 1.44269504f + to_integer, k = shifted - to_integer;
    float r = (x - k * LN2_HIGH) - k * LN2_LOW;
    float p = 1.388249746e-3f;
    p = p * r + 8.366646794e-3f;
    p = p * r + 4.166720392e-2f;
    p = p * r + 1.666654268e-1f;
    p = p * r + 4.999999813e-1f;
    *n = bits_of(shifted) - 0x4b400000;
    return r * r * p + r;
}

INLINE float m_exp(float x) {
    int32_t n;
    x = x < -105.0f ? -105.0f : x; /* e^-105 rounds to 0, e^89 to infinity: n stays in what two factors reach */
    x = x > 89.0f ? 89.0f : x;
    float q = exp_reduced(x, &n), half = power_of_two(n >> 1);
    return (q + 1.0f) * half * power_of_two(n - (n >> 1));
}

INLINE float m_expm1(float x) {
    int32_t n;
    x = x < -25.0f ? -25.0f : x; /* e^-25 - 1 rounds to -1 */
    x = x > 89.0f ? 89.0f : x;
    float q = exp_reduced(x, &n), half = power_of_two(n - 1); /* 2^n itself may be infinite */
    return (q * half + (half - 0.5f)) * 2.0f;
}

/* log(2^k (1 + f)) for sqrt(1/2) <= 1 + f < sqrt(2): f - f^2/2 + f^3 p(f) + k ln 2, relative error 5.8e-9. */
INLINE float log_reduced(float f, float k) {
    float p = -7.634509328e-2f, square = f * f;
    p = p * f + 1.276159503e-1f;
    p = p * f - 1.316018616e-1f;
    p = p * f + 1.420175587e-1f;
    p = p * f - 1.662335677e-1f;
    p = p * f + 2.000122695e-1f;
    p = p * f - 2.500082105e-1f;
    p = p * f + 3.333333171e-1f;
    return k * LN2_HIGH + (f - (0.5f * square - (square * f * p + k * LN2_LOW)));
}

/* k with x = 2^k m, sqrt(1/2) <= m < sqrt(2), for normal x > 0. */
INLINE int32_t log_exponent(float x) { return ((bits_of(x) - 0x3f3504f3) >> 23); }

INLINE float m_log(float x) {
    int subnormal = x < 1.17549435e-38f;
    float y = subnormal ? x * 16777216.0f : x;
    int32_t k = log_exponent(y);
    float m = from_bits(bits_of(y) - (int32_t)((uint32_t)k << 23));
    float result = log_reduced(m - 1.0f, (float)(subnormal ? k - 24 : k));
    result = x < INFINITY ? result : x; /* infinity and NaN return themselves */
    result = x < 0.0f ? NAN : result;
    return x == 0.0f ? -INFINITY : result;
}

INLINE float m_log1p(float x) {
    float u = 1.0f + x;
    int32_t k = log_exponent(u);
    float m = from_bits(bits_of(u) - (int32_t)((uint32_t)k << 23)), scale = power_of_two(-k);
    /* 2^-k (1 + x) - 1 without the digits of x that u has lost; past 2^25 there are none, and 2^-k may not exist */
    float f = u < 33554432.0f ? x * scale + (scale - 1.0f) : m - 1.0f;
    float result = log_reduced(f, (float)k);
    result = x < INFINITY ? result : x;
    result = x < -1.0f ? NAN : result;
    return x == -1.0f ? -INFINITY : result;
}

INLINE float m_abs(float x) { return fabsf(x); }
INLINE float m_sqrt(float x) { return sqrtf(x); }

INLINE float m_tanh(float x) {
    float t = m_expm1(-2.0f * fabsf(x)); /* keeps its relative precision near 0, and lies in [-1, 0] */
    return copysignf(t / (t + 2.0f), x);
}

/* x + x p(x^2) below 0.9 (relative error 1.2e-8); above, erfc(x) = e^(x g(x)) (3.1e-9 of erf). */
INLINE float m_erf(float x) {
    float a = fabsf(x), z = a * a, p = -6.090358620e-4f;
    p = p * z + 5.011962539e-3f;
    p = p * z - 2.677890871e-2f;
    p = p * z + 1.128214081e-1f;
    p = p * z - 3.761252328e-1f;
    p = p * z + 1.283791538e-1f;
    float b = a > 4.0f ? 4.0f : a, g = 2.145950136e-4f; /* erf(4) rounds to 1 */
    g = g * b - 3.219975431e-3f;
    g = g * b + 2.290603095e-2f;
    g = g * b - 1.052868544e-1f;
    g = g * b - 6.356993684e-1f;
    g = g * b - 1.128519953e+0f;
    float tail = 1.0f - m_exp(b * g);
    return copysignf(a < 0.9f ? p * a + a : tail, x);
}

#endif

/* Written with e^-|x|, which cannot overflow, so both tails keep their relative precision. */
INLINE real m_sigmoid(real x) {
    real e = m_exp(-m_abs(x));
    return (x < 0 ? e : (real)1) / (1 + e);
}
INLINE real m_softplus(real x) { return m_max(x, 0) + m_log1p(m_exp(-m_abs(x))); }
INLINE real m_logsigmoid(real x) { return m_min(x, 0) - m_log1p(m_exp(-m_abs(x))); }

/* ---- matrix products -------------------------------------------------------------------------------------------- */

/* A register tile of C is MR rows by NV vectors: sums enough to hide the latency of a multiply-add, and registers left
 * for a row of B. Blocking for the caches did not pay where measured: B streams in faster than it is used. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define MR 8
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define MR 6
#else
#define VECTOR_BYTES 16
#define MR 6
#endif
#define NV 2
#define VL ((int)(VECTOR_BYTES / sizeof(real)))
#define NR (NV * VL) /* columns of a panel */
#define MAX_PANELS 4 /* panels that a tile reads side by side */
#define AHEAD 32 /* rows of a panel between the one that is used and the one that is prefetched */

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef real loose_vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias)); /* any address */

INLINE vec load(const real *p) { return *(const loose_vec *)p; }
INLINE void store(real *p, vec x) { *(loose_vec *)p = x; }

/* Number of reals that a matrix B (k, n) takes when packed; 64-byte aligned memory is fastest. */
RUNTIME long packed_size(long n, long k) { return (n + NR - 1) / NR * NR * k; }

/* Panels of NR columns, one after the other: packed[panel][p][c] = B[p][NR panel + c], zero beyond column n. */
INLINE void pack(long n, long k, const real *R, long row, long column, real *packed) {
    for (long j = 0; j < n; j += NR)
        for (long p = 0; p < k; p++)
            for (long c = 0; c < NR; c++) *packed++ = j + c < n ? R[p * row + (j + c) * column] : 0;
}
/* B = R^T, R (n, k). */
RUNTIME void pack_nt(long n, long k, const real *R, long ldr, real *packed) { pack(n, k, R, 1, ldr, packed); }
/* B = R, R (k, n). */
RUNTIME void pack_nn(long k, long n, const real *R, long ldr, real *packed) { pack(n, k, R, ldr, 1, packed); }

/* C (rows, panels NR) = A (rows, k) B (+ C), B `panels` panels from `packed` on. Few rows are few sums and use B up as
 * fast as it comes: there, several panels side by side keep more sums going and more reads under way. */
INLINE void tile(const int rows, const int panels, long k, const real *A, long lda, const real *packed, real *C,
                 long ldc, int accumulate) {
    vec sum[MAX_PANELS][MR][NV];
    UNROLL for (int q = 0; q < panels; q++)
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < NV; v++) sum[q][i][v] = (vec){0};
    for (long p = 0; p < k; p++)
        UNROLL for (int q = 0; q < panels; q++) {
            const real *b = packed + (q * k + p) * NR;
            UNROLL for (int v = 0; v < NV; v++) __builtin_prefetch(b + AHEAD * NR + v * VL);
            UNROLL for (int i = 0; i < rows; i++)
                UNROLL for (int v = 0; v < NV; v++) sum[q][i][v] += A[i * lda + p] * load(b + v * VL);
        }
    UNROLL for (int q = 0; q < panels; q++)
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int v = 0; v < NV; v++) {
                real *c = C + i * ldc + q * NR + v * VL;
                store(c, accumulate ? load(c) + sum[q][i][v] : sum[q][i][v]);
            }
}

__attribute__((noinline)) WIDE static void tile_of(int rows, int panels, long k, const real *A, long lda,
                                                   const real *packed, real *C, long ldc, int accumulate) {
#define CASE(R, Q) \
    case MAX_PANELS * R + Q: tile(R, Q, k, A, lda, packed, C, ldc, accumulate); break
    switch (MAX_PANELS * rows + panels) {
        CASE(1, 1); CASE(1, 4);
        CASE(2, 1); CASE(2, 4);
        CASE(3, 1); CASE(3, 2);
        CASE(4, 1); CASE(4, 2);
        CASE(5, 1);
        CASE(6, 1);
#if MR == 8
        CASE(7, 1);
        CASE(8, 1);
#endif
    }
#undef CASE
}

/* C (m, n) = A (m, k) B (+ C if accumulate), B packed. Threads may share the columns out in multiples of NR: those from
 * j on are gemm_packed(m, n - j, k, A, lda, packed + j * k, C + j, ldc, accumulate). */
RUNTIME void gemm_packed(long m, long n, long k, const real *A, long lda, const real *packed, real *C, long ldc,
                         int accumulate) {
    const int wide = m <= 2 ? 4 : m <= 4 ? 2 : 1;
    const long blocks = (m + MR - 1) / MR;
    for (long j = 0, panels; j < n; j += panels * NR) {
        panels = n - j >= wide * NR ? wide : 1;
        for (long block = 0; block < blocks; block++) {
            long first = m * block / blocks; /* as even as possible: 9 rows are 4 + 5, not 8 + 1 */
            int rows = (int)(m * (block + 1) / blocks - first);
            const real *a = A + first * lda, *b = packed + j * k;
            real *c = C + first * ldc + j, edge[MR * NR];
            if (n - j >= NR) {
                tile_of(rows, (int)panels, k, a, lda, b, c, ldc, accumulate);
                continue;
            }
            tile_of(rows, 1, k, a, lda, b, edge, NR, 0);
            for (int i = 0; i < rows; i++)
                for (long l = 0; l < n - j; l++) c[i * ldc + l] = edge[i * NR + l] + (accumulate ? c[i * ldc + l] : 0);
        }
    }
}

/* C (rows, columns) = A (rows, k) R^T (+ C), R (columns, k): dot products along the rows as they lie in memory. */
INLINE void dots(const int rows, const int columns, long k, const real *A, long lda, const real *R, long ldr, real *C,
                 long ldc, int accumulate) {
    vec sum[4][4];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < columns; j++) sum[i][j] = (vec){0};
    long p = 0;
    for (; p + VL <= k; p += VL)
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int j = 0; j < columns; j++) sum[i][j] += load(A + i * lda + p) * load(R + j * ldr + p);
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < columns; j++) {
            real total = 0;
            for (int l = 0; l < VL; l++) total += sum[i][j][l];
            for (long q = p; q < k; q++) total += A[i * lda + q] * R[j * ldr + q];
            C[i * ldc + j] = total + (accumulate ? C[i * ldc + j] : 0);
        }
}

/* C (m, n) = A (m, k) R^T (+ C if accumulate), R (n, k) used once: four of its rows stay in the first-level cache while
 * all rows of A pass by. */
RUNTIME void gemm_nt(long m, long n, long k, const real *A, long lda, const real *R, long ldr, real *C, long ldc,
                     int accumulate) {
    for (long j = 0, columns; j < n; j += columns) {
        columns = n - j >= 4 ? 4 : 1;
        for (long i = 0, rows; i < m; i += rows) {
            const real *a = A + i * lda, *r = R + j * ldr;
            real *c = C + i * ldc + j;
            rows = m - i >= 4 && columns == 4 ? 4 : 1;
            if (rows == 4) dots(4, 4, k, a, lda, r, ldr, c, ldc, accumulate);
            else if (columns == 4) dots(1, 4, k, a, lda, r, ldr, c, ldc, accumulate);
            else dots(1, 1, k, a, lda, r, ldr, c, ldc, accumulate);
        }
    }
}

/* c (n) += a (count) R (count, n) */
INLINE void add_rows(const int count, long n, const real *a, const real *R, long ldr, real *restrict c) {
    for (long j = 0; j < n; j++) {
        real sum = c[j];
        UNROLL for (int p = 0; p < count; p++) sum += a[p] * R[p * ldr + j];
        c[j] = sum;
    }
}

/* C (m, n) = A (m, k) R (+ C if accumulate), R (k, n) used once: eight of its rows serve all rows of A. */
RUNTIME void gemm_nn(long m, long n, long k, const real *A, long lda, const real *R, long ldr, real *C, long ldc,
                     int accumulate) {
    for (long i = 0; i < m && !accumulate; i++)
        for (long j = 0; j < n; j++) C[i * ldc + j] = 0;
    for (long p = 0, count; p < k; p += count) {
        count = k - p >= 8 ? 8 : 1;
        for (long i = 0; i < m; i++)
            if (count == 8) add_rows(8, n, A + i * lda + p, R + p * ldr, ldr, C + i * ldc);
            else add_rows(1, n, A + i * lda + p, R + p * ldr, ldr, C + i * ldc);
    }
}
