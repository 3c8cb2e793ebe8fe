/* Small images beside each other: vectors hold many items of one place, and few places of an image. */
#ifndef POOLNORM_TRANSPOSED_H
#define POOLNORM_TRANSPOSED_H

#include "common.h"

/* Images of `read` items, `items` at each place and `row` in a row, of which `made` are made; `size` bytes
 * are an item. */
typedef struct {
    ptrdiff_t images, items, row, read, made;
    size_t size;
} small_images;

/* Works on one image that has so many items at each place; returns as the loops do. */
typedef int (*image_loop)(const void *call, const void *x, void *out, ptrdiff_t items);

/* Whether images are to be worked on beside each other. */
int are_small(const small_images *s);

/* Work on them: many are made one whose places have the items of all. Returns what the loop does for
 * one of these at least, or -1 without memory. */
int side_by_side_images(image_loop loop, const void *call, const void *x, void *out,
                        const small_images *s);

#endif
