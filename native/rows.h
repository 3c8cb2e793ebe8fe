/* Rows of float32 brought to mean 0 and size 1.
 *
 * Distances from the mean are taken in float32, which holds them to half an epsilon of themselves
 * however large the mean is: that is known to twice float32's digits. Rows whose squares leave its
 * range are worked on in float64, so each row's result follows from that row alone. */
#ifndef POOLNORM_ROWS_H
#define POOLNORM_ROWS_H

#include "common.h"

/* How a row is brought to size 1: it is divided by sqrt(max(squares * weight + epsilon, least)). */
typedef struct {
    int centered; /* the mean is taken off before */
    double weight, epsilon, least;
} size_of;

/* `gamma` and `beta` have a factor and an addend for each item, or are null. */
void normalize(const float *x, float *y, const float *gamma, const float *beta, const size_of *s,
               ptrdiff_t rows, ptrdiff_t items);

#endif
