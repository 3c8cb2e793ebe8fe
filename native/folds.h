/* Reductions of the middle axis of float32 (before, length, after).
 *
 * Sums are taken in float64, which holds those of float32 cells to 2^-53 of their magnitudes each.
 * Squares are taken of distances from the first cell: since that cell is one of those that vary,
 * taking the mean off afterwards loses no more than length * 2^-53 of them. */
#ifndef POOLNORM_FOLDS_H
#define POOLNORM_FOLDS_H

#include "common.h"

/* Return -1 without memory, else 0. */
int fold_sum(const float *x, double *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_squares(const float *x, double *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_max(const float *x, float *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_moments(const float *x, double *mean, double *squares, ptrdiff_t before, ptrdiff_t length,
                 ptrdiff_t after);

/* Divide `n` sums, and say whether a quotient is not finite. */
int divide_f(const double *sums, float *out, double by, ptrdiff_t n);
int divide_d(const double *sums, double *out, double by, ptrdiff_t n);

#endif
