/* Moments of parts of a tensor put together, in the order and by the steps of kernels/moments.py. */
#ifndef POOLNORM_GRAINS_H
#define POOLNORM_GRAINS_H

#include <stddef.h>

/* Moments of `units` parts of `cells` cells each, the last of which may have another number of them;
 * `rows` of them make a grain, and the last may have less. There are `after` of each. */
typedef struct {
    ptrdiff_t units, rows, after, cells, last;
} grains;

/* Merge means and sums of squares of all units into those of all cells. Return 1 where float64 does
 * not hold one of them, or a count of cells by another; -1 without memory. */
int merge_grains(const double *mean, const double *squares, double *to_mean, double *to_squares,
                 const grains *g);

#endif
