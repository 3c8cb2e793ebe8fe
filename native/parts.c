/* A part of a call is the same call on some of its images, rows or samples, which are next to each
 * other in memory. */
#define POOLNORM_WHOLE_CALLS
#include "parts.h"

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

/* What loops of some types of items are given first. */
#define FIRST        \
    const halves *h; \
    char kind;

typedef struct {
    FIRST const sheet *s;
} sheet_call;

#define SHEET(name, type, size, GIVEN, HELD, PASSED)                                         \
    static int name##_some(const void *call, const void *x, void *out, ptrdiff_t images)     \
    {                                                                                        \
        const sheet_call *k = call;                                                          \
        sheet s = *k->s;                                                                     \
        s.images = images;                                                                   \
        return name(PASSED x, out, &s);                                                      \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *out, const sheet *s)                         \
    {                                                                                        \
        const sheet_call call = {HELD .s = s};                                               \
        const ptrdiff_t item = s->items * (ptrdiff_t)size;                                   \
        return in_parts(name##_some, &call, x, out, s->images,                               \
                        s->planes * s->rows * s->cells * item,                               \
                        s->plane.count * s->row.count * s->cell.count * item);               \
    }
SHEETS(SHEET)

typedef struct {
    FIRST const covers *s;
} cover_call;

#define COVER(name, type, size, GIVEN, HELD, PASSED)                                         \
    static int name##_some(const void *call, const void *x, void *out, ptrdiff_t images)     \
    {                                                                                        \
        const cover_call *k = call;                                                          \
        covers s = *k->s;                                                                    \
        s.images = images;                                                                   \
        return name(PASSED x, out, &s);                                                      \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *out, const covers *s)                        \
    {                                                                                        \
        const cover_call call = {HELD .s = s};                                               \
        const ptrdiff_t item = s->items * (ptrdiff_t)size;                                   \
        return in_parts(name##_some, &call, x, out, s->images,                               \
                        s->plane.length * s->row.length * s->cell.length * item,             \
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
        const fold_call call = {HELD .length = length, .after = after};                      \
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

typedef struct {
    FIRST const double *gamma, *beta;
    const size_of *s;
    const weighing *w;
    const char *end;
} rows_call;

/* Weights of rows come round after some groups: a part begins with the first of these. */
#define ROW(name, type, size, GIVEN, HELD, PASSED)                                           \
    static int name##_some(const void *call, const void *x, void *y, ptrdiff_t rounds)       \
    {                                                                                        \
        const rows_call *k = call;                                                           \
        const ptrdiff_t row = k->w->channels * k->w->run * (ptrdiff_t)size;                  \
        const ptrdiff_t left = (k->end - (const char *)x) / row;                             \
        return name(PASSED x, y, k->gamma, k->beta, k->s, k->w,                              \
                    LEAST(rounds * k->w->groups, left));                                     \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *y, const double *gamma, const double *beta,  \
                     const size_of *s, const weighing *w, ptrdiff_t rows)                    \
    {                                                                                        \
        const ptrdiff_t row = w->channels * w->run * (ptrdiff_t)size, round = w->groups * row; \
        const rows_call call = {HELD .gamma = gamma, .beta = beta, .s = s, .w = w,           \
                                .end = (const char *)x + rows * row};                        \
        if (w->groups < 1 || w->groups > rows)                                               \
            return name##_some(&call, x, y, w->groups < 1 ? 0 : 1);                          \
        return in_parts(name##_some, &call, x, y, (rows - 1) / w->groups + 1, round, round); \
    }
ROWS(ROW)

typedef struct {
    FIRST const double *gamma, *beta;
    const size_of *s;
    const columns *c;
} columns_call;

#define COLUMN(name, type, size, GIVEN, HELD, PASSED)                                        \
    static int name##_some(const void *call, const void *x, void *y, ptrdiff_t before)       \
    {                                                                                        \
        const columns_call *k = call;                                                        \
        columns c = *k->c;                                                                   \
        c.before = before;                                                                   \
        return name(PASSED x, y, k->gamma, k->beta, k->s, &c);                               \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *y, const double *gamma, const double *beta,  \
                     const size_of *s, const columns *c)                                     \
    {                                                                                        \
        const columns_call call = {HELD .gamma = gamma, .beta = beta, .s = s, .c = c};       \
        const ptrdiff_t bytes = c->length * c->width * (ptrdiff_t)size;                      \
        return in_parts(name##_some, &call, x, y, c->before, bytes, bytes);                  \
    }
COLUMNS(COLUMN)

typedef struct {
    FIRST const void *a, *b, *c;
    const moving *m;
    ptrdiff_t length, after;
} scale_call;

#define CENTER(name, type, size, GIVEN, HELD, PASSED)                                        \
    static int name##_some(const void *call, const void *x, void *y, ptrdiff_t before)       \
    {                                                                                        \
        const scale_call *k = call;                                                          \
        return name(PASSED x, y, k->m, before, k->length, k->after);                         \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *y, const moving *m, ptrdiff_t before,        \
                     ptrdiff_t length, ptrdiff_t after)                                      \
    {                                                                                        \
        const scale_call call = {HELD .m = m, .length = length, .after = after};             \
        const ptrdiff_t bytes = length * after * (ptrdiff_t)size;                            \
        return in_parts(name##_some, &call, x, y, before, bytes, bytes);                     \
    }
CENTERS(CENTER)

#define SCALE(name, type, size, GIVEN, HELD, PASSED)                                         \
    static int name##_some(const void *call, const void *x, void *y, ptrdiff_t before)       \
    {                                                                                        \
        const scale_call *k = call;                                                          \
        return name(PASSED x, y, k->a, k->b, k->c, before, k->length, k->after);             \
    }                                                                                        \
    int name##_parts(GIVEN const type *x, type *y, const void *a, const void *b,             \
                     const void *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)     \
    {                                                                                        \
        const scale_call call = {HELD .a = a, .b = b, .c = c, .length = length,              \
                                 .after = after};                                            \
        const ptrdiff_t bytes = length * after * (ptrdiff_t)size;                            \
        return in_parts(name##_some, &call, x, y, before, bytes, bytes);                     \
    }
SCALES(SCALE)
