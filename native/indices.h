/* Where the maximum under each window is, of images in memory order (image, plane, row, cell, item).
 *
 * Of equal maxima the first is meant, in the order of the cells, and of NaNs the last. So each row is
 * reduced along its cells first, to a value and a place for each window; rows under a window are then
 * compared in their order, and planes in theirs. What was made of a row or a plane is kept for as
 * long as windows look at it. */
#ifndef POOLNORM_INDICES_H
#define POOLNORM_INDICES_H

#include "adaptive.h"
#include "windows.h"

/* The windows on one axis: a sliding one, or `spans` of differing sizes. */
typedef struct {
    ptrdiff_t length;
    window w;
    const span *spans; /* of each of `w.count` places; NULL for the sliding window */
} axis;

typedef struct {
    ptrdiff_t images, items;
    axis plane, row, cell;
    ptrdiff_t first; /* the index that the first cell of an image has */
} searched;

/* Whether each window has a cell on each axis, and images are small enough for the loops. The others
 * take such windows, of images that are not empty, alone. */
int searched_fit(const searched *s);

/* All return 0, and -1 without memory. */
int max_indices_f(const float *x, int64_t *out, const searched *s);
int max_indices_d(const double *x, int64_t *out, const searched *s);
int max_indices_q(const int64_t *x, int64_t *out, const searched *s);

#endif
