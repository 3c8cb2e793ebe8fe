#include "windows.h"

#include "checked.h"
#include "transposed.h"
#include "window_places.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 1024 /* items of a row that are worked on together */
#define STRIP 128  /* items of columns that are */
#define LEVELS 64  /* lengths of runs: powers of two */
#define AHEAD 4    /* rows from that which is read to that which is asked for */
#define LINE 64    /* bytes that memory gives together */
#define SHORT 8    /* items of a cell that a vector holds */

/* The first place of which the window begins inside, and the place after the last whose ends there. */
static INLINE ptrdiff_t whole_from(const window *w)
{
    return w->low ? (w->low - 1) / w->stride + 1 : 0;
}

static INLINE ptrdiff_t whole_until(const sheet *s)
{
    const window *w = &s->cell;
    const ptrdiff_t rest = s->cells - extent_of(w) + w->low;
    return rest < 0 ? 0 : LEAST(rest / w->stride + 1, w->count);
}

/* Whether averages are made in one pass over rows that were joined. */
static INLINE int few_cells(const sheet *s)
{
    const window *w = &s->cell;
    return w->size > 1 && w->size <= JOINED && (w->stride == 1 || s->items >= SHORT);
}

/* Whether they are over rows that were not: where windows share most cells, that takes longer. */
static INLINE int few_apart(const sheet *s)
{
    const window *w = &s->cell;
    return (w->size == 2 || w->size == 3) && w->stride > 1 && s->items >= SHORT;
}

/* Whether one of each two neighbours is kept, of one item each. */
static INLINE int are_pairs(const sheet *s)
{
    const window *w = &s->cell;
    return s->items == 1 && w->size == 2 && w->stride == 2 && w->dilation == 1;
}

/* What is done to the cells of a sheet. */
typedef struct {
    int average;
    const sheet *s;
} joining;

/* How an output row is made: so many places at once, in pieces of so many items. */
typedef struct {
    ptrdiff_t step, piece;
} pieces;

/* Cut rows into pieces; return 1 where a size of them leaves the range. */
static int cut_rows(const sheet *s, pieces *p)
{
    const window *w = &s->cell;
    ptrdiff_t apart, thrice, columns, extent = extent_of(w);
    if (TIMES(w->stride, s->items, &apart) || TIMES(3, extent, &thrice)) return 1;
    p->step = LEAST(MOST(PIECE / apart, thrice / w->stride + 1), w->count);
    if (TIMES(p->step - 1, w->stride, &p->piece) || PLUS(p->piece, extent, &p->piece)) return 1;
    if (TIMES(p->piece, s->items, &p->piece)) return 1;
    if (s->row.size <= JOINED) return 0;
    if (TIMES(s->row.size, STRIP, &columns)) return 1;
    p->piece = MOST(p->piece, columns); /* five of them hold all runs */
    return 0;
}

int window_fits(const window *w, ptrdiff_t length)
{
    ptrdiff_t last, end, extent, padded;
    if (w->size < 1 || w->stride < 1 || w->count < 1 || w->low < 0 || w->dilation < 1) return 0;
    if (w->before < 0 || w->after < 0 || PLUS(length, w->after, &padded)) return 0;
    if (TIMES(w->size - 1, w->dilation, &extent) || PLUS(extent, 1, &extent)) return 0;
    if (PLUS(w->low, w->before, &end) || PLUS(end, w->dilation, &end)) return 0; /* first_from */
    if (w->low >= extent || TIMES(w->count - 1, w->stride, &last)) return 0;
    if (last - w->low >= length || PLUS(last, extent, &end)) return 0;
    for (ptrdiff_t p = 0; w->dilation > length && p < w->count && p * w->stride < w->low; p++)
        if (!cells_between(w, p, 0, length)) return 0; /* it jumps over all cells */
    return 1;
}

int windows_fit(const sheet *s)
{
    const ptrdiff_t plane = s->plane.size, row = s->row.size;
    if (!window_fits(&s->plane, s->planes) || !window_fits(&s->row, s->rows)) return 0;
    if (!window_fits(&s->cell, s->cells)) return 0;
    return plane == 1 || (plane <= JOINED && row <= JOINED && plane * row <= JOINED);
}

