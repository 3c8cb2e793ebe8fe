#include "half_flat.h"

#include "checked.h"
#include "half_pairs.h"
#include "window_places.h"

#ifdef VECTORS
#define CELLS 8                      /* of a window along a row, at most */
#define LONGEST ((ptrdiff_t)1 << 12) /* cells from the first of a window to its last, at most */
#define PIECE ((ptrdiff_t)2048)      /* items of a row that are worked on together, about */
#define STRIP ((ptrdiff_t)16 << 10)  /* bytes of joined rows that stay in the first-level cache */
#define ROWS 64                      /* of them, at most */
#define KEPT 4                       /* rows of divisors that are not made again */
#define TINY 0x1p-100f /* sums below which corrections leave the range */
#define LARGE 0x1p10   /* divisors from which on inverses are not used */
#define NOT_FINITE 0x99

/* How sums are divided: as they are, by a product with the inverse, or by one that is corrected. */
enum dividing { DIVIDED, EXACTLY, CORRECTED };

/* Divisors of some places of a row. */
typedef struct {
    double outer;    /* of the other axes; 0 before there are any */
    ptrdiff_t first; /* of the places; -1 where all have the same */
    ptrdiff_t count;
    enum dividing how;
} divisors;

BY_512 static INLINE __mmask16 mask_of(ptrdiff_t n)
{
    return n >= 16 ? 0xFFFF : (__mmask16)((1u << n) - 1);
}

BY_512 static INLINE __m512 taken_f(int brain, const uint16_t *x, ptrdiff_t n)
{
    const __m256i raw = n >= 16 ? _mm256_loadu_si256((const __m256i *)(const void *)x)
                                : _mm256_maskz_loadu_epi16(mask_of(n), x);
    if (!brain) return _mm512_cvtph_ps(raw);
    /* One permutation takes less than to widen and to shift: zeros stand before each item. */
    const __m512i places =
        _mm512_set_epi32(15 << 16, 14 << 16, 13 << 16, 12 << 16, 11 << 16, 10 << 16, 9 << 16, 8 << 16,
                         7 << 16, 6 << 16, 5 << 16, 4 << 16, 3 << 16, 2 << 16, 1 << 16, 0);
    return _mm512_castsi512_ps(
        _mm512_maskz_permutexvar_epi16(0xAAAAAAAAu, places, _mm512_castsi256_si512(raw)));
}

BY_512 static INLINE __m512d taken_d(int brain, const uint16_t *x, ptrdiff_t n)
{
    const __m128i raw = n >= 8 ? _mm_loadu_si128((const __m128i *)(const void *)x)
                               : _mm_maskz_loadu_epi16((__mmask8)mask_of(n), x);
    if (!brain) return _mm512_cvtps_pd(_mm256_cvtph_ps(raw));
    const __m256i places = /* of bytes, in each half of the vector; -1 for zeros */
        _mm256_set_epi8(15, 14, -1, -1, 13, 12, -1, -1, 11, 10, -1, -1, 9, 8, -1, -1,
                        7, 6, -1, -1, 5, 4, -1, -1, 3, 2, -1, -1, 1, 0, -1, -1);
    return _mm512_cvtps_pd(
        _mm256_castsi256_ps(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(raw), places)));
}

BY_512 static INLINE __m512 joined_f(enum joined_as what, __m512 a, __m512 b)
{
    if (what == AS_LARGEST) return _mm512_max_ps(a, b);
    return what == AS_SMALLEST ? _mm512_min_ps(a, b) : _mm512_add_ps(a, b);
}

BY_512 static INLINE __m512d joined_d(enum joined_as what, __m512d a, __m512d b)
{
    (void)what;
    return a + b;
}

/* A quotient as a division rounds it: a product with the inverse is at most two units off, and is corrected
 * by what it leaves, which is exact. Of a divisor of ten bits no quotient is so near the middle between two
 * numbers that what is left of the error mattered. Zero and what is not finite stay as they are. */
BY_512 static INLINE __m512 corrected(int brain, __m512 x, __m512 by, __m512 inverse)
{
    const __mmask16 odd = _mm512_fpclass_ps_mask(x, 0x9F); /* NaN, zero and infinity of either sign */
    if (brain) { /* what is left of those would leave the range */
        const __mmask16 small = _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(TINY), _CMP_LT_OQ);
        if (__builtin_expect(small & ~odd, 0)) return x / by;
    }
    const __m512 quotient = x * inverse;
    return _mm512_mask3_fmadd_ps(_mm512_fnmadd_ps(quotient, by, x), inverse, quotient, (__mmask16)~odd);
}

