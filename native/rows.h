/* Rows and columns divided by a statistic of theirs: (x - mean) / sqrt(power) * gamma + beta, the
 * power of a row being max(sum of squares * weight + epsilon, least).
 *
 * Whatever leaves the range of an item's type, or what its squares leave, is computed in a wider
 * one: float64 for float, long double for double. */
#ifndef POOLNORM_ROWS_H
#define POOLNORM_ROWS_H

#include "conversions.h"

typedef struct {
    int centered; /* the mean is subtracted, and squares are of distances from it */
    double weight, epsilon, least;
} size_of;

/* Which weights are for an item: with rows of `channels * run` items, item i of row r has those at
 * (r % groups) * channels + i / run. */
typedef struct {
    ptrdiff_t groups, channels, run;
} weighing;

/* gamma and beta as a loop takes them; both may be null. `wide` says that they are such that only a
 * wider type has room for what they make. */
typedef struct {
    const float *gamma, *beta;
    const double *gammas, *betas;
    int wide;
    void *memory;
} affine_f;
typedef struct {
    const double *gamma, *beta;
    const double *gammas, *betas;
    int wide;
    void *memory;
} affine_d;

/* Prepare so many weights, and free them; -1 without memory. Weights that change nothing are left
 * out. */
int prepare_f(affine_f *a, const double *gamma, const double *beta, ptrdiff_t count);
int prepare_d(affine_d *a, const double *gamma, const double *beta, ptrdiff_t count);

/* Rows that follow one another; the first of them is row `first` of a tensor. Items of two bytes are
 * converted in cache and rounded once. Return -1 without memory. */
int normalize_rows_f(const float *x, float *y, const affine_f *a, const size_of *s,
                     const weighing *w, ptrdiff_t first, ptrdiff_t rows);
int normalize_rows_d(const double *x, double *y, const affine_d *a, const size_of *s,
                     const weighing *w, ptrdiff_t first, ptrdiff_t rows);
int normalize_rows_halves(const halves *h, const uint16_t *x, uint16_t *y, const affine_f *a,
                          const size_of *s, const weighing *w, ptrdiff_t first, ptrdiff_t rows);

/* Columns of (before, length, width): statistics are taken down the length of each, and of `joined`
 * columns beside each other together. Weights lie along the width, or `along` the length. Return -1
 * without memory. */
typedef struct {
    ptrdiff_t before, length, width, joined;
    int along;
} columns;

int normalize_columns_f(const float *x, float *y, const affine_f *a, const size_of *s,
                        const columns *c);
int normalize_columns_d(const double *x, double *y, const affine_d *a, const size_of *s,
                        const columns *c);
int normalize_columns_halves(const halves *h, const uint16_t *x, uint16_t *y, const affine_f *a,
                             const size_of *s, const columns *c);

/* The same of few large images, in several threads, with the same bytes; or NOT_CUT (cut_folds.h). */
int columns_cut_f(const float *x, float *y, const affine_f *a, const size_of *s, const columns *c);
int columns_cut_d(const double *x, double *y, const affine_d *a, const size_of *s, const columns *c);
int columns_cut_halves(const halves *h, const uint16_t *x, uint16_t *y, const affine_f *a,
                       const size_of *s, const columns *c);

/* Sums of squares from which on float32 may have lost some, divisors below which it may have, and those
 * from which on, with a large epsilon, their inverse may have. */
#define LARGE_F 1e36
#define SMALL_F 1e-24
#define GREAT_F 1e37

#endif
