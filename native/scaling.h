/* (x - a) * b + c, where a, b and c lie along the middle axis of (before, length, after). */
#ifndef POOLNORM_SCALING_H
#define POOLNORM_SCALING_H

#include "conversions.h"

/* `y` may be `x`. Each of `a` and `c` may be null: then nothing is taken off, or added. Return -1 without memory. */
int scale_f(const float *x, float *y, const float *a, const float *b, const float *c,
            ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int scale_d(const double *x, double *y, const double *a, const double *b, const double *c,
            ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);

int scale_halves(const halves *h, const void *x, void *y, const float *a, const float *b,
                 const float *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);

/* By statistics that are known in float64: (x - mean) * scale + shift, where what the type of the
 * items lacks of the mean costs nothing, and what leaves its range is computed in a wider one. The
 * shift may be null. Return -1 without memory. */
typedef struct {
    const double *mean, *scale, *shift;
} moving;

int center_f(const float *x, float *y, const moving *m, ptrdiff_t before, ptrdiff_t length,
             ptrdiff_t after);
int center_d(const double *x, double *y, const moving *m, ptrdiff_t before, ptrdiff_t length,
             ptrdiff_t after);

int center_halves(const halves *h, const void *x, void *y, const moving *m, ptrdiff_t before,
                  ptrdiff_t length, ptrdiff_t after);

/* The same of some channels of each sample, which are `apart` items apart. */
int center_samples_f(const float *x, float *y, const moving *m, ptrdiff_t samples,
                     ptrdiff_t length, ptrdiff_t after, ptrdiff_t apart);
int center_samples_halves(const halves *h, const void *x, void *y, const moving *m,
                          ptrdiff_t samples, ptrdiff_t length, ptrdiff_t after, ptrdiff_t apart);

/* What batch normalization multiplies by and adds, from its weights; gamma and beta may be null. */
int fold_weights(const double *gamma, const double *beta, const double *variance, double epsilon,
         double *scale, double *shift, ptrdiff_t length);

#endif
