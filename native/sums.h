/* Sums of float in double, by vectors of 256 bits: such a processor makes double of four floats as it
 * loads them, where compilers load eight and take them apart. The order is that of the loops beside
 * which they are, so the sums are the same. */
#ifndef POOLNORM_SUMS_H
#define POOLNORM_SUMS_H

#include "common.h"
#include "vectors.h"

/* They are called only where there are vectors, and these are to be used. */
#define SUMS_BY_VECTORS (vector_bits != 0)

/* Add rows of 16 or 24 items up, four at a time, into `to`, or put them there; `count` is a multiple of
 * four. The sums stay in registers. */
void sum_few(const float *x, ptrdiff_t n, ptrdiff_t count, int begin, double *to);

#define GROUPS 64 /* of four rows each that are joined one after another */
#define PAIR 2    /* images */

/* Put the sums of such rows of one image, or of two that are `size` items apart, into `to`, one after
 * the other: GROUPS of four rows, and these in turn. */
void sum_pair(const float *x, int images, ptrdiff_t size, ptrdiff_t n, ptrdiff_t count, double *to);

/* Add rows that are `step` items apart, four at a time as long as there are as many; ask for what comes
 * later where `asks` says so. */
void sum_apart(const float *x, ptrdiff_t step, ptrdiff_t count, int begin, int asks, double *to,
               ptrdiff_t n);

#define ABREAST 4 /* images */

/* Add four rows of `n` items, a multiple of four, of each of some images that are `image` items apart:
 * memory gives more to a reader of several places than to one that goes straight ahead. Their sums are
 * `apart` from each other. */
void sum_abreast(const float *x, ptrdiff_t image, ptrdiff_t n, int begin, double *to, ptrdiff_t apart);

#endif
