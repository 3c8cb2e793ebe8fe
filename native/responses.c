#include "responses.h"

#include <math.h>

#define TILE (1 << 13) /* items whose squares are held at once, where images are small */

/* Add up each `count` rows of `n` items, of which there are `rows`, to those that begin there: runs of
 * powers of two, the longest last, so that nothing is subtracted. What is in `x` is lost. */
LOOP static void sums_of(double *restrict x, double *restrict sums, ptrdiff_t rows, ptrdiff_t n,
                         ptrdiff_t count)
{
    const ptrdiff_t made = (rows - count + 1) * n;
    for (ptrdiff_t i = 0; i < made; i++) sums[i] = 0;
    ptrdiff_t done = 0;
    for (ptrdiff_t run = 1;; run *= 2) {
        if (count & run) {
            const double *from = x + done * n;
            for (ptrdiff_t i = 0; i < made; i++) sums[i] += from[i];
            done += run;
        }
        if (done == count) return;
        const ptrdiff_t whole = (rows - 2 * run + 1) * n, apart = run * n;
        for (ptrdiff_t i = 0; i < whole; i++) x[i] += x[i + apart];
    }
}

/* Make divisors of sums of squares; whether one is not finite. */
LOOP static int divisors(double *restrict sums, ptrdiff_t n, const responding *r)
{
    const double alpha = r->alpha, bias = r->bias;
    int lost = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        sums[i] = sums[i] * alpha + bias;
        lost |= !isfinite(sums[i]);
    }
    return lost;
}

LOOP static void three_quarters(double *restrict x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double half = sqrt(x[i]);
        x[i] = half * sqrt(half);
    }
}

LOOP static void halved(double *restrict x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) x[i] = sqrt(x[i]);
}

static void raise_to(double *x, ptrdiff_t n, double beta)
{
    if (beta == 0.75)
        three_quarters(x, n);
    else if (beta == 0.5)
        halved(x, n);
    else if (beta != 1)
        for (ptrdiff_t i = 0; i < n; i++) x[i] = pow(x[i], beta);
}

/* Of an image some columns are worked on at once: `n` of them, `apart` items from row to row. */
#define RESPOND(T, letter)                                                                         \
    LOOP static void squares_##letter(const T *restrict x, double *restrict to, ptrdiff_t n)       \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < n; i++) to[i] = (double)x[i] * (double)x[i];                     \
    }                                                                                              \
    LOOP static void quotients_##letter(const T *restrict x, const double *restrict by,            \
                                        T *restrict y, ptrdiff_t n)                                \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (T)(x[i] / by[i]);                                \
    }                                                                                              \
    static int columns_##letter(const T *x, T *y, const responding *r, ptrdiff_t n, double *memory) \
    {                                                                                              \
        const ptrdiff_t around = r->low + r->high, rows = r->length + around, apart = r->after;    \
        double *const sums = memory + rows * n, *const inside = memory + r->low * n;               \
        for (ptrdiff_t i = 0; i < r->low * n; i++) memory[i] = 0;                                  \
        for (ptrdiff_t i = (r->low + r->length) * n; i < rows * n; i++) memory[i] = 0;             \
        if (n == apart)                                                                            \
            squares_##letter(x, inside, r->length * n);                                            \
        else                                                                                       \
            for (ptrdiff_t i = 0; i < r->length; i++)                                              \
                squares_##letter(x + i * apart, inside + i * n, n);                                \
        sums_of(memory, sums, rows, n, around + 1);                                                \
        const int lost = divisors(sums, r->length * n, r);                                         \
        raise_to(sums, r->length * n, r->beta);                                                    \
        if (n == apart)                                                                            \
            quotients_##letter(x, sums, y, r->length * n);                                         \
        else                                                                                       \
            for (ptrdiff_t i = 0; i < r->length; i++)                                              \
                quotients_##letter(x + i * apart, sums + i * n, y + i * apart, n);                 \
        return lost;                                                                               \
    }                                                                                              \
    int respond_##letter(const T *x, T *y, const responding *r, ptrdiff_t images)                  \
    {                                                                                              \
        ptrdiff_t rows;                                                                            \
        if (PLUS(r->length, r->low, &rows) || PLUS(rows, r->high, &rows)) return -1;               \
        const ptrdiff_t width = LEAST(MOST(TILE / rows, 8), r->after);                             \
        double *const memory = room(rows, width, 2 * sizeof(double));                              \
        if (!memory) return -1;                                                                    \
        int lost = 0;                                                                              \
        for (ptrdiff_t i = 0; i < images; i++, x += r->length * r->after, y += r->length * r->after) \
            for (ptrdiff_t j = 0; j < r->after; j += width)                                        \
                lost |= columns_##letter(x + j, y + j, r, LEAST(width, r->after - j), memory);     \
        free(memory);                                                                              \
        return lost;                                                                               \
    }

RESPOND(float, f)
RESPOND(double, d)
