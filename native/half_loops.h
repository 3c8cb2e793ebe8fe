/* Inner loops of normalizations over items of two bytes, by vectors of the processor that is there:
 * items become numbers in registers, and what is made of them is rounded there.
 *
 * Each has the bytes of what it stands for, the same loop for float between two conversions. */
#ifndef POOLNORM_HALF_LOOPS_H
#define POOLNORM_HALF_LOOPS_H

#include "conversions.h"

#define TOGETHER_ROWS 4 /* rows of which the moments are taken together */
#define KEPT_ITEMS 1024 /* items of each of them that are widened at once: a multiple of 256 */
#define LANES_BEYOND 16 /* numbers that may be read or written after the last */
#define SIDE_BY_SIDE 48 /* items that are added side by side, where they lie together */
#define LINE 64         /* bytes of a vector, and of the piece of memory that the cache holds */

/* The first place of memory from which on vectors lie in one piece of cache each. */
static INLINE void *from_line(void *memory)
{
    return (char *)memory + (LINE - (uintptr_t)memory % LINE) % LINE;
}

/* What a row is written by: ((x - high) - low) * inverse, then * gamma + beta. */
typedef struct {
    float high, low, inverse;
} row_values;

typedef struct {
    /* As numbers, and zeros up to a whole vector. */
    void (*widen)(const uint16_t *x, float *to, ptrdiff_t n);
    /* (x - a) * b + c, of runs of `after` items with values that come round after `length` runs. */
    void (*scale_runs)(const uint16_t *x, uint16_t *y, const float *a, const float *b,
                       const float *c, ptrdiff_t runs, ptrdiff_t length, ptrdiff_t after);
    /* The same of rows of `n` items that are `step` apart, with values for each item. */
    void (*scale_rows)(const uint16_t *x, uint16_t *y, const float *a, const float *b,
                       const float *c, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t step);
    /* ((x - a) * b + c) * gamma[i] + beta[i] of row i; gamma and beta may be null, for 1 and 0. */
    void (*scale_along)(const uint16_t *x, uint16_t *y, const float *a, const float *b,
                        const float *c, const float *gamma, const float *beta, ptrdiff_t rows,
                        ptrdiff_t n, ptrdiff_t step);
    /* Means, 0 unless `centered`, and sums of squared distances from them, of TOGETHER_ROWS rows
     * that follow one another, or of one. Rows of up to KEPT_ITEMS are left in `wide`, which has
     * room for KEPT_ITEMS + LANES_BEYOND numbers of each row. */
    void (*moments_of_rows)(const uint16_t *x, const uint16_t *y, ptrdiff_t items, int rows,
                            int centered, float *wide, row_values *values, double *squares);
    /* Write a row with weights for each item; `wide` has its numbers, or is null. */
    void (*write_row)(const uint16_t *x, uint16_t *y, const float *wide, const float *gamma,
                      const float *beta, const row_values *values, ptrdiff_t n);
    /* The same with one of each. */
    void (*write_run)(const uint16_t *x, uint16_t *y, const float *wide, float gamma, float beta,
                      const row_values *values, ptrdiff_t n);
    /* Distances of items that lie together from the first of them, which goes into `near`, and their
     * squares: sums of item i are at i % SIDE_BY_SIDE. `wide` is as for add_halves_away below. */
    void (*add_line)(const uint16_t *x, ptrdiff_t size, float *wide, double *near, double *sums,
                     double *powers);
    /* Add distances from `near`, and their squares, of rows of `n` numbers that are `step` apart, two
     * rows at once, and of `rest` numbers of one more row. LANES_BEYOND more of everything are read,
     * and more sums written. As many items are asked for `ahead`, which are needed next. */
    void (*add_away)(const float *cells, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t step,
                     ptrdiff_t rest, const double *near, double *sums, double *powers,
                     const uint16_t *ahead);
} half_loops;

/* Those for a type of two bytes; null where the processor has no such vectors, or is not to use
 * them. */
const half_loops *half_loops_of(const halves *h);

/* scale_halves of scaling.h by such loops. */
int scale_by_vectors(const half_loops *l, const uint16_t *x, uint16_t *y, const float *a,
                     const float *b, const float *c, ptrdiff_t before, ptrdiff_t length,
                     ptrdiff_t after);

/* Add distances from `near`, and their squares, of rows of `n` items of two bytes that are `step` apart,
 * as add_away does, and of `rest` of one more. Sums, and `near`, have room for LANES_BEYOND more. `wide`
 * has room for WIDENED + 2 * LANES_BEYOND numbers. */
void add_halves_away(const half_loops *l, const uint16_t *x, ptrdiff_t rows, ptrdiff_t n,
                     ptrdiff_t step, ptrdiff_t rest, const double *near, double *sums,
                     double *powers, float *wide);

/* Which images follow one another: the first ones of so many are `apart` items apart. */
typedef struct {
    ptrdiff_t together, apart;
} places_of_images;

/* fold_moments_halves of folds.h by such loops; `side` rows are put side by side. */
int moments_by_vectors(const half_loops *l, const uint16_t *x, double *mean, double *squares,
                       ptrdiff_t before, ptrdiff_t length, ptrdiff_t after, ptrdiff_t side,
                       const places_of_images *at);

#endif
