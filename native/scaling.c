#include "scaling.h"

#include "checked.h"
#include "conversions.h"
#include "half_loops.h"

#include <float.h>
#include <math.h>

#define ROW 1024 /* items to which short vectors are repeated */

#define T float
#define W double
#define NAME(name) name##_f_of
#define HEAVY 1e30 /* magnitudes from which on what they make may leave the range */
#define LIGHT ((double)FLT_MIN) /* factors below which they have lost digits */
#include "scaling_of.h"

#define T double
#define W long double
#define NAME(name) name##_d_of
#define HEAVY 1e290
#define LIGHT DBL_MIN
#include "scaling_of.h"

LOOP int scale_f(const float *x, float *y, const float *a, const float *b,
                               const float *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    return scale_f_of(x, y, NULL, a, b, c, before, length, after);
}

LOOP int scale_d(const double *x, double *y, const double *a, const double *b,
                               const double *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    return scale_d_of(x, y, NULL, a, b, c, before, length, after);
}

LOOP int center_f(const float *x, float *y, const moving *m, ptrdiff_t before, ptrdiff_t length,
                  ptrdiff_t after)
{
    return center_f_of(x, y, NULL, m, before, length, after, length * after);
}

LOOP int center_d(const double *x, double *y, const moving *m, ptrdiff_t before, ptrdiff_t length,
                  ptrdiff_t after)
{
    return center_d_of(x, y, NULL, m, before, length, after, length * after);
}

LOOP int scale_halves(const halves *h, const void *x, void *y, const float *a, const float *b,
                      const float *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    return scale_f_of(x, y, h, a, b, c, before, length, after);
}

LOOP int center_halves(const halves *h, const void *x, void *y, const moving *m, ptrdiff_t before,
                       ptrdiff_t length, ptrdiff_t after)
{
    return center_f_of(x, y, h, m, before, length, after, length * after);
}

LOOP int center_samples_f(const float *x, float *y, const moving *m, ptrdiff_t samples,
                          ptrdiff_t length, ptrdiff_t after, ptrdiff_t apart)
{
    return center_f_of(x, y, NULL, m, samples, length, after, apart);
}

LOOP int center_samples_halves(const halves *h, const void *x, void *y, const moving *m,
                               ptrdiff_t samples, ptrdiff_t length, ptrdiff_t after,
                               ptrdiff_t apart)
{
    return center_f_of(x, y, h, m, samples, length, after, apart);
}

int fold_weights(const double *gamma, const double *beta, const double *variance, double epsilon,
         double *scale, double *shift, ptrdiff_t length)
{
    for (ptrdiff_t i = 0; i < length; i++) {
        scale[i] = 1.0 / sqrt(variance[i] + epsilon), shift[i] = 0;
        if (gamma) scale[i] *= gamma[i], shift[i] *= gamma[i];
        if (beta) shift[i] += beta[i];
    }
    return 0;
}
