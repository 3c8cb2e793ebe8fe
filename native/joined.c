#include "checked.h"
#include "rows.h"

#include <float.h>
#include <math.h>

#define LANES 48            /* items of a row in which short ones are put side by side */
#define CACHE (1 << 20)     /* bytes of columns that are read again from the cache */

/* Float64 holds what float32 items are: squares are taken of distances from the first of a column,
 * which vary as the others do. Float64 items need their mean first. */
#define T float
#define W double
#define NAME(name) name##_f
#define ROOT sqrt
#define TWICE 0
#define HEAVY 1e30
#define LIGHT ((double)FLT_MIN)
#define LARGE 1e60
#define SMALL 1e-60
#define GREAT 1e60
#include "joined_of.h"
#undef T
#undef W
#undef NAME
#undef ROOT
#undef TWICE
#undef HEAVY
#undef LIGHT
#undef LARGE
#undef SMALL
#undef GREAT

#define T double
#define W long double
#define NAME(name) name##_d
#define ROOT sqrtl
#define TWICE 1
#define HEAVY 1e290
#define LIGHT DBL_MIN
#define LARGE 1e300
#define SMALL 1e-270
#define GREAT 1e300
#include "joined_of.h"

/* An image at a time is converted, and is in the second-level cache if it is not very large. */
int columns_of_halves(const halves *h, const uint16_t *x, uint16_t *y, const double *gamma,
                      const double *beta, const size_of *s, const columns *k)
{
    const ptrdiff_t items = k->length * k->width;
    columns one = *k;
    affine_f a;
    float *wide = room(items, 2, sizeof(float)), *made = wide + items;
    if (!wide) return -1;
    if (prepare_f(&a, gamma, beta, k->along ? k->length : k->width) < 0) return free(wide), -1;
    int result = 0;
    one.before = 1;
    for (ptrdiff_t b = 0; b < k->before && !result; b++, x += items, y += items) {
        h->widen(x, wide, items);
        result = normalize_columns_f(wide, made, &a, s, &one);
        h->narrow(made, y, items);
    }
    free(a.memory);
    free(wide);
    return result;
}
