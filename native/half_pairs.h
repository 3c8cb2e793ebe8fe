/* Pairs of vectors of numbers that float16 (_e) and bfloat16 (_E) become as they are loaded, and that are
 * rounded as they are stored, for processors with vectors of 512 bits, or of 256 and F16C.
 *
 * Two vectors of float hold items of two bytes, four of double the same; which item is where in them
 * is for these functions to know. A NaN may lose what it has besides. */
#ifndef POOLNORM_HALF_PAIRS_H
#define POOLNORM_HALF_PAIRS_H

#include "common.h"
#include "vectors.h"

#ifdef VECTORS
#include <immintrin.h>

#define BY_512 __attribute__((target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl")))
#define BY_256 __attribute__((target("avx2,f16c")))
#define NEAREST (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define HELD_512 32 /* items of a pair */
#define HELD_256 16

typedef struct {
    __m512 a, b;
} floats_512;
typedef struct {
    __m512d a, b, c, d;
} doubles_512;
typedef struct {
    __m256 a, b;
} floats_256;
typedef struct {
    __m256d a, b, c, d;
} doubles_256;
typedef __mmask16 odd_512; /* what is no number */
typedef __m256 odd_256;

BY_512 static INLINE floats_512 load_e_512(const uint16_t *x)
{
    return (floats_512){_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)x)),
                        _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(x + 16)))};
}

BY_256 static INLINE floats_256 load_e_256(const uint16_t *x)
{
    return (floats_256){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x)),
                        _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + 8)))};
}

BY_512 static INLINE void store_e_512(uint16_t *to, floats_512 x)
{
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph(x.a, NEAREST));
    _mm256_storeu_si256((__m256i *)(to + 16), _mm512_cvtps_ph(x.b, NEAREST));
}

BY_256 static INLINE void store_e_256(uint16_t *to, floats_256 x)
{
    _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph(x.a, NEAREST));
    _mm_storeu_si128((__m128i *)(to + 8), _mm256_cvtps_ph(x.b, NEAREST));
}

/* Of bfloat16, `a` has the items at even places, and `b` those at odd ones. */
BY_512 static INLINE floats_512 load_E_512(const uint16_t *x)
{
    const __m512i both = _mm512_loadu_si512(x), upper = _mm512_set1_epi32((int)0xFFFF0000u);
    return (floats_512){_mm512_castsi512_ps(_mm512_slli_epi32(both, 16)),
                        _mm512_castsi512_ps(_mm512_and_si512(both, upper))};
}

BY_256 static INLINE floats_256 load_E_256(const uint16_t *x)
{
    const __m256i both = _mm256_loadu_si256((const __m256i *)x);
    const __m256i upper = _mm256_set1_epi32((int)0xFFFF0000u);
    return (floats_256){_mm256_castsi256_ps(_mm256_slli_epi32(both, 16)),
                        _mm256_castsi256_ps(_mm256_and_si256(both, upper))};
}

/* Half a unit of the last kept place is added, less one where that place is even. */
BY_512 static INLINE __m512i rounded_512(__m512 x)
{
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    return _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
}

BY_256 static INLINE __m256i rounded_256(__m256 x)
{
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
}

BY_512 static INLINE void store_E_512(uint16_t *to, floats_512 x)
{
    const __m512i even = _mm512_srli_epi32(rounded_512(x.a), 16), odd = rounded_512(x.b);
    _mm512_storeu_si512(to, _mm512_mask_blend_epi16(0xAAAAAAAAu, even, odd));
}

BY_256 static INLINE void store_E_256(uint16_t *to, floats_256 x)
{
    const __m256i even = _mm256_srli_epi32(rounded_256(x.a), 16), odd = rounded_256(x.b);
    _mm256_storeu_si256((__m256i *)to, _mm256_blend_epi16(even, odd, 0xAA));
}

BY_512 static INLINE doubles_512 wide_512(floats_512 x)
{
    return (doubles_512){_mm512_cvtps_pd(_mm512_castps512_ps256(x.a)),
                         _mm512_cvtps_pd(_mm512_extractf32x8_ps(x.a, 1)),
                         _mm512_cvtps_pd(_mm512_castps512_ps256(x.b)),
                         _mm512_cvtps_pd(_mm512_extractf32x8_ps(x.b, 1))};
}

BY_256 static INLINE doubles_256 wide_256(floats_256 x)
{
    return (doubles_256){_mm256_cvtps_pd(_mm256_castps256_ps128(x.a)),
                         _mm256_cvtps_pd(_mm256_extractf128_ps(x.a, 1)),
                         _mm256_cvtps_pd(_mm256_castps256_ps128(x.b)),
                         _mm256_cvtps_pd(_mm256_extractf128_ps(x.b, 1))};
}

