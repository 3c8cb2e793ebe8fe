#include "windows.h"

#include "checked.h"

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

/* The real cells of an axis under one place of a window. */
static INLINE ptrdiff_t cells_of(const window *w, ptrdiff_t place, ptrdiff_t length)
{
    ptrdiff_t start = place * w->stride - w->low;
    return LEAST(start + w->size, length) - MOST(start, 0);
}

/* How an output row is made: so many places at once, in pieces of so many items. */
typedef struct {
    ptrdiff_t step, piece;
} pieces;

/* Cut rows into pieces; return 1 where a size of them leaves the range. */
static int cut_rows(const sheet *s, pieces *p)
{
    const window *w = &s->cell;
    ptrdiff_t apart, thrice, columns;
    if (TIMES(w->stride, s->items, &apart) || TIMES(3, w->size, &thrice)) return 1;
    p->step = LEAST(MOST(PIECE / apart, thrice / w->stride + 1), w->count);
    if (TIMES(p->step - 1, w->stride, &p->piece) || PLUS(p->piece, w->size, &p->piece)) return 1;
    if (TIMES(p->piece, s->items, &p->piece)) return 1;
    if (s->row.size <= JOINED) return 0;
    if (TIMES(s->row.size, STRIP, &columns)) return 1;
    p->piece = MOST(p->piece, columns); /* five of them hold all runs */
    return 0;
}

static int axis_fits(const window *w, ptrdiff_t length)
{
    ptrdiff_t last, end;
    if (w->size < 1 || w->stride < 1 || w->count < 1 || w->low < 0 || w->low >= w->size) return 0;
    if (TIMES(w->count - 1, w->stride, &last) || last - w->low >= length) return 0;
    return !PLUS(last, w->size, &end);
}

int windows_fit(const sheet *s)
{
    const ptrdiff_t plane = s->plane.size, row = s->row.size;
    if (!axis_fits(&s->plane, s->planes) || !axis_fits(&s->row, s->rows)) return 0;
    if (!axis_fits(&s->cell, s->cells)) return 0;
    return plane == 1 || (plane <= JOINED && row <= JOINED && plane * row <= JOINED);
}

#define T float
#define BITS uint32_t
#define A float
#define C float
#define NAME(name) name##_f_of
#define COLUMNS join_columns_f_of
#define FROM_COLUMNS copied_f_of
#define OWN_COLUMNS 1
#define LARGER larger_f
#define SAME 1
#include "windows_of.h"

#define T double
#define BITS uint64_t
#define A double
#define C double
#define NAME(name) name##_d_of
#define COLUMNS join_columns_d_of
#define FROM_COLUMNS copied_d_of
#define OWN_COLUMNS 1
#define LARGER larger_d
#define SAME 1
#include "windows_of.h"

#define T float
#define BITS uint32_t
#define A double
#define C double
#define NAME(name) name##_fd_of
#define COLUMNS join_columns_fd_of
#define FROM_COLUMNS copied_d_of
#define OWN_COLUMNS 1
#define LARGER larger_d
#define SAME 0
#include "windows_of.h"

#define T float
#define BITS uint32_t
#define A double
#define C float
#define NAME(name) name##_ffd_of
#define COLUMNS join_columns_f_of
#define FROM_COLUMNS copied_fd_of
#define OWN_COLUMNS 0
#define LARGER larger_d
#define SAME 0
#include "windows_of.h"

int max_windows_f(const float *x, float *out, const sheet *s)
{
    return windows_f_of(0, x, out, s);
}

int max_windows_d(const double *x, double *out, const sheet *s)
{
    return windows_d_of(0, x, out, s);
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
