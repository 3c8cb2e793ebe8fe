/* Items divided by a norm of those that lie with them along the middle axis of (before, length, after),
 * of any order: y = x / max(norm, least), computed in float64 and rounded once. */
#ifndef POOLNORM_SHARES_H
#define POOLNORM_SHARES_H

#include "checked.h"

typedef struct {
    ptrdiff_t length, after;
    double order; /* of the norm: infinite ones are the largest and the smallest magnitude, 0 counts */
    double least;
} norming;

/* So many images; -1 without memory. */
int divide_by_norms_f(const float *x, float *y, const norming *n, ptrdiff_t images);
int divide_by_norms_d(const double *x, double *y, const norming *n, ptrdiff_t images);

#endif