/* The same as items are loaded: eight of float16 become double with fewer steps than sixteen. */
BY_512 static INLINE __m512d eight_of(const uint16_t *x)
{
    return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x)));
}

BY_512 static INLINE doubles_512 load_wide_e_512(const uint16_t *x)
{
    return (doubles_512){eight_of(x), eight_of(x + 8), eight_of(x + 16), eight_of(x + 24)};
}

BY_512 static INLINE doubles_512 load_wide_E_512(const uint16_t *x)
{
    return wide_512(load_E_512(x));
}

BY_256 static INLINE doubles_256 load_wide_e_256(const uint16_t *x)
{
    return wide_256(load_e_256(x));
}

BY_256 static INLINE doubles_256 load_wide_E_256(const uint16_t *x)
{
    return wide_256(load_E_256(x));
}

BY_512 static INLINE floats_512 narrow_512(doubles_512 x)
{
    const __m512 a = _mm512_castps256_ps512(_mm512_cvtpd_ps(x.a));
    const __m512 b = _mm512_castps256_ps512(_mm512_cvtpd_ps(x.c));
    return (floats_512){_mm512_insertf32x8(a, _mm512_cvtpd_ps(x.b), 1),
                        _mm512_insertf32x8(b, _mm512_cvtpd_ps(x.d), 1)};
}

BY_256 static INLINE floats_256 narrow_256(doubles_256 x)
{
    return (floats_256){_mm256_set_m128(_mm256_cvtpd_ps(x.b), _mm256_cvtpd_ps(x.a)),
                        _mm256_set_m128(_mm256_cvtpd_ps(x.d), _mm256_cvtpd_ps(x.c))};
}

/* The second of two that are equal, as `larger_f` does; NaN is not kept. */
BY_512 static INLINE floats_512 larger_512(floats_512 x, floats_512 y)
{
    return (floats_512){_mm512_max_ps(x.a, y.a), _mm512_max_ps(x.b, y.b)};
}

