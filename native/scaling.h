/* (x - a) * b + c, where a, b and c lie along the middle axis of (before, length, after). */
#ifndef POOLNORM_SCALING_H
#define POOLNORM_SCALING_H

#include "common.h"

/* `y` may be `x`. Each of `a` and `c` may be null: then nothing is taken off, or added. Return -1 without memory. */
int scale_f(const float *x, float *y, const float *a, const float *b, const float *c,
            ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int scale_d(const double *x, double *y, const double *a, const double *b, const double *c,
            ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);

#endif
