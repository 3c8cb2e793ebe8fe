#include "checked.h"
#include "half_loops.h"
#include "rows.h"

#include <float.h>
#include <math.h>

#define LANES 48            /* items of a row in which short ones are put side by side */
#define CACHE (1 << 20)     /* bytes of columns that are read again from the cache */

/* Float64 holds what float32 items are: squares are taken of distances from the first of a column,
 * which vary as the others do. Float64 items need their mean first. */
#define T float
#define W double
#define NAME(name) name##_f
#define ROOT sqrt
#define TWICE 0
#define HEAVY 1e30
#define LIGHT ((double)FLT_MIN)
#define LARGE 1e60
#define SMALL 1e-60
#define GREAT 1e60
#include "joined_of.h"
#undef T
#undef W
#undef NAME
#undef ROOT
#undef TWICE
#undef HEAVY
#undef LIGHT
#undef LARGE
#undef SMALL
#undef GREAT

#define T double
#define W long double
#define NAME(name) name##_d
#define ROOT sqrtl
#define TWICE 1
#define HEAVY 1e290
#define LIGHT DBL_MIN
#define LARGE 1e300
#define SMALL 1e-270
#define GREAT 1e300
#include "joined_of.h"

/* Joined columns of items of two bytes of which something has left the range of float32. */
static int write_halves_widely(const halves *h, const uint16_t *x, uint16_t *y, const affine_f *a,
                               const size_of *s, const columns *k, ptrdiff_t first)
{
    const ptrdiff_t items = k->length * k->joined;
    const columns own = {1, k->length, k->joined, k->joined, k->along};
    float *wide = room(items, 2, sizeof(float)), *made = wide + items;
    if (!wide) return -1;
    for (ptrdiff_t i = 0; i < k->length; i++) h->widen(x + i * k->width, wide + i * k->joined, k->joined);
    write_widely_f(wide, made, a, s, &own, first);
    for (ptrdiff_t i = 0; i < k->length; i++) h->narrow(made + i * k->joined, y + i * k->width, k->joined);
    free(wide);
    return 0;
}

/* One tile of normalize_columns, of items of two bytes: columns from `first` on, in rows of `n` items
 * that are `step` apart. */
static INLINE int tile_of_halves(const half_loops *l, const uint16_t *x, uint16_t *y, const tile_f *t,
                                 const affine_f *a, const size_of *s, const columns *k,
                                 ptrdiff_t first, ptrdiff_t width, ptrdiff_t n, float *wide)
{
    const ptrdiff_t step = n == width ? k->width : n;
    const ptrdiff_t rows = n == width ? k->length : k->length / (n / width);
    const ptrdiff_t rest = n == width ? 0 : k->length * width - rows * n;
    l->widen(x, wide, width);
    for (ptrdiff_t j = 0; j < width; j++) t->near[j] = s->centered ? wide[j] : 0;
    for (ptrdiff_t j = width; j < n; j++) t->near[j] = t->near[j - width];
    for (ptrdiff_t j = 0; j < n; j++) t->sums[j] = t->powers[j] = 0;
    add_halves_away(l, x, rows, n, step, rest, t->near, t->sums, t->powers, wide);
    put_together_f(t, n, width);
    const int any = conclude_f(t, a, s, k, first, width, n);
    if (k->along) {
        l->scale_along(x, y, t->a, t->b, t->c, a->gamma, a->beta, k->length, width, k->width);
        return any;
    }
    const ptrdiff_t done = rows * step;
    l->scale_rows(x, y, t->a, t->b, t->c, rows, n, step);
    if (rest) l->scale_rows(x + done, y + done, t->a, t->b, t->c, 1, rest, step);
    return any;
}

LOOP static int columns_by_vectors(const half_loops *l, const halves *h, const uint16_t *x, uint16_t *y,
                                   const affine_f *a, const size_of *s, const columns *k)
{
    ptrdiff_t width = k->width, n = MOST(LEAST(LANES / width, k->length), 1) * width;
    if (n == width) {
        const ptrdiff_t fit = MOST(CACHE / (ptrdiff_t)sizeof(uint16_t) / k->length, LANES);
        n = width = LEAST(MOST(fit / k->joined, 1) * k->joined, width);
    }
    tile_f t;
    float *floats = room(MOST(WIDENED, n) + 3 * LANES_BEYOND, 1, sizeof(float));
    float *wide = from_line(floats);
    int result = floats ? make_f(&t, n + LANES_BEYOND) : -1;
    if (result < 0) return free(floats), -1;
    for (ptrdiff_t j = 0; j < WIDENED + 2 * LANES_BEYOND; j++) wide[j] = 0;
    for (ptrdiff_t j = 0; j < n + LANES_BEYOND; j++) t.near[j] = t.sums[j] = t.powers[j] = 0;
    for (ptrdiff_t b = 0; b < k->before; b++, x += k->length * k->width, y += k->length * k->width)
        for (ptrdiff_t first = 0; first < k->width; first += width) {
            const ptrdiff_t some = LEAST(width, k->width - first), row = n == width ? some : n;
            const int any = tile_of_halves(l, x + first, y + first, &t, a, s, k, first, some, row, wide);
            for (ptrdiff_t c = first; any && c < first + some && !result; c += k->joined)
                if (t.lost[c - first])
                    result = write_halves_widely(h, x + c, y + c, a, s, k, c);
        }
    free(t.memory);
    free(floats);
    return result;
}

/* An image at a time is converted, and is in the second-level cache if it is not very large. */
int normalize_columns_halves(const halves *h, const uint16_t *x, uint16_t *y, const affine_f *a,
                             const size_of *s, const columns *k)
{
    const ptrdiff_t items = k->length * k->width;
    const half_loops *l = half_loops_of(h);
    columns one = *k;
    if (l) return columns_by_vectors(l, h, x, y, a, s, k);
    float *wide = room(items, 2, sizeof(float)), *made = wide + items;
    if (!wide) return -1;
    int result = 0;
    one.before = 1;
    for (ptrdiff_t b = 0; b < k->before && !result; b++, x += items, y += items) {
        h->widen(x, wide, items);
        result = normalize_columns_f(wide, made, a, s, &one);
        h->narrow(made, y, items);
    }
    free(wide);
    return result;
}
