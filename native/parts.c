/* A part of a call is the same call on some of its images, rows or samples, which are next to each
 * other in memory. Of few large images a part is some of what is made of one. */
#define POOLNORM_WHOLE_CALLS
#include "parts.h"

#include "cut_folds.h"
#include "spread.h"

/* Does what `call` says to so many items, from `x` on. */
typedef int (*work)(const void *call, const void *x, void *out, ptrdiff_t items);

/* All of them: bytes of each, and of what is made of it. */
typedef struct {
    work loop;
    const void *call, *x;
    void *out;
    ptrdiff_t read, made;
} job;

static int some_of(const void *given, ptrdiff_t first, ptrdiff_t items)
{
    const job *j = given;
    return j->loop(j->call, (const char *)j->x + first * j->read, (char *)j->out + first * j->made,
                   items);
}

static int in_parts(work loop, const void *call, const void *x, void *out, ptrdiff_t items,
                    ptrdiff_t read, ptrdiff_t made)
{
    const job all = {loop, call, x, out, read, made};
    return spread(some_of, &all, items, read);
}

/* Makes of an image what is so far in it, and so much. */
typedef int (*work_inside)(const void *call, const void *x, void *out, ptrdiff_t image,
                           ptrdiff_t first, ptrdiff_t count);

/* All images: into how many units what is made of each may be cut. */
typedef struct {
    work_inside loop;
    const void *call, *x;
    void *out;
    ptrdiff_t units;
} cutting;

static int some_units_of(const void *given, ptrdiff_t first, ptrdiff_t items)
{
    const cutting *c = given;
    int most = 0;
    for (ptrdiff_t some; items > 0; first += some, items -= some) {
        some = LEAST(c->units - first % c->units, items);
        const int result = c->loop(c->call, c->x, c->out, first / c->units, first % c->units, some);
        if (result < 0) return result;
        most = MOST(most, result);
    }
    return most;
}

static int inside(work_inside loop, const void *call, const void *x, void *out, ptrdiff_t images,
                  ptrdiff_t units, ptrdiff_t read)
{
    const cutting all = {loop, call, x, out, units};
    return spread(some_units_of, &all, images * units, read / units);
}

/* What loops of some types of items are given first. */
#define FIRST        \
    const halves *h; \
    char kind;

typedef struct {
    FIRST const sheet *s;
    ptrdiff_t item;
} sheet_call;

/* Along which axis an image of a sheet may be cut, so that parts of it are next to each other. */
static window *cut_axis(sheet *s, ptrdiff_t **length, ptrdiff_t *step)
{
    *step = s->rows * s->cells * s->items, *length = &s->planes;
    if (s->plane.count > 1 || s->planes > 1) return &s->plane;
    *step = s->cells * s->items, *length = &s->rows;
    if (s->row.count > 1 || s->rows > 1) return &s->row;
    *step = s->items, *length = &s->cells;
    return &s->cell;
}

static ptrdiff_t units_of(const sheet *s)
{
    sheet own = *s;
    ptrdiff_t *length, step;
    return cut_axis(&own, &length, &step)->count;
}

/* Cut an image to what some places are made of; return where that begins, in items. */
static ptrdiff_t cut_sheet(sheet *s, ptrdiff_t first, ptrdiff_t count)
{
    ptrdiff_t *length, step;
    window *w = cut_axis(s, &length, &step);
    const ptrdiff_t start = first * w->stride - w->low, begin = MOST(start, 0);
    const ptrdiff_t end = start + (count - 1) * w->stride + (w->size - 1) * w->dilation + 1;
    w->low = begin - start, w->count = count;
    *length = LEAST(end, *length) - begin;
    s->images = 1;
    return begin * step;
}

