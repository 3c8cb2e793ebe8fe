/* Items divided by a power of the squares of those around them along the middle axis of (before, length,
 * after): y = x / (bias + alpha * squares)^beta, computed in float64 and rounded once. */
#ifndef POOLNORM_RESPONSES_H
#define POOLNORM_RESPONSES_H

#include "checked.h"

typedef struct {
    ptrdiff_t length, after;
    ptrdiff_t low, high; /* how many before and behind an item are with it: fewer than there are */
    double alpha, beta, bias;
} responding;

/* So many images. Return -1 without memory, 1 where a divisor is not finite, else 0. */
int respond_f(const float *x, float *y, const responding *r, ptrdiff_t images);
int respond_d(const double *x, double *y, const responding *r, ptrdiff_t images);

#endif
