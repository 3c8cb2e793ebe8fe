#include "windows.h"

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

/* The real cells of an axis below one place of a window. */
static INLINE ptrdiff_t cells_of(const window *w, ptrdiff_t place, ptrdiff_t length)
{
    ptrdiff_t start = place * w->stride - w->low;
    return LEAST(start + w->size, length) - MOST(start, 0);
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
