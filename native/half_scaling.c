/* (x - a) * b + c over items of two bytes. */
#include "checked.h"
#include "half_loops.h"

#define ROW 1024 /* items to which short vectors are repeated */

/* A vector, or one of numbers that change nothing. */
static const float *filled(const float *given, float *memory, float neutral, ptrdiff_t length)
{
    for (ptrdiff_t i = 0; !given && i < length; i++) memory[i] = neutral;
    return given ? given : memory;
}

static int scale_by(const half_loops *l, const uint16_t *x, uint16_t *y, const float *a,
                     const float *b, const float *c, ptrdiff_t before, ptrdiff_t length,
                     ptrdiff_t after)
{
    if (after > 1) {
        l->scale_runs(x, y, a, b, c, before * length, length, after);
        return 0;
    }
    /* Short vectors are repeated, so that inner loops are long. */
    const ptrdiff_t repeats = MOST(LEAST(ROW / length, before), 1), n = repeats * length;
    float *memory = NULL;
    if (repeats > 1) {
        memory = room(n, 3, sizeof(float));
        if (!memory) return -1;
        for (ptrdiff_t i = 0; i < n; i++) {
            memory[i] = a[i % length];
            memory[n + i] = b[i % length];
            memory[2 * n + i] = c[i % length];
        }
        a = memory, b = memory + n, c = memory + 2 * n;
    }
    const ptrdiff_t rows = before / repeats, done = rows * n;
    l->scale_rows(x, y, a, b, c, rows, n, n);
    if (before % repeats) l->scale_rows(x + done, y + done, a, b, c, 1, before % repeats * length, n);
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
