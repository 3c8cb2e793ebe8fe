/* Sliding windows over images in memory order (image, plane, row, cell, item).
 *
 * An output row is made in pieces that stay in the first-level cache: the input rows under its
 * windows are joined into one, and along that one runs of 1, 2, 4, ... cells are put together to the
 * window. The order in which cells are joined follows from the window alone, so a result has the
 * same bits wherever a tensor is cut. */
#ifndef POOLNORM_WINDOWS_H
#define POOLNORM_WINDOWS_H

#include "common.h"

typedef struct {
    ptrdiff_t size, stride, count, low; /* low: places before the first cell where it begins */
    ptrdiff_t dilation;                 /* from one of its cells to the next */
    ptrdiff_t before, after;            /* cells of padding that an average counts */
    ptrdiff_t divisor;                  /* what an average divides by; 0: the cells */
} window;

typedef struct {
    ptrdiff_t images, planes, rows, cells, items;
    window plane, row, cell;
} sheet;

/* Rows that are joined one after another; more are put together from runs. */
#define JOINED 8

/* Whether each place of the windows has a real cell, and loops are there for them: they join no more
 * than JOINED rows one after another. The other functions take such sheets, not empty, alone. */
int windows_fit(const sheet *s);

/* Whether each place of a window on an axis of `length` cells has one. */
int window_fits(const window *w, ptrdiff_t length);

/* All return 1 where an average is not finite, 0 otherwise, and -1 without memory. */
int max_windows_f(const float *x, float *out, const sheet *s);
int max_windows_d(const double *x, double *out, const sheet *s);
int max_windows_whole(char kind, const void *x, void *out, const sheet *s); /* of integers */
int min_windows_f(const float *x, float *out, const sheet *s);
int min_windows_d(const double *x, double *out, const sheet *s);
int mean_windows_f(const float *x, float *out, const sheet *s);
int mean_windows_fd(const float *x, float *out, const sheet *s);  /* sums in float64 */
int mean_windows_ffd(const float *x, float *out, const sheet *s); /* those along a row only */
int mean_windows_d(const double *x, double *out, const sheet *s);

#endif
