/* The loops over columns of rows.h, for items of type T, whose squares type W holds. Included by
 * columns.c. A tile is some columns, or all and as many rows side by side as make a long loop. */

#include "moments_of.h"

/* What is known of each column of a tile while it is worked on. */
typedef struct {
    double *near, *sums, *powers; /* per item of a long row */
    double *mean;                 /* per column */
    T *a, *b, *c;                 /* (x - a) * b + c, per item of a long row */
    int *lost;                    /* per column: T has no room for it */
    void *memory;
} NAME(tile);

static int NAME(make)(NAME(tile) *t, ptrdiff_t n)
{
    double *d = t->memory = room(n, 1, 4 * sizeof(double) + 3 * sizeof(T) + sizeof(int));
    if (!d) return -1;
    t->near = d, t->sums = d + n, t->powers = d + 2 * n, t->mean = d + 3 * n;
    t->a = (T *)(d + 4 * n), t->b = t->a + n, t->c = t->b + n;
    t->lost = (int *)(t->c + n);
    return 0;
}

/* Put sums of rows side by side together in those of the first columns. */
static INLINE void NAME(put_together)(const NAME(tile) *t, ptrdiff_t n, ptrdiff_t width)
{
    for (ptrdiff_t j = width; j < n; j += width)
        for (ptrdiff_t c = 0; c < width; c++)
            t->sums[c] += t->sums[j + c], t->powers[c] += t->powers[j + c];
}

/* Sums down the `items` of a tile, in rows of `n` that are `step` apart; put together in `sums` and
 * `powers` of its first `width` items. */
static INLINE void NAME(add_down)(const T *x, const NAME(tile) *t, ptrdiff_t rows, ptrdiff_t n,
                                  ptrdiff_t step, ptrdiff_t rest, ptrdiff_t width, int squares)
{
    for (ptrdiff_t j = 0; j < n; j++) t->sums[j] = t->powers[j] = 0;
    NAME(add_rows)(x, rows, n, step, rest, squares, t->near, t->sums, t->powers);
    NAME(put_together)(t, n, width);
}

/* Mean and sum of squares of joined columns, in the wider type. */
static INLINE void NAME(wide_moments)(const T *x, const columns *k, int centered, W *mean, W *power)
{
    W total = 0, squares = 0;
    for (ptrdiff_t i = 0; centered && i < k->length; i++)
        for (ptrdiff_t j = 0; j < k->joined; j++) total += x[i * k->width + j];
    total /= (W)k->length * (W)k->joined;
    for (ptrdiff_t i = 0; i < k->length; i++)
        for (ptrdiff_t j = 0; j < k->joined; j++) {
            W a = x[i * k->width + j] - total;
            squares += a * a;
        }
    *mean = total, *power = squares;
}

/* Joined columns of which something has left the range of T, in the wider type. */
static INLINE void NAME(write_widely)(const T *x, T *y, const NAME(affine) *a, const size_of *s,
                                      const columns *k, ptrdiff_t first)
{
    W mean, power;
    NAME(wide_moments)(x, k, s->centered, &mean, &power);
    power = power * (W)s->weight + (W)s->epsilon;
    power = power < (W)s->least ? (W)s->least : power;
    W inverse = 1 / ROOT(power);
    for (ptrdiff_t i = 0; i < k->length; i++)
        for (ptrdiff_t j = 0; j < k->joined; j++) {
            ptrdiff_t at = k->along ? i : first + j;
            W gamma = a->gammas ? a->gammas[at] : 1, beta = a->betas ? a->betas[at] : 0;
            W away = (x[i * k->width + j] - mean) * inverse * gamma;
            y[i * k->width + j] = inverse != inverse ? (T)NAN : (T)(a->betas ? away + beta : away);
        }
}

/* Join the moments of columns beside each other; each of them gets what all have. */
static INLINE void NAME(join)(const NAME(tile) *t, const columns *k, ptrdiff_t width)
{
    for (ptrdiff_t g = 0; g < width; g += k->joined) {
        double mean = 0, between = 0, within = 0;
        for (ptrdiff_t c = g; c < g + k->joined; c++) mean += t->mean[c], within += t->powers[c];
        mean /= (double)k->joined;
        for (ptrdiff_t c = g; c < g + k->joined; c++)
            between += (t->mean[c] - mean) * (t->mean[c] - mean);
        for (ptrdiff_t c = g; c < g + k->joined; c++)
            t->mean[c] = mean, t->powers[c] = within + (double)k->length * between;
    }
}

/* What cells are multiplied by, and what is added, from moments; say of how many columns T has no
 * room for them. */
