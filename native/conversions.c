#include "conversions.h"

#include <stdint.h>
#include <string.h>

#define SOME 1024 /* items of which it is asked together whether one is NaN */

#ifdef VECTORS
#include <immintrin.h>
#endif

static INLINE float number_of(uint32_t bits)
{
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static INLINE uint32_t bits_of(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* What has no exponent is a multiple of 2^-24; all others get the exponent of another bias, those
 * with the largest one float32's largest. */
static INLINE float widened(uint16_t half)
{
    const uint32_t size = half & 0x7FFFu, sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t small = bits_of((float)(int32_t)size * 0x1p-24f);
    const uint32_t usual = (size << 13) + (size < 0x7C00u ? 112u << 23 : 224u << 23);
    return number_of((size < 0x400u ? small : usual) | sign);
}

/* The addition of 1/2 rounds what is too small for an exponent to a multiple of 2^-24. */
static INLINE uint16_t narrowed(float number)
{
    const uint32_t bits = bits_of(number), size = bits & 0x7FFFFFFFu, sign = (bits >> 16) & 0x8000u;
    const uint32_t small = bits_of(number_of(size) + 0.5f) - (126u << 23);
    const uint32_t even = (size + 0xFFFu + ((size >> 13) & 1u) - (112u << 23)) >> 13;
    const uint32_t usual = even < 0x7C00u ? even : 0x7C00u;
    const uint32_t payload = (size >> 13) & 0x3FFu, none = 0x7C00u + (payload ? payload : 1u);
    const uint32_t found = size < 0x38800000u ? small : usual;
    return (uint16_t)((size > 0x7F800000u ? none : found) | sign);
}

/* Rounding a NaN could carry into its sign, or leave no payload: it is cut off. */
static INLINE uint16_t upper_half(float number)
{
    const uint32_t bits = bits_of(number), even = (bits >> 16) & 1u;
    const uint32_t rounded = (bits + (even + 0x7FFFu)) >> 16, none = (bits >> 16) | 0x40u;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? none : rounded);
}

#define CONVERTED(name, T, A)                                          \
    LOOP static void name(const void *from, void *into, ptrdiff_t n) \
    {                                                                \
        const T *restrict x = from;                                  \
        A *restrict to = into;                                       \
        for (ptrdiff_t i = 0; i < n; i++) to[i] = (A)x[i];           \
    }
CONVERTED(from_int8, int8_t, double)
CONVERTED(from_int16, int16_t, double)
CONVERTED(from_int32, int32_t, double)
CONVERTED(from_int64, int64_t, double)
CONVERTED(from_uint8, uint8_t, double)
CONVERTED(from_uint16, uint16_t, double)
CONVERTED(from_uint32, uint32_t, double)
CONVERTED(from_uint64, uint64_t, double)
CONVERTED(widen_float32, float, double)
CONVERTED(narrow_float64, double, float)

LOOP static void from_bool(const void *from, void *into, ptrdiff_t n)
{
    const uint8_t *restrict x = from;
    double *restrict to = into;
    for (ptrdiff_t i = 0; i < n; i++) to[i] = x[i] ? 1 : 0;
}

LOOP static void widen_float16(const void *from, void *into, ptrdiff_t n)
{
    const uint16_t *restrict x = from;
    float *restrict to = into;
    for (ptrdiff_t i = 0; i < n; i++) to[i] = widened(x[i]);
}

LOOP static void narrow_float16(const void *from, void *into, ptrdiff_t n)
{
    const float *restrict x = from;
    uint16_t *restrict to = into;
    for (ptrdiff_t i = 0; i < n; i++) to[i] = narrowed(x[i]);
}

LOOP static void widen_bfloat16(const void *from, void *into, ptrdiff_t n)
{
    const uint16_t *restrict x = from;
    float *restrict to = into;
    for (ptrdiff_t i = 0; i < n; i++) to[i] = number_of((uint32_t)x[i] << 16);
}

LOOP static void narrow_bfloat16(const void *from, void *into, ptrdiff_t n)
{
    const float *restrict x = from;
    uint16_t *restrict to = into;
    for (ptrdiff_t i = 0; i < n; i++) to[i] = upper_half(x[i]);
}

#ifdef VECTORS
/* The processor's conversions make every NaN a quiet one: such items are converted again. */

__attribute__((target("avx2,f16c"))) static void widen_by_f16c(const void *from, void *into,
                                                               ptrdiff_t n)
{
    const uint16_t *x = from;
    float *to = into;
    for (ptrdiff_t start = 0; start < n; start += SOME) {
        ptrdiff_t i = start, stop = LEAST(start + SOME, n);
        __m256 odd = _mm256_setzero_ps();
        for (; i + 8 <= stop; i += 8) {
            __m256 wide = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i)));
            odd = _mm256_or_ps(odd, _mm256_cmp_ps(wide, wide, _CMP_UNORD_Q));
            _mm256_storeu_ps(to + i, wide);
        }
        if (_mm256_movemask_ps(odd)) i = start;
        widen_float16(x + i, to + i, stop - i);
    }
}

