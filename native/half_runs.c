/* Maxima of items of two bytes that are alone in their cells: as integers of 16 bits, whose order is that
 * of the numbers once the bits of a negative one, but for its sign, are inverted. */
#include "half_windows.h"

#include "half_loops.h"
#include "half_pairs.h"

#define WIDTH 4096 /* cells of a row, at most */

int runs_fit(const covers *s)
{
    return vector_bits == 512 && s->items == 1 && s->plane.count * s->plane.length == 1 &&
           s->cell.length <= WIDTH;
}

#ifdef VECTORS
/* What was met among the items: the least of them as integers, and as `ordered`. */
typedef struct {
    __m512i raw, least;
} seen;

BY_512 static INLINE __mmask32 first_of(ptrdiff_t n)
{
    return n >= 32 ? 0xFFFFFFFFu : (1u << n) - 1;
}

/* The first `n` items, up to 32, as integers in the order of the numbers; others are less than all. */
BY_512 static INLINE __m512i ordered(const uint16_t *x, ptrdiff_t n, seen *met)
{
    const __m512i raw = _mm512_maskz_loadu_epi16(first_of(n), x);
    const __m512i sign = _mm512_srai_epi16(raw, 15), sizes = _mm512_set1_epi16(0x7FFF);
    const __m512i order = _mm512_ternarylogic_epi64(raw, sign, sizes, 0x78); /* raw ^ (sign & sizes) */
    met->raw = _mm512_min_epi16(met->raw, raw);
    met->least = _mm512_min_epi16(met->least, order);
    return _mm512_mask_mov_epi16(_mm512_set1_epi16(INT16_MIN), first_of(n), order);
}

BY_512 static INLINE int largest_of(__m512i x)
{
    const __m256i half = _mm256_max_epi16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    const __m128i eight = _mm_max_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    const __m128i least = _mm_minpos_epu16(_mm_xor_si128(eight, _mm_set1_epi16(0x7FFF)));
    return (int16_t)(_mm_extract_epi16(least, 0) ^ 0x7FFF);
}

BY_512 static INLINE int least_of(__m512i x)
{
    return -1 - largest_of(_mm512_xor_si512(x, _mm512_set1_epi16(-1)));
}

BY_512 int runs_in_vectors(const halves *h, const uint16_t *x, uint16_t *out, const covers *s)
{
    const int infinity = h == halves_of('e') ? 0x7C00 : 0x7F80;
    const ptrdiff_t width = s->cell.length;
    const __m512i lowest = _mm512_set1_epi16(INT16_MIN);
    int16_t joined[WIDTH];
    seen met = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    int none = 0, lost = 0, zeros = 0;
    for (ptrdiff_t r = 0; r < s->row.count; r++) {
        const span y = s->row.spans[r];
        const uint16_t *rows = x + y.first * width;
        const int alone = y.end - y.first == 1;
        for (ptrdiff_t i = 0; i < width && !alone; i += 32) {
            __m512i most = ordered(rows + i, width - i, &met);
            for (ptrdiff_t k = 1; k < y.end - y.first; k++)
                most = _mm512_max_epi16(most, ordered(rows + k * width + i, width - i, &met));
            _mm512_mask_storeu_epi16(joined + i, first_of(width - i), most);
        }
        for (ptrdiff_t c = 0; c < s->cell.count; c++) {
            const span w = s->cell.spans[c];
            __m512i most = lowest;
            for (ptrdiff_t i = w.first; i < w.end; i += 32)
                most = _mm512_max_epi16(
                    most, alone ? ordered(rows + i, w.end - i, &met)
                                : _mm512_mask_loadu_epi16(lowest, first_of(w.end - i), joined + i));
            const int found = largest_of(most);
            none |= found > infinity;
            lost |= found >= infinity || found <= -1 - infinity;
            zeros |= found == 0 || found == -1;
            *out++ = (uint16_t)(found < 0 ? found ^ 0x7FFF : found);
        }
    }
    none |= least_of(met.least) < -1 - infinity;
    return none || (zeros && least_of(met.raw) == INT16_MIN) ? NOT_SERVED : lost;
}
#else
int runs_in_vectors(const halves *h, const uint16_t *x, uint16_t *out, const covers *s)
{
    (void)h, (void)x, (void)out, (void)s;
    return NOT_SERVED;
}
#endif
