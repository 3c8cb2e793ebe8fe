#include "half_windows.h"

#include "checked.h"
#include "half_loops.h"
#include "half_pairs.h"
#include "window_places.h"

#ifdef VECTORS
#define CELLS 8       /* of a window along a row, at most */
#define PIECE 8192    /* items of joined rows that stay in the first-level cache */
#define BLOCK 8       /* cells that are joined before the same items of the next */
#define APART 64      /* items of a cell from which adaptive.c joins cells, not rows */
#define AHEAD 1024    /* items from those that are read to those that are asked for */
#define ALIGNMENT 64  /* bytes of a vector */

/* The rows of the input that an output row is made from, and what stands outside of them. */
typedef struct {
    const sheet *s;
    const uint16_t *rows[JOINED], *outside;
    ptrdiff_t count;
    double divisor; /* of the other axes */
} line;

/* What is divided by at one place of a row. */
static INLINE divisor divisor_at(const line *l, ptrdiff_t place, ptrdiff_t start)
{
    const window *w = &l->s->cell;
    const int whole = start >= 0 && start + extent_of(w) <= l->s->cells && !w->divisor;
    const double by = l->divisor * (whole ? (double)w->size : divisor_of(w, place, l->s->cells));
    int exponent;
    return (divisor){by, frexp(by, &exponent) == 0.5};
}

#define NAME(name) PASTED(PASTED(PASTED(name, JOB), KIND), BITS)
#define FLOATS PASTED(floats, BITS)
#define TARGET PASTED(BY, BITS)
#define HELD PASTED(HELD, BITS)
#define ODD PASTED(odd, BITS)
#define LOAD PASTED(PASTED(load, KIND), BITS)
#define STORE PASTED(PASTED(store, KIND), BITS)
#define KEEP PASTED(PASTED(keep, KIND), BITS)
#define NOTED PASTED(PASTED(noted, KIND), BITS)
#define NOTE PASTED(note, BITS)

#define BITS 512
#define KIND e
#define LOWEST 0xFC00u /* minus infinity */
#define HIGHEST 0x7C00u
#include "half_windows_each.h"
#define KIND E
#define LOWEST 0xFF80u
#define HIGHEST 0x7F80u
#include "half_windows_each.h"
#undef BITS
#define BITS 256
#define KIND e
#define LOWEST 0xFC00u /* minus infinity */
#define HIGHEST 0x7C00u
#include "half_windows_each.h"
#define KIND E
#define LOWEST 0xFF80u
#define HIGHEST 0x7F80u
#include "half_windows_each.h"
#undef BITS

/* The bits of vectors of which two hold no more than so many items; 0 where there are none. */
static int bits_for(ptrdiff_t items)
{
    const int bits = vector_bits;
    return bits == 512 && items >= HELD_512 ? 512 : bits && items >= HELD_256 ? 256 : 0;
}

#define JOBS(kind, bits) \
    {windows_mean_##kind##_##bits, windows_wide_##kind##_##bits, windows_most_##kind##_##bits, \
     windows_least_##kind##_##bits}

int windows_in_vectors(const halves *h, enum joined_as what, const uint16_t *x, uint16_t *out,
                       const sheet *s)
{
    typedef int (*loop)(const uint16_t *x, uint16_t *out, const sheet *s);
    static const loop loops[2][2][4] = {{JOBS(e, 256), JOBS(e, 512)}, {JOBS(E, 256), JOBS(E, 512)}};
    const int bits = bits_for(s->items);
    if (!bits || s->cell.size > CELLS || s->row.size > JOINED)
        return NOT_SERVED;
    return loops[h == halves_of('E')][bits == 512][what](x, out, s);
}

int covers_in_vectors(const halves *h, int average, const uint16_t *x, uint16_t *out,
                      const covers *s)
{
    typedef int (*loop)(const uint16_t *x, uint16_t *out, const covers *s);
    static const loop loops[2][2][2] = {
        {{covers_most_of_e_256, covers_mean_of_e_256}, {covers_most_of_e_512, covers_mean_of_e_512}},
        {{covers_most_of_E_256, covers_mean_of_E_256}, {covers_most_of_E_512, covers_mean_of_E_512}}};
    const int bits = bits_for(s->items);
    if (!bits || s->plane.count * s->plane.length != 1) return NOT_SERVED;
    if (s->items < APART && s->row.length > 1) return NOT_SERVED;
    for (ptrdiff_t r = 2; r < s->row.count; r++)
        if (s->row.spans[r].first < s->row.spans[r - 2].end) return NOT_SERVED;
    return loops[h == halves_of('E')][bits == 512][average](x, out, s);
}
#else
int windows_in_vectors(const halves *h, enum joined_as what, const uint16_t *x, uint16_t *out,
                       const sheet *s)
{
    (void)h, (void)what, (void)x, (void)out, (void)s;
    return NOT_SERVED;
}

int covers_in_vectors(const halves *h, int average, const uint16_t *x, uint16_t *out,
                      const covers *s)
{
    (void)h, (void)average, (void)x, (void)out, (void)s;
    return NOT_SERVED;
}
#endif
