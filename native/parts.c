/* A part of a call is the same call on some of its images, rows or samples, which are next to each
 * other in memory. */
#define POOLNORM_WHOLE_CALLS
#include "parts.h"

#include "spread.h"

#define SHEET(name, type)                                                               \
    typedef struct {                                                                    \
        const type *x;                                                                  \
        type *out;                                                                      \
        const sheet *s;                                                                 \
        ptrdiff_t read, made;                                                           \
    } name##_call;                                                                      \
    static int name##_part(const void *given, ptrdiff_t first, ptrdiff_t images)        \
    {                                                                                   \
        const name##_call *c = given;                                                   \
        sheet s = *c->s;                                                                \
        s.images = images;                                                              \
        return name(c->x + first * c->read, c->out + first * c->made, &s);              \
    }                                                                                   \
    int name##_parts(const type *x, type *out, const sheet *s)                          \
    {                                                                                   \
        const ptrdiff_t read = s->planes * s->rows * s->cells * s->items;               \
        const ptrdiff_t made = s->plane.count * s->row.count * s->cell.count * s->items; \
        const name##_call call = {x, out, s, read, made};                               \
        return spread(name##_part, &call, s->images, read * (ptrdiff_t)sizeof(type));   \
    }
SHEETS(SHEET, float, double)

#define COVER(name, type)                                                               \
    typedef struct {                                                                    \
        const type *x;                                                                  \
        type *out;                                                                      \
        const covers *s;                                                                \
        ptrdiff_t read, made;                                                           \
    } name##_call;                                                                      \
    static int name##_part(const void *given, ptrdiff_t first, ptrdiff_t images)        \
    {                                                                                   \
        const name##_call *c = given;                                                   \
        covers s = *c->s;                                                               \
        s.images = images;                                                              \
        return name(c->x + first * c->read, c->out + first * c->made, &s);              \
    }                                                                                   \
    int name##_parts(const type *x, type *out, const covers *s)                         \
    {                                                                                   \
        const ptrdiff_t read = s->plane.length * s->row.length * s->cell.length * s->items; \
        const ptrdiff_t made = s->plane.count * s->row.count * s->cell.count * s->items; \
        const name##_call call = {x, out, s, read, made};                               \
        return spread(name##_part, &call, s->images, read * (ptrdiff_t)sizeof(type));   \
    }
COVERS(COVER, float, double)

#define FOLD(name, type, sum)                                                           \
    typedef struct {                                                                    \
        const type *x;                                                                  \
        sum *out;                                                                       \
        ptrdiff_t length, after;                                                        \
    } name##_call;                                                                      \
    static int name##_part(const void *given, ptrdiff_t first, ptrdiff_t before)        \
    {                                                                                   \
        const name##_call *c = given;                                                   \
        const ptrdiff_t read = c->length * c->after;                                    \
        return name(c->x + first * read, c->out + first * c->after, before, c->length,  \
                    c->after);                                                          \
    }                                                                                   \
    int name##_parts(const type *x, sum *out, ptrdiff_t before, ptrdiff_t length,       \
                     ptrdiff_t after)                                                   \
    {                                                                                   \
        const name##_call call = {x, out, length, after};                               \
        return spread(name##_part, &call, before, length * after * (ptrdiff_t)sizeof(type)); \
    }
FOLD(fold_max_f, float, float)
FOLD(fold_max_d, double, double)
FOLD(fold_sum_f, float, double)
FOLD(fold_sum_d, double, double)

/* Weights of rows come round after some groups: a part begins with the first of these. */
#define ROWS(name, type)                                                                \
    typedef struct {                                                                    \
        const type *x;                                                                  \
        type *y;                                                                        \
        const double *gamma, *beta;                                                     \
        const size_of *s;                                                               \
        const weighing *w;                                                              \
        ptrdiff_t rows;                                                                 \
    } name##_call;                                                                      \
    static int name##_part(const void *given, ptrdiff_t first, ptrdiff_t rounds)        \
    {                                                                                   \
        const name##_call *c = given;                                                   \
        const ptrdiff_t skipped = first * c->w->groups, width = c->w->channels * c->w->run; \
        ptrdiff_t rows = rounds * c->w->groups;                                         \
        if (rows > c->rows - skipped) rows = c->rows - skipped;                         \
        return name(c->x + skipped * width, c->y + skipped * width, c->gamma, c->beta, c->s, \
                    c->w, rows);                                                        \
    }                                                                                   \
    int name##_parts(const type *x, type *y, const double *gamma, const double *beta,   \
                     const size_of *s, const weighing *w, ptrdiff_t rows)               \
    {                                                                                   \
        const name##_call call = {x, y, gamma, beta, s, w, rows};                       \
        if (w->groups < 1 || w->groups > rows) return name(x, y, gamma, beta, s, w, rows); \
        const ptrdiff_t bytes = w->groups * w->channels * w->run * (ptrdiff_t)sizeof(type); \
        return spread(name##_part, &call, (rows - 1) / w->groups + 1, bytes);           \
    }
ROWS(all_rows_f, float)
ROWS(all_rows_d, double)

#define COLUMNS(name, type)                                                             \
    typedef struct {                                                                    \
        const type *x;                                                                  \
        type *y;                                                                        \
        const double *gamma, *beta;                                                     \
        const size_of *s;                                                               \
        const columns *c;                                                               \
    } name##_call;                                                                      \
    static int name##_part(const void *given, ptrdiff_t first, ptrdiff_t before)        \
    {                                                                                   \
        const name##_call *k = given;                                                   \
        columns c = *k->c;                                                              \
        const ptrdiff_t skipped = first * c.length * c.width;                           \
        c.before = before;                                                              \
        return name(k->x + skipped, k->y + skipped, k->gamma, k->beta, k->s, &c);       \
    }                                                                                   \
    int name##_parts(const type *x, type *y, const double *gamma, const double *beta,   \
                     const size_of *s, const columns *c)                                \
    {                                                                                   \
        const name##_call call = {x, y, gamma, beta, s, c};                             \
        const ptrdiff_t bytes = c->length * c->width * (ptrdiff_t)sizeof(type);         \
        return spread(name##_part, &call, c->before, bytes);                            \
    }
COLUMNS(all_columns_f, float)
COLUMNS(all_columns_d, double)

#define CENTER(name, type)                                                              \
    typedef struct {                                                                    \
        const type *x;                                                                  \
        type *y;                                                                        \
        const moving *m;                                                                \
        ptrdiff_t length, after;                                                        \
    } name##_call;                                                                      \
    static int name##_part(const void *given, ptrdiff_t first, ptrdiff_t before)        \
    {                                                                                   \
        const name##_call *c = given;                                                   \
        const ptrdiff_t skipped = first * c->length * c->after;                         \
        return name(c->x + skipped, c->y + skipped, c->m, before, c->length, c->after); \
    }                                                                                   \
    int name##_parts(const type *x, type *y, const moving *m, ptrdiff_t before,         \
                     ptrdiff_t length, ptrdiff_t after)                                 \
    {                                                                                   \
        const name##_call call = {x, y, m, length, after};                              \
        return spread(name##_part, &call, before, length * after * (ptrdiff_t)sizeof(type)); \
    }
CENTER(center_f, float)
CENTER(center_d, double)

#define SCALE(name, type)                                                               \
    typedef struct {                                                                    \
        const type *x;                                                                  \
        type *y;                                                                        \
        const type *a, *b, *c;                                                          \
        ptrdiff_t length, after;                                                        \
    } name##_call;                                                                      \
    static int name##_part(const void *given, ptrdiff_t first, ptrdiff_t before)        \
    {                                                                                   \
        const name##_call *k = given;                                                   \
        const ptrdiff_t skipped = first * k->length * k->after;                         \
        return name(k->x + skipped, k->y + skipped, k->a, k->b, k->c, before, k->length, \
                    k->after);                                                          \
    }                                                                                   \
    int name##_parts(const type *x, type *y, const type *a, const type *b, const type *c, \
                     ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)               \
    {                                                                                   \
        const name##_call call = {x, y, a, b, c, length, after};                        \
        return spread(name##_part, &call, before, length * after * (ptrdiff_t)sizeof(type)); \
    }
SCALE(scale_f, float)
SCALE(scale_d, double)
