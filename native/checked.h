/* Products and sums of sizes, none of which is negative, that say when they leave the range. */
#ifndef POOLNORM_CHECKED_H
#define POOLNORM_CHECKED_H

#include "common.h"

#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define TIMES(a, b, to) __builtin_mul_overflow(a, b, to)
#define PLUS(a, b, to) __builtin_add_overflow(a, b, to)
#else
#define TIMES(a, b, to) times_checked(a, b, to)
#define PLUS(a, b, to) plus_checked(a, b, to)
#endif

/* For compilers without the functions above. Both put a result into `to`, unless they return 1. */
static INLINE int times_checked(ptrdiff_t a, ptrdiff_t b, ptrdiff_t *to)
{
    if (a && b > PTRDIFF_MAX / a) return 1;
    *to = a * b;
    return 0;
}
static INLINE int plus_checked(ptrdiff_t a, ptrdiff_t b, ptrdiff_t *to)
{
    if (a > PTRDIFF_MAX - b) return 1;
    *to = a + b;
    return 0;
}

/* Put the product of `n` sizes into `to`; return 1 if one is negative or it leaves the range. */
static INLINE int product_of(const ptrdiff_t *sizes, int n, ptrdiff_t *to)
{
    *to = 1;
    for (int i = 0; i < n; i++)
        if (sizes[i] < 0 || TIMES(*to, sizes[i], to)) return 1;
    return 0;
}

/* Memory for `n` times `count` items of so many bytes each; NULL where there is none. */
static INLINE void *room(ptrdiff_t n, ptrdiff_t count, size_t bytes)
{
    const ptrdiff_t sizes[3] = {n, count, (ptrdiff_t)bytes};
    ptrdiff_t all;
    return product_of(sizes, 3, &all) ? NULL : malloc((size_t)all);
}

#endif