/* Store the first `n` of what is made of windows; return which of them are not finite. */
BY_512 static INLINE __mmask16 put_f(enum joined_as what, int brain, enum dividing how, __m512 x,
                                     const float *by, const float *inverse, uint16_t *to, ptrdiff_t n)
{
    const __mmask16 mask = mask_of(n);
    __mmask16 bad = 0;
    if (what == AS_MEANS) {
        if (how == EXACTLY)
            x *= _mm512_loadu_ps(inverse);
        else if (how == CORRECTED)
            x = corrected(brain, x, _mm512_loadu_ps(by), _mm512_loadu_ps(inverse));
        else
            x /= _mm512_loadu_ps(by);
        bad = _mm512_mask_fpclass_ps_mask(mask, x, NOT_FINITE);
    }
    __m256i raw;
    if (!brain)
        raw = _mm512_cvtps_ph(x, NEAREST);
    else if (what == AS_MEANS)
        raw = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded_512(x), 16));
    else
        raw = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(x), 16));
    if (n >= 16)
        _mm256_storeu_si256((__m256i *)(void *)to, raw);
    else
        _mm256_mask_storeu_epi16(to, mask, raw);
    return bad;
}

BY_512 static INLINE __mmask16 put_d(enum joined_as what, int brain, enum dividing how, __m512d x,
                                     const double *by, const double *inverse, uint16_t *to, ptrdiff_t n)
{
    const __mmask8 mask = (__mmask8)mask_of(n);
    const __m256 mean = _mm512_cvtpd_ps(x * _mm512_loadu_pd(inverse));
    (void)what, (void)how, (void)by;
    const __m128i raw = brain ? _mm256_cvtepi32_epi16(_mm256_srli_epi32(rounded_256(mean), 16))
                              : _mm256_cvtps_ph(mean, NEAREST);
    if (n >= 8)
        _mm_storeu_si128((__m128i *)(void *)to, raw);
    else
        _mm_mask_storeu_epi16(to, mask, raw);
    return _mm256_mask_fpclass_ps_mask(mask, mean, NOT_FINITE);
}

/* Whether any of these items is no number. */
BY_512 static int any_odd(int brain, const uint16_t *x, ptrdiff_t n)
{
    const __m512i sizes = _mm512_set1_epi16(0x7FFF);
    __m512i most = _mm512_setzero_si512();
    for (ptrdiff_t i = 0; i < n; i += 32) {
        const __mmask32 some = n - i >= 32 ? 0xFFFFFFFFu : (1u << (n - i)) - 1;
        const __m512i raw = _mm512_maskz_loadu_epi16(some, x + i);
        most = _mm512_max_epu16(most, _mm512_and_si512(raw, sizes));
    }
    return _mm512_cmpgt_epu16_mask(most, _mm512_set1_epi16(brain ? 0x7F80 : 0x7C00)) != 0;
}

#define E float
#define V __m512
#define LANES 16
#define NAME(name) name##_f
#define LOAD(from) _mm512_loadu_ps(from)
#define STORE(to, v) _mm512_storeu_ps(to, v)
#define STORE_SOME(to, v, n) _mm512_mask_storeu_ps(to, mask_of(n), v)
#define PICK(a, places, b) _mm512_permutex2var_ps(a, places, b)
typedef int32_t place_f;
#include "half_flat_of.h"

#define E double
#define V __m512d
#define LANES 8
#define NAME(name) name##_d
#define LOAD(from) _mm512_loadu_pd(from)
#define STORE(to, v) _mm512_storeu_pd(to, v)
#define STORE_SOME(to, v, n) _mm512_mask_storeu_pd(to, (__mmask8)mask_of(n), v)
#define PICK(a, places, b) _mm512_permutex2var_pd(a, places, b)
typedef int64_t place_d;
#include "half_flat_of.h"

int windows_along_rows(const halves *h, enum joined_as what, const uint16_t *x, uint16_t *out,
                       const sheet *s)
{
    const window *w = &s->cell;
    const int brain = h == halves_of('E');
    if (vector_bits != 512 || w->size > CELLS || s->row.size > JOINED) return NOT_SERVED;
    if (w->dilation > LONGEST / CELLS || s->items > LONGEST || w->stride > 2) return NOT_SERVED;
    if (w->stride == 2 && s->items > 8) return NOT_SERVED;
    switch (what) { /* loops of their own */
    case AS_MEANS: return flat_f(AS_MEANS, brain, x, out, s);
    case AS_WIDE_MEANS: return flat_d(AS_WIDE_MEANS, brain, x, out, s);
    case AS_LARGEST: return flat_f(AS_LARGEST, brain, x, out, s);
    default: return flat_f(AS_SMALLEST, brain, x, out, s);
    }
}
#else
int windows_along_rows(const halves *h, enum joined_as what, const uint16_t *x, uint16_t *out,
                       const sheet *s)
{
    (void)h, (void)what, (void)x, (void)out, (void)s;
    return NOT_SERVED;
}
#endif