static INLINE int NAME(vectors)(const NAME(tile) *t, const double *restrict gamma,
                                const double *restrict beta, const size_of *s, ptrdiff_t width)
{
    const double weight = s->weight, epsilon = s->epsilon, least = s->least;
    const double *restrict mean = t->mean, *restrict powers = t->powers;
    T *restrict a = t->a, *restrict b = t->b, *restrict c = t->c;
    int *restrict lost = t->lost, any = 0;
    for (ptrdiff_t j = 0; j < width; j++) {
        double power = powers[j] * weight + epsilon;
        power = power < least ? least : power;
        double by = 1.0 / sqrt(power);
        if (gamma) by *= gamma[j];
        a[j] = (T)mean[j], b[j] = (T)by;
        double on = (beta ? beta[j] : 0) - (mean[j] - a[j]) * by, size = fabs(by);
        c[j] = (T)on;
        lost[j] = !((powers[j] < LARGE) & (power > SMALL) & (power < GREAT) &
                    (fabs(mean[j]) < HEAVY) & (fabs(on) < HEAVY) & (size < HEAVY) &
                    ((size >= LIGHT) | (size == 0)));
        any |= lost[j];
    }
    return any;
}

/* From sums to statistics of the columns of a tile, and the vectors that follow from them. */
static INLINE int NAME(conclude)(const NAME(tile) *t, const NAME(affine) *a, const size_of *s,
                                 const columns *k, ptrdiff_t first, ptrdiff_t width, ptrdiff_t n)
{
    const double length = (double)k->length;
    for (ptrdiff_t c = 0; c < width; c++) {
        double shift = s->centered ? t->sums[c] / length : 0;
        double power = t->powers[c] - t->sums[c] * shift;
        t->mean[c] = t->near[c] + shift;
        t->powers[c] = power < 0 ? 0 : power; /* NaN stays */
    }
    if (k->joined > 1) NAME(join)(t, k, width);
    const double *gamma = k->along || !a->gammas ? NULL : a->gammas + first;
    const double *beta = k->along || !a->betas ? NULL : a->betas + first;
    int any = 0;
    if (gamma || beta)
        any = NAME(vectors)(t, gamma, beta, s, width);
    else
        any = NAME(vectors)(t, NULL, NULL, s, width);
    if (a->wide)
        for (ptrdiff_t c = 0; c < width; c++) any = t->lost[c] = 1;
    for (ptrdiff_t g = 0; any && g < width; g += k->joined) /* the first one speaks for all */
        for (ptrdiff_t c = g; c < g + k->joined; c++) t->lost[g] |= t->lost[c];
    for (ptrdiff_t j = width; j < n; j++)
        t->a[j] = t->a[j - width], t->b[j] = t->b[j - width], t->c[j] = t->c[j - width];
    return any;
}

/* Statistics of the columns of a tile, and the vectors that follow from them. */
static INLINE int NAME(find)(const T *x, const NAME(tile) *t, const NAME(affine) *a,
                             const size_of *s, const columns *k, ptrdiff_t first, ptrdiff_t width,
                             ptrdiff_t n, ptrdiff_t step)
{
    ptrdiff_t rows = n == width ? k->length : k->length / (n / width);
    ptrdiff_t rest = n == width ? 0 : k->length * width - rows * n;
    for (ptrdiff_t j = 0; j < width; j++) t->near[j] = s->centered ? x[j] : 0;
    for (ptrdiff_t j = width; j < n; j++) t->near[j] = t->near[j - width];
    if (s->centered && TWICE) {
        NAME(add_down)(x, t, rows, n, step, rest, width, 0);
        for (ptrdiff_t j = 0; j < width; j++) t->near[j] = t->sums[j] / (double)k->length;
        for (ptrdiff_t j = width; j < n; j++) t->near[j] = t->near[j - width];
    }
    NAME(add_down)(x, t, rows, n, step, rest, width, 1);
    return NAME(conclude)(t, a, s, k, first, width, n);
}

static INLINE void NAME(write_tile)(const T *restrict x, T *restrict y, const NAME(tile) *t,
                                    const NAME(affine) *w, const columns *k, ptrdiff_t width,
                                    ptrdiff_t n, ptrdiff_t step)
{
    const T *restrict a = t->a, *restrict b = t->b, *restrict c = t->c;
    if (k->along) {
        for (ptrdiff_t i = 0; i < k->length; i++, x += k->width, y += k->width) {
            T gamma = w->gamma ? w->gamma[i] : 1, beta = w->beta ? w->beta[i] : 0;
            for (ptrdiff_t j = 0; j < width; j++)
                y[j] = ((x[j] - a[j]) * b[j] + c[j]) * gamma + beta;
        }
        return;
    }
    ptrdiff_t items = n == width ? n * k->length : k->length * width;
    for (ptrdiff_t i = 0; i < items; i += n, x += step, y += step) {
        ptrdiff_t some = LEAST(n, items - i);
        for (ptrdiff_t j = 0; j < some; j++) y[j] = (x[j] - a[j]) * b[j] + c[j];
    }
}

