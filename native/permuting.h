/* Axes in another order, for loops that take what they reduce as it lies together. */
#ifndef POOLNORM_PERMUTING_H
#define POOLNORM_PERMUTING_H

#include "checked.h"

#define MOST_AXES 16 /* of a sample, those that stay beside each other counted as one */

/* The axes of a sample in C order, and which of them come first, second and so on. */
typedef struct {
    int count;
    ptrdiff_t sizes[MOST_AXES];
    int order[MOST_AXES];
} permutation;

/* Put the items of `samples` samples, of `size` bytes each, in that order; or `back` from it. */
void permute(const void *x, void *out, int size, ptrdiff_t samples, const permutation *p, int back);

/* Works on so many samples, the first of which is the first of `x`; -1 without memory. */
typedef int (*work_on_samples)(const void *call, const void *x, void *y, ptrdiff_t samples);

/* Call a loop on samples of `items` items of `size` bytes, which it finds, and leaves, with their axes in
 * that order; where there is none of axes, as they are. In several threads where that pays. Returns what
 * the loop does. */
int on_permuted(work_on_samples loop, const void *call, const void *x, void *y, int size,
                ptrdiff_t samples, ptrdiff_t items, const permutation *p);

#endif
