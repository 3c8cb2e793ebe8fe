/* Maxima of integers, of the kinds of conversions.h: over the middle axis of (before, length, after),
 * and under windows of differing sizes. `x` and `out` are of the type that the kind says. */
#ifndef POOLNORM_WHOLE_H
#define POOLNORM_WHOLE_H

#include "adaptive.h"

/* Whether a kind is one of integers, as that of bool is. */
int is_whole(char kind);

/* Both return 0. */
int fold_max_whole(char kind, const void *x, void *out, ptrdiff_t before, ptrdiff_t length,
                   ptrdiff_t after);
int adaptive_max_whole(char kind, const void *x, void *out, const covers *s);

#endif
