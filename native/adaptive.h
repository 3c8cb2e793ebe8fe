/* Windows of differing sizes that cover axes evenly, over images in memory order (image, plane, row,
 * cell, item).
 *
 * The cells of a window are joined in an order that follows from its size alone, sums in float64. */
#ifndef POOLNORM_ADAPTIVE_H
#define POOLNORM_ADAPTIVE_H

#include "common.h"

typedef struct {
    ptrdiff_t first, end;
} span;

/* The windows on one axis of `length` cells. */
typedef struct {
    ptrdiff_t length, count;
    const span *spans;
} cover;

typedef struct {
    ptrdiff_t images, items;
    cover plane, row, cell;
} covers;

/* Whether each window has a cell and lies on its axis, and they come in order. The other functions
 * take such windows, of images that are not empty, alone. */
int covers_fit(const covers *s);

/* All return 1 where an average is not finite, 0 otherwise, and -1 without memory. A NaN is the same
 * NaN everywhere. */
int adaptive_max_f(const float *x, float *out, const covers *s);
int adaptive_max_d(const double *x, double *out, const covers *s);
int adaptive_mean_f(const float *x, float *out, const covers *s);
int adaptive_mean_d(const double *x, double *out, const covers *s);

#endif
