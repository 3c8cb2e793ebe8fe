/* Reductions of the middle axis of (before, length, after), of float32 (_f) or float64 (_d).
 *
 * Sums are taken in float64, which holds those of float32 cells to 2^-53 of their magnitudes each.
 * Squares of float32 are taken of distances from the first cell: since that cell is one of those
 * that vary, taking the mean off afterwards loses no more than length * 2^-53 of them. Those of
 * float64 are taken of distances from the mean. */
#ifndef POOLNORM_FOLDS_H
#define POOLNORM_FOLDS_H

#include "conversions.h"

#include <stdint.h>

/* Return -1 without memory, else 0. */
int fold_sum_f(const float *x, double *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_sum_d(const double *x, double *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_squares_f(const float *x, double *out, ptrdiff_t before, ptrdiff_t length,
                   ptrdiff_t after);
int fold_squares_d(const double *x, double *out, ptrdiff_t before, ptrdiff_t length,
                   ptrdiff_t after);
int fold_max_f(const float *x, float *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_max_d(const double *x, double *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_min_f(const float *x, float *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_min_d(const double *x, double *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);

/* The last image may be shorter: its length is `last`. */
int fold_moments_f(const float *x, double *mean, double *squares, ptrdiff_t before,
                   ptrdiff_t length, ptrdiff_t last, ptrdiff_t after);
int fold_moments_d(const double *x, double *mean, double *squares, ptrdiff_t before,
                   ptrdiff_t length, ptrdiff_t last, ptrdiff_t after);

/* The same of items of two bytes. */
int fold_sum_halves(const halves *h, const uint16_t *x, double *out, ptrdiff_t before,
                    ptrdiff_t length, ptrdiff_t after);
int fold_squares_halves(const halves *h, const uint16_t *x, double *out, ptrdiff_t before,
                        ptrdiff_t length, ptrdiff_t after);
int fold_max_halves(const halves *h, const uint16_t *x, uint16_t *out, ptrdiff_t before,
                    ptrdiff_t length, ptrdiff_t after);
int fold_min_halves(const halves *h, const uint16_t *x, uint16_t *out, ptrdiff_t before,
                    ptrdiff_t length, ptrdiff_t after);
int fold_moments_halves(const halves *h, const uint16_t *x, double *mean, double *squares,
                        ptrdiff_t before, ptrdiff_t length, ptrdiff_t last, ptrdiff_t after);

/* Moments of some channels of each sample, `length` cells of each; samples are `apart` items apart. */
int moments_of_samples_f(const float *x, double *mean, double *squares, ptrdiff_t samples,
                         ptrdiff_t channels, ptrdiff_t length, ptrdiff_t apart);
int moments_of_samples_halves(const halves *h, const uint16_t *x, double *mean, double *squares,
                              ptrdiff_t samples, ptrdiff_t channels, ptrdiff_t length,
                              ptrdiff_t apart);

/* Means: 1 where one is not finite. */
int fold_mean_f(const float *x, float *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_mean_d(const double *x, double *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_mean_halves(const halves *h, const uint16_t *x, uint16_t *out, ptrdiff_t before,
                     ptrdiff_t length, ptrdiff_t after);

/* Of a large image groups of rows are reduced one by one, by several threads, and joined in the order in
 * which one thread takes them. So many `items` of rows of `n` each, `count` times, the last of them
 * shorter: `whole` in all. */
typedef struct {
    ptrdiff_t length, after, n, items, whole, count;
} group_sizes;

/* `count` is 0 where an image is not reduced in groups. */
group_sizes groups_of_image(ptrdiff_t length, ptrdiff_t after);

/* For images that begin `at` so many items: some groups, each into its place in `to`; and all of them
 * and what is left of the image, where `odd` says that a group was. An item that is made has so many
 * bytes. */
typedef struct {
    void (*some)(const source *x, ptrdiff_t at, const group_sizes *g, ptrdiff_t first,
                 ptrdiff_t count, void *to, char *odd);
    void (*join)(const source *x, ptrdiff_t at, const group_sizes *g, void *groups, int odd, void *out);
    size_t made;
} group_loops;
extern const group_loops in_groups_sum_f, in_groups_sum_d, in_groups_squares_f, in_groups_squares_d;
extern const group_loops in_groups_max_f, in_groups_max_d, in_groups_min_f, in_groups_min_d;

/* Items that are widened at once of an image of items of two bytes. */
ptrdiff_t widened_at_once(ptrdiff_t length, ptrdiff_t after);

/* Whether maxima of items of two bytes are those of float. */
int are_widened(ptrdiff_t length, ptrdiff_t after);

/* Divide `n` sums, and say whether a quotient is not finite. */
int divide_f(const double *sums, float *out, double by, ptrdiff_t n);
int divide_halves(const halves *h, const double *sums, uint16_t *out, double by, ptrdiff_t n);
int divide_d(const double *sums, double *out, double by, ptrdiff_t n);

#endif