BY_256 static INLINE floats_256 larger_256(floats_256 x, floats_256 y)
{
    return (floats_256){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}

BY_512 static INLINE floats_512 smaller_512(floats_512 x, floats_512 y)
{
    return (floats_512){_mm512_min_ps(x.a, y.a), _mm512_min_ps(x.b, y.b)};
}

BY_256 static INLINE floats_256 smaller_256(floats_256 x, floats_256 y)
{
    return (floats_256){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}

/* Note what is no number. */
BY_512 static INLINE void note_512(odd_512 *odd, floats_512 x)
{
    *odd |= _mm512_cmp_ps_mask(x.a, x.b, _CMP_UNORD_Q);
}

BY_256 static INLINE void note_256(odd_256 *odd, floats_256 x)
{
    *odd = _mm256_or_ps(*odd, _mm256_cmp_ps(x.a, x.b, _CMP_UNORD_Q));
}

BY_512 static INLINE int any_512(odd_512 odd) { return odd != 0; }
BY_256 static INLINE int any_256(odd_256 odd) { return _mm256_movemask_ps(odd) != 0; }

/* Store what needs no rounding. */
BY_512 static INLINE void keep_e_512(uint16_t *to, floats_512 x) { store_e_512(to, x); }
BY_256 static INLINE void keep_e_256(uint16_t *to, floats_256 x) { store_e_256(to, x); }

BY_512 static INLINE void keep_E_512(uint16_t *to, floats_512 x)
{
    const __m512i even = _mm512_srli_epi32(_mm512_castps_si512(x.a), 16);
    _mm512_storeu_si512(to, _mm512_mask_blend_epi16(0xAAAAAAAAu, even, _mm512_castps_si512(x.b)));
}

BY_256 static INLINE void keep_E_256(uint16_t *to, floats_256 x)
{
    const __m256i even = _mm256_srli_epi32(_mm256_castps_si256(x.a), 16);
    _mm256_storeu_si256((__m256i *)to, _mm256_blend_epi16(even, _mm256_castps_si256(x.b), 0xAA));
}

/* 0 of what is finite, else NaN. */
BY_512 static INLINE floats_512 nothing_512(floats_512 x)
{
    return (floats_512){x.a - x.a, x.b - x.b};
}

BY_256 static INLINE floats_256 nothing_256(floats_256 x)
{
    return (floats_256){x.a - x.a, x.b - x.b};
}

BY_512 static INLINE floats_512 sum_512(floats_512 x, floats_512 y)
{
    return (floats_512){x.a + y.a, x.b + y.b};
}

BY_256 static INLINE floats_256 sum_256(floats_256 x, floats_256 y)
{
    return (floats_256){x.a + y.a, x.b + y.b};
}

BY_512 static INLINE doubles_512 wide_sum_512(doubles_512 x, doubles_512 y)
{
    return (doubles_512){x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d};
}

BY_256 static INLINE doubles_256 wide_sum_256(doubles_256 x, doubles_256 y)
{
    return (doubles_256){x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d};
}

/* What is divided by: `exact` says that a product with the inverse is the quotient. */
typedef struct {
    double by;
    int exact;
} divisor;

BY_512 static INLINE floats_512 quotient_512(floats_512 x, divisor d)
{
    const float by = (float)d.by, inverse = 1 / by;
    if (d.exact) return (floats_512){x.a * inverse, x.b * inverse};
    return (floats_512){x.a / by, x.b / by};
}

BY_256 static INLINE floats_256 quotient_256(floats_256 x, divisor d)
{
    const float by = (float)d.by, inverse = 1 / by;
    if (d.exact) return (floats_256){x.a * inverse, x.b * inverse};
    return (floats_256){x.a / by, x.b / by};
}

BY_512 static INLINE floats_512 wide_quotient_512(doubles_512 x, divisor d)
{
    const double inverse = 1 / d.by;
    return narrow_512((doubles_512){x.a * inverse, x.b * inverse, x.c * inverse, x.d * inverse});
}

BY_256 static INLINE floats_256 wide_quotient_256(doubles_256 x, divisor d)
{
    const double inverse = 1 / d.by;
    return narrow_256((doubles_256){x.a * inverse, x.b * inverse, x.c * inverse, x.d * inverse});
}

/* A quotient as a division rounds it, in a fifth of the time: a product with the inverse is corrected by
 * what it leaves, once to be no whole unit off, and once more. The numbers are sums of items of two bytes,
 * which do not leave the range meanwhile; what is zero or not finite stays as it is. */
BY_512 static INLINE __m512d divided_of_512(__m512d x, double by)
{
    const __m512d divisor = _mm512_set1_pd(by), inverse = _mm512_set1_pd(1 / by);
    const __mmask8 odd = _mm512_fpclass_pd_mask(x, 0x9F); /* NaN, zero and infinity of either sign */
    __m512d quotient = x * inverse;
    quotient = _mm512_fmadd_pd(_mm512_fnmadd_pd(quotient, divisor, x), inverse, quotient);
    quotient = _mm512_fmadd_pd(_mm512_fnmadd_pd(quotient, divisor, x), inverse, quotient);
    return _mm512_mask_mov_pd(quotient, odd, x);
}

BY_512 static INLINE floats_512 divided_512(doubles_512 x, double by)
{
    return narrow_512((doubles_512){divided_of_512(x.a, by), divided_of_512(x.b, by),
                                    divided_of_512(x.c, by), divided_of_512(x.d, by)});
}

BY_256 static INLINE floats_256 divided_256(doubles_256 x, double by)
{
    return narrow_256((doubles_256){x.a / by, x.b / by, x.c / by, x.d / by});
}

BY_512 static INLINE floats_512 all_floats_512(float x)
{
    return (floats_512){_mm512_set1_ps(x), _mm512_set1_ps(x)};
}

BY_256 static INLINE floats_256 all_floats_256(float x)
{
    return (floats_256){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

BY_512 static INLINE doubles_512 all_doubles_512(double x)
{
    const __m512d all = _mm512_set1_pd(x);
    return (doubles_512){all, all, all, all};
}

BY_256 static INLINE doubles_256 all_doubles_256(double x)
{
    const __m256d all = _mm256_set1_pd(x);
    return (doubles_256){all, all, all, all};
}

/* The same NaN for every other. */
BY_512 static INLINE __m512 plain_of_512(__m512 x)
{
    return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_ps(NAN));
}

BY_256 static INLINE __m256 plain_of_256(__m256 x)
{
    return _mm256_blendv_ps(x, _mm256_set1_ps(NAN), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

BY_512 static INLINE floats_512 plain_512(floats_512 x)
{
    return (floats_512){plain_of_512(x.a), plain_of_512(x.b)};
}

BY_256 static INLINE floats_256 plain_256(floats_256 x)
{
    return (floats_256){plain_of_256(x.a), plain_of_256(x.b)};
}
#endif

#endif
