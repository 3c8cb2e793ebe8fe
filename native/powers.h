/* Powers of magnitudes, and roots of their sums, for p-norms: arithmetic is in float64. */
#ifndef POOLNORM_POWERS_H
#define POOLNORM_POWERS_H

#include "common.h"

/* Put |x|^p of `n` items into `out`; where p is infinite |x|, of the type of `x`. Return whether a power
 * is so small that it has lost digits, or nothing is left of it. */
int powers_f(const float *x, void *out, ptrdiff_t n, double p);
int powers_d(const double *x, void *out, ptrdiff_t n, double p);

/* Take the roots of `n` sums, and say whether one is not finite. */
int roots_f(const double *sums, float *out, ptrdiff_t n, double p);
int roots_d(const double *sums, double *out, ptrdiff_t n, double p);

#endif
