/* Values put back where they were among the cells of images. */
#ifndef POOLNORM_UNPOOLING_H
#define POOLNORM_UNPOOLING_H

#include "common.h"

typedef struct {
    ptrdiff_t images, places, items;
    ptrdiff_t cells; /* of an image of the output */
} scattered;

/* Put each of the items of `size` bytes where its index says; of several in one place the last stays.
 * Return 1 where an index is none of a cell. */
int put_back(const void *x, const int64_t *at, void *out, int size, const scattered *s);

#endif