/* The columns of a plane: its rows, items from one to the next, and from one place to the next. */
typedef struct {
    window row;
    ptrdiff_t rows, width, apart;
} columns;

/* The greatest common divisor. */
static ptrdiff_t common(ptrdiff_t a, ptrdiff_t b)
{
    while (b) {
        ptrdiff_t rest = a % b;
        a = b, b = rest;
    }
    return a;
}

#define WORST -(A)INFINITY
#define AVERAGES(average) (average)

#define T float
#define BITS uint32_t
#define A float
#define C float
#define NAME(name) name##_f_of
#define COLUMNS join_columns_f_of
#define FROM_COLUMNS copied_f_of
#define OWN_COLUMNS 1
#define KEPT larger_f
#define SAME 1
#define AVERAGE 1
#include "windows_of.h"

#define T double
#define BITS uint64_t
#define A double
#define C double
#define NAME(name) name##_d_of
#define COLUMNS join_columns_d_of
#define FROM_COLUMNS copied_d_of
#define OWN_COLUMNS 1
#define KEPT larger_d
#define SAME 1
#define AVERAGE 1
#include "windows_of.h"

#define T float
#define BITS uint32_t
#define A double
#define C double
#define NAME(name) name##_fd_of
#define COLUMNS join_columns_fd_of
#define FROM_COLUMNS copied_d_of
#define OWN_COLUMNS 1
#define KEPT larger_d
#define SAME 0
#define AVERAGE 1
#include "windows_of.h"

#define T float
#define BITS uint32_t
#define A double
#define C float
#define NAME(name) name##_ffd_of
#define COLUMNS join_columns_f_of
#define FROM_COLUMNS copied_fd_of
#define OWN_COLUMNS 0
#define KEPT larger_d
#define SAME 0
#define AVERAGE 1
#include "windows_of.h"

#undef WORST
#undef AVERAGES
#define WORST (A)INFINITY
#define AVERAGES(average) ((void)(average), 0)

#define T float
#define BITS uint32_t
#define A float
#define C float
#define NAME(name) name##_least_f_of
#define COLUMNS join_columns_least_f_of
#define FROM_COLUMNS copied_least_f_of
#define OWN_COLUMNS 1
#define KEPT smaller_f
#define SAME 1
#define AVERAGE 0
#include "windows_of.h"

#define T double
#define BITS uint64_t
#define A double
#define C double
#define NAME(name) name##_least_d_of
#define COLUMNS join_columns_least_d_of
#define FROM_COLUMNS copied_least_d_of
#define OWN_COLUMNS 1
#define KEPT smaller_d
#define SAME 1
#define AVERAGE 0
#include "windows_of.h"

#undef WORST
#define LOOPS "windows_whole_of.h"
#include "each_whole.h"

int max_windows_f(const float *x, float *out, const sheet *s)
{
    return windows_f_of(0, x, out, s);
}

int max_windows_d(const double *x, double *out, const sheet *s)
{
    return windows_d_of(0, x, out, s);
}

int min_windows_f(const float *x, float *out, const sheet *s)
{
    return windows_least_f_of(0, x, out, s);
}

int min_windows_d(const double *x, double *out, const sheet *s)
{
    return windows_least_d_of(0, x, out, s);
}

int mean_windows_f(const float *x, float *out, const sheet *s)
{
    return windows_f_of(1, x, out, s);
}

int mean_windows_fd(const float *x, float *out, const sheet *s)
{
    return windows_fd_of(1, x, out, s);
}

int mean_windows_ffd(const float *x, float *out, const sheet *s)
{
    return windows_ffd_of(1, x, out, s);
}

int mean_windows_d(const double *x, double *out, const sheet *s)
{
    return windows_d_of(1, x, out, s);
}

#define MAX_OF(letter) return windows_##letter(0, x, out, s)
int max_windows_whole(char kind, const void *x, void *out, const sheet *s)
{
    switch (kind) {
        WHOLE_CASES(MAX_OF)
    default: return 0;
    }
}
