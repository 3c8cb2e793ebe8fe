/* Between the types in which items are stored and those in which they are worked on.
 *
 * float16, and bfloat16, the upper half of a float32, become float32 exactly; from it they are
 * rounded once, to nearest, ties to even. A NaN keeps its sign and as much of its payload as there
 * is room for, as in NumPy. */
#ifndef POOLNORM_CONVERSIONS_H
#define POOLNORM_CONVERSIONS_H

#include "common.h"
#include "vectors.h"

typedef void (*converter)(const void *x, void *to, ptrdiff_t n);

/* The loop that converts items of one kind to another; null where there is none. A kind is a letter
 * of Python's `struct`, or E for bfloat16. */
converter conversion(char from, char to);

/* Bytes of an item of a kind for which there is a loop. */
ptrdiff_t size_of_kind(char kind);

/* The conversions of a type of two bytes to float and back. */
typedef struct {
    converter widen, narrow;
} halves;

/* Those of a kind; null where it has another size. */
const halves *halves_of(char kind);

#define WIDENED 4096 /* items that are converted at once, and stay in the first-level cache */

/* Items of float, or of two bytes, which are made float in `wide`; `widen` is null for the former. */
typedef struct {
    const void *x;
    converter widen;
    float *wide;
} source;

/* `n` items from `at` on, where `wide` has room for them. */
static INLINE const void *taken(const source *s, ptrdiff_t at, ptrdiff_t n, size_t bytes)
{
    if (!s->widen) return (const char *)s->x + at * (ptrdiff_t)bytes;
    s->widen((const uint16_t *)s->x + at, s->wide, n);
    return s->wide;
}

#endif