LOOP_512 int NAME(normalize_columns)(const T *x, T *y, const NAME(affine) *a, const size_of *s,
                                     const columns *k)
{
    /* Narrow rows are put side by side; of wide ones so many columns that they stay in cache. */
    ptrdiff_t width = k->width, n = MOST(LEAST(LANES / width, k->length), 1) * width;
    if (n == width) {
        ptrdiff_t fit = MOST(CACHE / (ptrdiff_t)sizeof(T) / k->length, LANES);
        width = MOST(fit / k->joined, 1) * k->joined;
        n = width = LEAST(width, k->width);
    }
    NAME(tile) t;
    if (NAME(make)(&t, n) < 0) return -1;
    for (ptrdiff_t b = 0; b < k->before; b++, x += k->length * k->width, y += k->length * k->width)
        for (ptrdiff_t first = 0; first < k->width; first += width) {
            ptrdiff_t some = LEAST(width, k->width - first);
            ptrdiff_t row = n == width ? some : n, step = n == width ? k->width : n;
            const T *from = x + first;
            T *to = y + first;
            int any = NAME(find)(from, &t, a, s, k, first, some, row, step);
            NAME(write_tile)(from, to, &t, a, k, some, row, step);
            for (ptrdiff_t c = 0; any && c < some; c += k->joined)
                if (t.lost[c]) NAME(write_widely)(from + c, to + c, a, s, k, first + c);
        }
    free(t.memory);
    return 0;
}

/* An image that several threads work on is one tile: each adds up some columns of all rows, and writes
 * some rows. */
typedef struct {
    const T *x;
    T *y;
    const NAME(tile) *t;
    const NAME(affine) *w;
    const columns *k;
    long_rows r;
    int squares;
} NAME(cut_image);

/* Sums lie apart while they are added to: processors share pieces of memory. */
LOOP_512 static int NAME(add_some)(const void *given, ptrdiff_t first, ptrdiff_t units)
{
    const NAME(cut_image) *c = given;
    const long_rows *r = &c->r;
    const ptrdiff_t from = column_of(r, first), n = column_of(r, first + units) - from;
    double *sums = room(n + BETWEEN, 2, sizeof(double)), *powers = sums + n;
    if (!sums) return -1;
    for (ptrdiff_t j = 0; j < 2 * n; j++) sums[j] = 0;
    NAME(add_rows)(c->x + from, r->rows, n, r->n, r->rest - from, c->squares, c->t->near + from, sums,
                   powers);
    memcpy(c->t->sums + from, sums, (size_t)n * sizeof(double));
    memcpy(c->t->powers + from, powers, (size_t)n * sizeof(double));
    free(sums);
    return 0;
}

LOOP_512 static int NAME(write_some)(const void *given, ptrdiff_t first, ptrdiff_t rows)
{
    const NAME(cut_image) *c = given;
    const ptrdiff_t width = c->k->width, n = c->k->along ? width : c->r.n, at = first * n;
    NAME(affine) w = *c->w;
    columns some = *c->k;
    some.length = LEAST(rows * n / width, some.length - at / width);
    if (some.along && w.gamma) w.gamma += first;
    if (some.along && w.beta) w.beta += first;
    NAME(write_tile)(c->x + at, c->y + at, c->t, &w, &some, width, n, n);
    return 0;
}

static int NAME(add_columns)(NAME(cut_image) *c, int squares)
{
    const long_rows *r = &c->r;
    const ptrdiff_t bytes = c->k->length * c->k->width * (ptrdiff_t)sizeof(T);
    c->squares = squares;
    const int result = spread(NAME(add_some), c, r->units, bytes / r->units);
    if (!result) NAME(put_together)(c->t, r->n, c->k->width);
    return result;
}

static int NAME(cut_one)(NAME(cut_image) *c, const size_of *s)
{
    const columns *k = c->k;
    const NAME(tile) *t = c->t;
    const ptrdiff_t width = k->width, n = c->r.n;
    int result = 0;
    for (ptrdiff_t j = 0; j < width; j++) t->near[j] = s->centered ? c->x[j] : 0;
    for (ptrdiff_t j = width; j < n; j++) t->near[j] = t->near[j - width];
    if (s->centered && TWICE) {
        result = NAME(add_columns)(c, 0);
        for (ptrdiff_t j = 0; j < width; j++) t->near[j] = t->sums[j] / (double)k->length;
        for (ptrdiff_t j = width; j < n; j++) t->near[j] = t->near[j - width];
    }
    if (!result) result = NAME(add_columns)(c, 1);
    if (result) return result;
    const int any = NAME(conclude)(t, c->w, s, k, 0, width, n);
    spread(NAME(write_some), c, rows_written(&c->r, k), (k->along ? width : n) * (ptrdiff_t)sizeof(T));
    for (ptrdiff_t i = 0; any && i < width; i += k->joined)
        if (t->lost[i]) NAME(write_widely)(c->x + i, c->y + i, c->w, s, k, i);
    return 0;
}

int NAME(columns_cut)(const T *x, T *y, const NAME(affine) *a, const size_of *s, const columns *k)
{
    NAME(tile) t;
    NAME(cut_image) c = {x, y, &t, a, k, long_rows_of(k), 0};
    const ptrdiff_t items = k->length * k->width;
    if (!are_cut(k->before, c.r.units, items * (ptrdiff_t)sizeof(T))) return NOT_CUT;
    int result = NAME(make)(&t, c.r.n);
    for (ptrdiff_t b = 0; b < k->before && !result; b++, c.x += items, c.y += items)
        result = NAME(cut_one)(&c, s);
    free(t.memory);
    return result;
}
