#include "scaling.h"

#include "checked.h"

#define ROW 1024 /* items to which short vectors are repeated */

/* `y` may be `x`: no item depends on another. */
#ifdef __GNUC__
#define EACH_ALONE _Pragma("GCC ivdep")
#else
#define EACH_ALONE
#endif

#define T float
#define NAME(name) name##_f_of
#include "scaling_of.h"

#define T double
#define NAME(name) name##_d_of
#include "scaling_of.h"

LOOP int scale_f(const float *x, float *y, const float *a, const float *b,
                               const float *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    return scale_f_of(x, y, a, b, c, before, length, after);
}

LOOP int scale_d(const double *x, double *y, const double *a, const double *b,
                               const double *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    return scale_d_of(x, y, a, b, c, before, length, after);
}
