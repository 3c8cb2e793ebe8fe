/* (x - a) * b + c over items of two bytes. */
#include "checked.h"
#include "half_loops.h"

#define ROW 1024 /* items to which short vectors are repeated */
#define SHORT 32 /* items of a run below which it has no loop of its own */

/* A vector, or one of numbers that change nothing. */
static const float *filled(const float *given, float *memory, float neutral, ptrdiff_t length)
{
    for (ptrdiff_t i = 0; !given && i < length; i++) memory[i] = neutral;
    return given ? given : memory;
}

/* A value for each of `channels` runs of `after` items, all of it `repeats` times. */
static void repeat(const float *values, ptrdiff_t channels, ptrdiff_t after, ptrdiff_t repeats, float *to)
{
    const ptrdiff_t width = channels * after, all = repeats * width;
    for (ptrdiff_t k = 0; k < channels; k++)
        for (ptrdiff_t j = 0; j < after; j++) to[k * after + j] = values[k];
    for (ptrdiff_t done = width; done < all; done *= 2)
        memcpy(to + done, to, (size_t)LEAST(done, all - done) * sizeof *to);
}

/* Some channels of all samples, with vectors that are as long as a row of them or several. */
static void scale_channels(const half_loops *l, const uint16_t *x, uint16_t *y, const float *const *given,
                           ptrdiff_t before, ptrdiff_t length, ptrdiff_t channels, ptrdiff_t after,
                           float *memory)
{
    const ptrdiff_t width = channels * after;
    const ptrdiff_t repeats = channels == length ? MOST(LEAST(ROW / width, before), 1) : 1;
    const ptrdiff_t n = repeats * width, rows = before / repeats, rest = before % repeats;
    const ptrdiff_t step = repeats * length * after;
    for (int v = 0; v < 3; v++) repeat(given[v], channels, after, repeats, memory + v * n);
    const float *a = memory, *b = memory + n, *c = memory + 2 * n;
    l->scale_rows(x, y, a, b, c, rows, n, step);
    if (rest) l->scale_rows(x + rows * step, y + rows * step, a, b, c, 1, rest * width, step);
}

static int scale_by(const half_loops *l, const uint16_t *x, uint16_t *y, const float *a,
                    const float *b, const float *c, ptrdiff_t before, ptrdiff_t length,
                    ptrdiff_t after)
{
    if (after >= SHORT || (after == 1 && length >= ROW)) {
        if (after > 1)
            l->scale_runs(x, y, a, b, c, before * length, length, after);
        else
            l->scale_rows(x, y, a, b, c, before, length, length);
        return 0;
    }
    const ptrdiff_t channels = LEAST(length, ROW / after);
    float *memory = room(ROW, 3, sizeof(float));
    if (!memory) return -1;
    for (ptrdiff_t k = 0; k < length; k += channels) {
        const float *const given[3] = {a + k, b + k, c + k};
        scale_channels(l, x + k * after, y + k * after, given, before, length,
                       LEAST(channels, length - k), after, memory);
    }
    free(memory);
    return 0;
}

int scale_by_vectors(const half_loops *l, const uint16_t *x, uint16_t *y, const float *a,
                     const float *b, const float *c, ptrdiff_t before, ptrdiff_t length,
                     ptrdiff_t after)
{
    if (a && c) return scale_by(l, x, y, a, b, c, before, length, after);
    float *memory = room(length, 2, sizeof(float));
    if (!memory) return -1;
    /* No number changes when -0 is added, 0 would make +0 of it. */
    a = filled(a, memory, 0, length), c = filled(c, memory + length, -0.0f, length);
    const int result = scale_by(l, x, y, a, b, c, before, length, after);
    free(memory);
    return result;
}