__attribute__((target("avx2,f16c"))) static void narrow_by_f16c(const void *from, void *into,
                                                                ptrdiff_t n)
{
    const float *x = from;
    uint16_t *to = into;
    for (ptrdiff_t start = 0; start < n; start += SOME) {
        ptrdiff_t i = start, stop = LEAST(start + SOME, n);
        __m256 odd = _mm256_setzero_ps();
        for (; i + 8 <= stop; i += 8) {
            __m256 wide = _mm256_loadu_ps(x + i);
            odd = _mm256_or_ps(odd, _mm256_cmp_ps(wide, wide, _CMP_UNORD_Q));
            _mm_storeu_si128((__m128i *)(to + i), _mm256_cvtps_ph(wide, _MM_FROUND_TO_NEAREST_INT));
        }
        if (_mm256_movemask_ps(odd)) i = start;
        narrow_float16(x + i, to + i, stop - i);
    }
}

#endif

static void widen_float16_as_allowed(const void *x, void *to, ptrdiff_t n)
{
#ifdef VECTORS
    if (vector_bits) {
        widen_by_f16c(x, to, n);
        return;
    }
#endif
    widen_float16(x, to, n);
}

static void narrow_float16_as_allowed(const void *x, void *to, ptrdiff_t n)
{
#ifdef VECTORS
    if (vector_bits) {
        narrow_by_f16c(x, to, n);
        return;
    }
#endif
    narrow_float16(x, to, n);
}

static const struct {
    char from, to;
    converter loop;
} known[] = {
    {'e', 'f', widen_float16_as_allowed},
    {'f', 'e', narrow_float16_as_allowed},
    {'E', 'f', widen_bfloat16},
    {'f', 'E', narrow_bfloat16},
    {'f', 'd', widen_float32},
    {'d', 'f', narrow_float64},
    {'?', 'd', from_bool},
    {'b', 'd', from_int8},
    {'h', 'd', from_int16},
    {'i', 'd', from_int32},
    {'q', 'd', from_int64},
    {'B', 'd', from_uint8},
    {'H', 'd', from_uint16},
    {'I', 'd', from_uint32},
    {'Q', 'd', from_uint64},
};

converter conversion(char from, char to)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].from == from && known[i].to == to) return known[i].loop;
    return NULL;
}

const halves *halves_of(char kind)
{
    static const halves float16 = {widen_float16_as_allowed, narrow_float16_as_allowed};
    static const halves bfloat16 = {widen_bfloat16, narrow_bfloat16};
    return kind == 'e' ? &float16 : kind == 'E' ? &bfloat16 : NULL;
}

ptrdiff_t size_of_kind(char kind)
{
    switch (kind) {
    case '?': case 'b': case 'B': return 1;
    case 'e': case 'E': case 'h': case 'H': return 2;
    case 'f': case 'i': case 'I': return 4;
    default: return 8;
    }
}
