#include "checked.h"
#include "cut_folds.h"
#include "half_loops.h"
#include "rows.h"
#include "spread.h"

#include <float.h>
#include <math.h>

#define LANES 48            /* items of a row in which short ones are put side by side */
#define CACHE (1 << 20)     /* bytes of columns that are read again from the cache */

#define VECTOR 8  /* columns that no two threads share */
#define BETWEEN 16 /* doubles that keep memory of two threads apart */

/* Rows of an image side by side, and the `rest` of one more; how many threads may have columns of them. */
typedef struct {
    ptrdiff_t n, rows, rest, units;
} long_rows;

static long_rows long_rows_of(const columns *k)
{
    const ptrdiff_t side = MOST(LEAST(LANES / k->width, k->length), 1), rows = k->length / side;
    const ptrdiff_t n = side * k->width;
    return (long_rows){n, rows, k->length * k->width - rows * n, LEAST(n / VECTOR, threads_allowed())};
}

/* The first column of a unit. */
static ptrdiff_t column_of(const long_rows *r, ptrdiff_t unit)
{
    return unit == r->units ? r->n : r->n / VECTOR * unit / r->units * VECTOR;
}

static ptrdiff_t rows_written(const long_rows *r, const columns *k)
{
    return k->along ? k->length : r->rows + (r->rest > 0);
}

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

/* What `cut_image` is, of items of two bytes. */
typedef struct {
    const half_loops *l;
    const uint16_t *x;
    uint16_t *y;
    const tile_f *t;
    const affine_f *w;
    const columns *k;
    long_rows r;
} cut_halves;

static int add_some_halves(const void *given, ptrdiff_t first, ptrdiff_t units)
{
    const cut_halves *c = given;
    const long_rows *r = &c->r;
    const ptrdiff_t from = column_of(r, first), n = column_of(r, first + units) - from;
    const ptrdiff_t all = n + LANES_BEYOND, numbers = WIDENED + 2 * LANES_BEYOND;
    double *near = room(all + BETWEEN, 3, sizeof(double)), *sums = near + all, *powers = sums + all;
    float *floats = room(numbers + LANES_BEYOND, 1, sizeof(float)), *wide = from_line(floats);
    const int result = near && floats ? 0 : -1;
    if (!result) {
        for (ptrdiff_t j = 0; j < numbers; j++) wide[j] = 0;
        for (ptrdiff_t j = 0; j < 3 * all; j++) near[j] = 0;
        memcpy(near, c->t->near + from, (size_t)n * sizeof(double));
        add_halves_away(c->l, c->x + from, r->rows, n, r->n, r->rest - from, near, sums, powers, wide);
        memcpy(c->t->sums + from, sums, (size_t)n * sizeof(double));
        memcpy(c->t->powers + from, powers, (size_t)n * sizeof(double));
    }
    free(near);
    free(floats);
    return result;
}

static int write_some_halves(const void *given, ptrdiff_t first, ptrdiff_t rows)
{
    const cut_halves *c = given;
    const tile_f *t = c->t;
    const ptrdiff_t width = c->k->width, n = c->k->along ? width : c->r.n, at = first * n;
    if (c->k->along) {
        const float *gamma = c->w->gamma ? c->w->gamma + first : NULL;
        const float *beta = c->w->beta ? c->w->beta + first : NULL;
        c->l->scale_along(c->x + at, c->y + at, t->a, t->b, t->c, gamma, beta, rows, width, width);
        return 0;
    }
    const ptrdiff_t whole = LEAST(rows, c->r.rows - first), end = whole * n;
    c->l->scale_rows(c->x + at, c->y + at, t->a, t->b, t->c, whole, n, n);
    if (whole < rows) c->l->scale_rows(c->x + at + end, c->y + at + end, t->a, t->b, t->c, 1, c->r.rest, n);
    return 0;
}

static int cut_one_of_halves(const cut_halves *c, const halves *h, const size_of *s, float *first)
{
    const columns *k = c->k;
    const tile_f *t = c->t;
    const ptrdiff_t width = k->width, n = c->r.n, size = (ptrdiff_t)sizeof(uint16_t);
    c->l->widen(c->x, first, width);
    for (ptrdiff_t j = 0; j < width; j++) t->near[j] = s->centered ? first[j] : 0;
    for (ptrdiff_t j = width; j < n; j++) t->near[j] = t->near[j - width];
    int result = spread(add_some_halves, c, c->r.units, k->length * width * size / c->r.units);
    if (result) return result;
    put_together_f(t, n, width);
    const int any = conclude_f(t, c->w, s, k, 0, width, n);
    spread(write_some_halves, c, rows_written(&c->r, k), (k->along ? width : n) * size);
    for (ptrdiff_t i = 0; any && i < width && !result; i += k->joined)
        if (t->lost[i]) result = write_halves_widely(h, c->x + i, c->y + i, c->w, s, k, i);
    return result;
}

int columns_cut_halves(const halves *h, const uint16_t *x, uint16_t *y, const affine_f *a,
                       const size_of *s, const columns *k)
{
    tile_f t;
    cut_halves c = {half_loops_of(h), x, y, &t, a, k, long_rows_of(k)};
    const ptrdiff_t items = k->length * k->width;
    if (!c.l || !are_cut(k->before, c.r.units, items * (ptrdiff_t)sizeof(uint16_t))) return NOT_CUT;
    float *first = room(k->width + LANES_BEYOND, 1, sizeof(float));
    int result = make_f(&t, c.r.n + LANES_BEYOND);
    if (!first) result = -1;
    for (ptrdiff_t b = 0; b < k->before && !result; b++, c.x += items, c.y += items)
        result = cut_one_of_halves(&c, h, s, first);
    free(first);
    free(t.memory);
    return result;
}
