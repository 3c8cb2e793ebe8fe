/* Where windows are, and how many cells are under them. */
#ifndef POOLNORM_WINDOW_PLACES_H
#define POOLNORM_WINDOW_PLACES_H

#include "windows.h"

/* Cells from the first under a window to the last, both included. */
static INLINE ptrdiff_t extent_of(const window *w)
{
    return (w->size - 1) * w->dilation + 1;
}

/* The first cell at `start` or a multiple of `dilation` after it that is not before `least`. */
static INLINE ptrdiff_t first_from(ptrdiff_t start, ptrdiff_t dilation, ptrdiff_t least)
{
    return start >= least ? start : start + (least - start + dilation - 1) / dilation * dilation;
}

/* The cells under one place of a window from `least` to before `end`. */
static INLINE ptrdiff_t cells_between(const window *w, ptrdiff_t place, ptrdiff_t least,
                                      ptrdiff_t end)
{
    ptrdiff_t start = place * w->stride - w->low, stop = LEAST(start + extent_of(w), end);
    ptrdiff_t first = first_from(start, w->dilation, least);
    return first < stop ? (stop - 1 - first) / w->dilation + 1 : 0;
}

/* What an average divides by at one place, along one axis. */
static INLINE double divisor_of(const window *w, ptrdiff_t place, ptrdiff_t length)
{
    if (w->divisor) return (double)w->divisor;
    return (double)cells_between(w, place, -w->before, length + w->after);
}

#endif
