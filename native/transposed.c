#include "transposed.h"

#include "checked.h"

#define HELD 16384 /* items, read and made, that are held at once */
#define SHORT 64   /* items of a row that is too short for loops along it */
#define LARGE 1024 /* items of an image of which some do not stay in the cache beside each other */
#define MANY 64    /* images that are held at once */
#define FEW 8      /* items of a place that a vector holds */

/* Put the items of rows beside each other: to[column][row] = x[row][column]. */
#define TRANSPOSED(bits)                                                             \
    LOOP static void transposed_##bits(const uint##bits##_t *restrict x,             \
                                        uint##bits##_t *restrict to, ptrdiff_t rows, \
                                        ptrdiff_t columns)                           \
    {                                                                                \
        for (ptrdiff_t column = 0; column < columns; column++)                       \
            for (ptrdiff_t row = 0; row < rows; row++)                               \
                to[column * rows + row] = x[row * columns + column];                 \
    }
TRANSPOSED(8)
TRANSPOSED(16)
TRANSPOSED(32)
TRANSPOSED(64)

static void transposed(const void *x, void *to, ptrdiff_t rows, ptrdiff_t columns, size_t size)
{
    switch (size) {
    case 1: transposed_8(x, to, rows, columns); return;
    case 2: transposed_16(x, to, rows, columns); return;
    case 4: transposed_32(x, to, rows, columns); return;
    default: transposed_64(x, to, rows, columns);
    }
}

int are_small(const small_images *s)
{
    const int few = s->items < FEW && s->row <= SHORT && s->images >= MANY / 4;
    return few && s->read <= LARGE && s->made <= LARGE;
}

int side_by_side_images(image_loop loop, const void *call, const void *x, void *out,
                        const small_images *s)
{
    const ptrdiff_t both = MOST(s->read + s->made, 1), fit = LEAST(HELD / both, MANY) / FEW * FEW;
    const ptrdiff_t size = (ptrdiff_t)s->size, most = LEAST(fit, s->images);
    char *given = room(most, both, s->size), *to = out;
    const char *from = x;
    int result = 0;
    if (!given) return -1;
    char *found = given + most * s->read * size;
    for (ptrdiff_t first = 0, some; first < s->images && result >= 0; first += some) {
        some = LEAST(most, s->images - first);
        transposed(from + first * s->read * size, given, some, s->read, s->size);
        const int lost = loop(call, given, found, some * s->items);
        transposed(found, to + first * s->made * size, s->made, some, s->size);
        result = lost < 0 ? lost : result | lost;
    }
    free(given);
    return result;
}