#define SHEET(name, type, size, GIVEN, HELD, PASSED)                                         \
    static int name##_some(const void *call, const void *x, void *out, ptrdiff_t images)     \
    {                                                                                        \
        const sheet_call *k = call;                                                          \
        sheet s = *k->s;                                                                     \
        s.images = images;                                                                   \
        return name(PASSED x, out, &s);                                                      \
    }                                                                                        \
    static int name##_inside(const void *call, const void *x, void *out, ptrdiff_t image,    \
                             ptrdiff_t first, ptrdiff_t count)                               \
    {                                                                                        \
        const sheet_call *k = call;                                                          \
        sheet s = *k->s;                                                                     \
        const ptrdiff_t made = s.plane.count * s.row.count * s.cell.count * s.items;         \
        const ptrdiff_t read = s.planes * s.rows * s.cells * s.items, units = units_of(&s);  \
        const ptrdiff_t from = image * read + cut_sheet(&s, first, count);                   \
        return name(PASSED (const void *)((const char *)x + from * k->item),                 \
                    (void *)((char *)out + (image * made + first * (made / units)) * k->item), \
                    &s);                                                                     \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *out, const sheet *s)                         \
    {                                                                                        \
        const sheet_call call = {HELD .s = s, .item = (ptrdiff_t)size};                      \
        const ptrdiff_t item = s->items * (ptrdiff_t)size, units = units_of(s);              \
        const ptrdiff_t read = s->planes * s->rows * s->cells * item;                        \
        if (are_cut(s->images, units, read))                                                 \
            return inside(name##_inside, &call, x, out, s->images, units, read);             \
        return in_parts(name##_some, &call, x, out, s->images, read,                         \
                        s->plane.count * s->row.count * s->cell.count * item);               \
    }
SHEETS(SHEET)

typedef struct {
    FIRST const covers *s;
    ptrdiff_t item;
} cover_call;

/* The first axis with several places: what is made of an image may be cut along it. */
static cover *cover_axis(covers *s)
{
    if (s->plane.count > 1) return &s->plane;
    return s->row.count > 1 ? &s->row : &s->cell;
}

static ptrdiff_t places_of(const covers *s)
{
    covers own = *s;
    return cover_axis(&own)->count;
}

#define COVER(name, type, size, GIVEN, HELD, PASSED)                                         \
    static int name##_some(const void *call, const void *x, void *out, ptrdiff_t images)     \
    {                                                                                        \
        const cover_call *k = call;                                                          \
        covers s = *k->s;                                                                    \
        s.images = images;                                                                   \
        return name(PASSED x, out, &s);                                                      \
    }                                                                                        \
    static int name##_inside(const void *call, const void *x, void *out, ptrdiff_t image,    \
                             ptrdiff_t first, ptrdiff_t count)                               \
    {                                                                                        \
        const cover_call *k = call;                                                          \
        covers s = *k->s;                                                                    \
        const ptrdiff_t read = s.plane.length * s.row.length * s.cell.length * s.items;      \
        const ptrdiff_t made = s.plane.count * s.row.count * s.cell.count * s.items;         \
        const ptrdiff_t to = image * made + first * (made / places_of(&s));                  \
        cover *axis = cover_axis(&s);                                                        \
        axis->spans += first, axis->count = count, s.images = 1;                             \
        return name(PASSED (const void *)((const char *)x + image * read * k->item),         \
                    (void *)((char *)out + to * k->item), &s);                               \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *out, const covers *s)                        \
    {                                                                                        \
        const cover_call call = {HELD .s = s, .item = (ptrdiff_t)size};                      \
        const ptrdiff_t item = s->items * (ptrdiff_t)size, units = places_of(s);             \
        const ptrdiff_t read = s->plane.length * s->row.length * s->cell.length * item;      \
        if (are_cut(s->images, units, read))                                                 \
            return inside(name##_inside, &call, x, out, s->images, units, read);             \
        return in_parts(name##_some, &call, x, out, s->images, read,                         \
                        s->plane.count * s->row.count * s->cell.count * item);               \
    }
COVERS(COVER)

typedef struct {
    FIRST ptrdiff_t length, after;
} fold_call;

#define FOLD(name, type, size, GIVEN, HELD, PASSED)                                          \
    static int name##_some(const void *call, const void *x, void *out, ptrdiff_t before)     \
    {                                                                                        \
        const fold_call *k = call;                                                           \
        return name(PASSED x, out, before, k->length, k->after);                             \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, MADE(type) *out, ptrdiff_t before,                 \
                     ptrdiff_t length, ptrdiff_t after)                                      \
    {                                                                                        \
        const fold_call call = {HELD .length = length, .after = after}, *k = &call;          \
        const int result = name##_cut(PASSED x, out, before, k->length, after);              \
        if (result != NOT_CUT) return result;                                                \
        return in_parts(name##_some, &call, x, out, before,                                  \
                        length * after * (ptrdiff_t)size, after * (ptrdiff_t)BYTES(size));   \
    }
#define MADE(type) type
#define BYTES(size) size
KEPT(FOLD)
#undef MADE
#undef BYTES
#define MADE(type) double
#define BYTES(size) sizeof(double)
SUMS(FOLD)

/* Squares are as far from the first of all of them as the means beside them. */
typedef struct {
    FIRST ptrdiff_t before, length, last, after;
    const double *mean;
    double *squares;
} moments_call;

#define MOMENT(name, type, size, GIVEN, HELD, PASSED)                                        \
    static int name##_some(const void *call, const void *x, void *out, ptrdiff_t before)     \
    {                                                                                        \
        const moments_call *k = call;                                                        \
        double *mean = out, *end = mean + before * k->after;                                 \
        const int is_last = end == k->mean + k->before * k->after;                           \
        return name(PASSED x, mean, k->squares + (mean - k->mean), before, k->length,        \
                    is_last ? k->last : k->length, k->after);                                \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, double *mean, double *squares, ptrdiff_t before,   \
                     ptrdiff_t length, ptrdiff_t last, ptrdiff_t after)                      \
    {                                                                                        \
        const moments_call call = {HELD .before = before, .length = length, .last = last,    \
                                   .after = after, .mean = mean, .squares = squares};        \
        return in_parts(name##_some, &call, x, mean, before,                                 \
                        length * after * (ptrdiff_t)size, after * (ptrdiff_t)sizeof(double)); \
    }
MOMENTS(MOMENT)

/* Weights are prepared once: `a` has them, of the type of the items. */
typedef struct {
    FIRST const void *a;
    const size_of *s;
    const weighing *w;
    const char *end;
} rows_call;

/* Weights of rows come round after some groups: a part begins with the first of these. */
#define ROW(name, letter, type, size, GIVEN, HELD, PASSED)                                   \
    static int name##_some(const void *call, const void *x, void *y, ptrdiff_t rounds)       \
    {                                                                                        \
        const rows_call *k = call;                                                           \
        const ptrdiff_t row = k->w->channels * k->w->run * (ptrdiff_t)size;                  \
        const ptrdiff_t left = (k->end - (const char *)x) / row;                             \
        return normalize_##name(PASSED x, y, k->a, k->s, k->w, 0,                            \
                                LEAST(rounds * k->w->groups, left));                         \
    }                                                                                        \
    static int name##_inside(const void *call, const void *x, void *y, ptrdiff_t round,      \
                             ptrdiff_t first, ptrdiff_t rows)                                \
    {                                                                                        \
        const rows_call *k = call;                                                           \
        const ptrdiff_t items = k->w->channels * k->w->run;                                  \
        const ptrdiff_t at = (round * k->w->groups + first) * items;                         \
        return normalize_##name(PASSED (const type *)x + at, (type *)y + at, k->a, k->s,     \
                                k->w, first, rows);                                          \
    }                                                                                        \
    int all_##name(GIVEN const type *x, type *y, const double *gamma, const double *beta,    \
                   const size_of *s, const weighing *w, ptrdiff_t rows)                      \
    {                                                                                        \
        const ptrdiff_t row = w->channels * w->run * (ptrdiff_t)size, round = w->groups * row; \
        affine_##letter a;                                                                   \
        if (prepare_##letter(&a, gamma, beta, w->groups * w->channels) < 0) return -1;       \
        const rows_call call = {HELD .a = &a, .s = s, .w = w, .end = (const char *)x + rows * row}; \
        int result;                                                                          \
        if (w->groups < 1 || w->groups > rows)                                               \
            result = name##_some(&call, x, y, w->groups < 1 ? 0 : 1);                        \
        else if (rows % w->groups == 0 && are_cut(rows / w->groups, w->groups, round))       \
            result = inside(name##_inside, &call, x, y, rows / w->groups, w->groups, round); \
        else                                                                                 \
            result = in_parts(name##_some, &call, x, y, (rows - 1) / w->groups + 1, round, round); \
        free(a.memory);                                                                      \
        return result;                                                                       \
    }
ROWS(ROW)

typedef struct {
    FIRST const void *a;
    const size_of *s;
    const columns *c;
} columns_call;

#define CUT_columns_f columns_cut_f
#define CUT_columns_d columns_cut_d
#define CUT_columns_halves columns_cut_halves
#define COLUMN(name, letter, type, size, GIVEN, HELD, PASSED)                                \
    static int name##_some(const void *call, const void *x, void *y, ptrdiff_t before)       \
    {                                                                                        \
        const columns_call *k = call;                                                        \
        columns c = *k->c;                                                                   \
        c.before = before;                                                                   \
        return normalize_##name(PASSED x, y, k->a, k->s, &c);                                \
    }                                                                                        \
    int all_##name(GIVEN const type *x, type *y, const double *gamma, const double *beta,    \
                   const size_of *s, const columns *c)                                       \
    {                                                                                        \
        const ptrdiff_t bytes = c->length * c->width * (ptrdiff_t)size;                      \
        affine_##letter a;                                                                   \
        if (prepare_##letter(&a, gamma, beta, c->along ? c->length : c->width) < 0) return -1; \
        const columns_call call = {HELD .a = &a, .s = s, .c = c}, *k = &call;                \
        int result = CUT_##name(PASSED x, y, k->a, s, c);                                    \
        if (result == NOT_CUT)                                                               \
            result = in_parts(name##_some, &call, x, y, c->before, bytes, bytes);            \
        free(a.memory);                                                                      \
        return result;                                                                       \
    }
COLUMNS(COLUMN)

typedef struct {
    FIRST const void *a, *b, *c;
    const moving *m;
    ptrdiff_t length, after;
} scale_call;

#define PIECE (16 << 10) /* items of a long run that are worked on at a time */

/* How many pieces there are of a sample's runs, each with a value of its own. */
static ptrdiff_t pieces_of(ptrdiff_t length, ptrdiff_t after)
{
    return after > 1 ? length * ((after - 1) / PIECE + 1) : 1;
}

/* A piece of a run: where it begins, how many items it has, and the place of its values. */
typedef struct {
    ptrdiff_t at, items, value;
} piece;

static piece piece_of(const scale_call *k, ptrdiff_t sample, ptrdiff_t unit)
{
    const ptrdiff_t each = (k->after - 1) / PIECE + 1, run = unit / each;
    const ptrdiff_t in_run = unit % each * PIECE;
    return (piece){(sample * k->length + run) * k->after + in_run, LEAST(PIECE, k->after - in_run), run};
}

#define CENTER(name, type, size, GIVEN, HELD, PASSED)                                        \
    static int name##_some(const void *call, const void *x, void *y, ptrdiff_t before)       \
    {                                                                                        \
        const scale_call *k = call;                                                          \
        return name(PASSED x, y, k->m, before, k->length, k->after);                         \
    }                                                                                        \
    static int name##_inside(const void *call, const void *x, void *y, ptrdiff_t sample,     \
                             ptrdiff_t first, ptrdiff_t count)                               \
    {                                                                                        \
        const scale_call *k = call;                                                          \
        int result = 0;                                                                      \
        for (ptrdiff_t i = first; i < first + count && result >= 0; i++) {                   \
            const piece p = piece_of(k, sample, i);                                          \
            const moving m = {k->m->mean + p.value, k->m->scale + p.value,                   \
                              k->m->shift ? k->m->shift + p.value : NULL};                   \
            result = name(PASSED (const type *)x + p.at, (type *)y + p.at, &m, 1, 1, p.items); \
        }                                                                                    \
        return result;                                                                       \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *y, const moving *m, ptrdiff_t before,        \
                     ptrdiff_t length, ptrdiff_t after)                                      \
    {                                                                                        \
        const scale_call call = {HELD .m = m, .length = length, .after = after};             \
        const ptrdiff_t bytes = length * after * (ptrdiff_t)size;                            \
        const ptrdiff_t units = pieces_of(length, after);                                    \
        if (are_cut(before, units, bytes))                                                   \
            return inside(name##_inside, &call, x, y, before, units, bytes);                 \
        return in_parts(name##_some, &call, x, y, before, bytes, bytes);                     \
    }
CENTERS(CENTER)

/* A place of a vector, of doubles for doubles and of floats for all else; NULL of none. */
static const void *value_at(const void *vector, ptrdiff_t place, size_t size)
{
    const size_t each = size == sizeof(double) ? size : sizeof(float);
    return vector ? (const char *)vector + place * (ptrdiff_t)each : NULL;
}

#define SCALE(name, type, size, GIVEN, HELD, PASSED)                                         \
    static int name##_some(const void *call, const void *x, void *y, ptrdiff_t before)       \
    {                                                                                        \
        const scale_call *k = call;                                                          \
        return name(PASSED x, y, k->a, k->b, k->c, before, k->length, k->after);             \
    }                                                                                        \
    static int name##_inside(const void *call, const void *x, void *y, ptrdiff_t sample,     \
                             ptrdiff_t first, ptrdiff_t count)                               \
    {                                                                                        \
        const scale_call *k = call;                                                          \
        int result = 0;                                                                      \
        for (ptrdiff_t i = first; i < first + count && result >= 0; i++) {                   \
            const piece p = piece_of(k, sample, i);                                          \
            result = name(PASSED (const type *)x + p.at, (type *)y + p.at,                   \
                          value_at(k->a, p.value, size), value_at(k->b, p.value, size),      \
                          value_at(k->c, p.value, size), 1, 1, p.items);                     \
        }                                                                                    \
        return result;                                                                       \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *y, const void *a, const void *b,             \
                     const void *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)     \
    {                                                                                        \
        const scale_call call = {HELD .a = a, .b = b, .c = c, .length = length,              \
                                 .after = after};                                            \
        const ptrdiff_t bytes = length * after * (ptrdiff_t)size;                            \
        const ptrdiff_t units = pieces_of(length, after);                                    \
        if (are_cut(before, units, bytes))                                                   \
            return inside(name##_inside, &call, x, y, before, units, bytes);                 \
        return in_parts(name##_some, &call, x, y, before, bytes, bytes);                     \
    }
SCALES(SCALE)
