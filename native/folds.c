#include "folds.h"

#include "checked.h"

#include <math.h>

#define LANES 48 /* items of a row in which short ones are put side by side */

/* How many rows of `after` items are put side by side. */
static INLINE ptrdiff_t side_by_side(ptrdiff_t after, ptrdiff_t length)
{
    return MOST(LEAST(LANES / after, length), 1);
}

/* Add a row of `n` items, or four of them, to sums. */
static INLINE void add_rows(const float *restrict x, ptrdiff_t n, int four, int square,
                            double *restrict sums)
{
    if (four)
        for (ptrdiff_t i = 0; i < n; i++) {
            double a = x[i], b = x[i + n], c = x[i + 2 * n], d = x[i + 3 * n];
            sums[i] += square ? (a * a + b * b) + (c * c + d * d) : (a + b) + (c + d);
        }
    else
        for (ptrdiff_t i = 0; i < n; i++) {
            double a = x[i];
            sums[i] += square ? a * a : a;
        }
}

static INLINE int add_up(const float *x, double *out, ptrdiff_t before, ptrdiff_t length,
                         ptrdiff_t after, int square)
{
    ptrdiff_t rows = side_by_side(after, length), n = rows * after, size = length * after;
    double *sums = room(n, 1, sizeof(double));
    if (!sums) return -1;
    for (ptrdiff_t k = 0; k < before; k++, x += size, out += after) {
        ptrdiff_t i = 0;
        for (ptrdiff_t j = 0; j < n; j++) sums[j] = 0;
        for (; i + 4 * n <= size; i += 4 * n) add_rows(x + i, n, 1, square, sums);
        for (; i + n <= size; i += n) add_rows(x + i, n, 0, square, sums);
        add_rows(x + i, size - i, 0, square, sums);
        for (ptrdiff_t c = 0; c < after; c++) {
            double total = 0;
            for (ptrdiff_t r = 0; r < rows; r++) total += sums[r * after + c];
            out[c] = total;
        }
    }
    free(sums);
    return 0;
}

LOOP int fold_sum(const float *x, double *out, ptrdiff_t before, ptrdiff_t length,
                                ptrdiff_t after)
{
    return add_up(x, out, before, length, after, 0);
}

LOOP int fold_squares(const float *x, double *out, ptrdiff_t before,
                                    ptrdiff_t length, ptrdiff_t after)
{
    return add_up(x, out, before, length, after, 1);
}

LOOP int fold_max(const float *x, float *out, ptrdiff_t before, ptrdiff_t length,
                                ptrdiff_t after)
{
    ptrdiff_t rows = side_by_side(after, length), n = rows * after, size = length * after;
    float *most = room(n, 1, sizeof(float));
    if (!most) return -1;
    for (ptrdiff_t k = 0; k < before; k++, x += size, out += after) {
        ptrdiff_t i = n;
        for (ptrdiff_t j = 0; j < n; j++) most[j] = x[j];
        for (; i + 2 * n <= size; i += 2 * n)
            for (ptrdiff_t j = 0; j < n; j++)
                most[j] = larger_f(most[j], larger_f(x[i + j], x[i + n + j]));
        for (; i < size; i += n)
            for (ptrdiff_t j = 0; j < LEAST(n, size - i); j++)
                most[j] = larger_f(most[j], x[i + j]);
        for (ptrdiff_t c = 0; c < after; c++) {
            out[c] = most[c];
            for (ptrdiff_t r = 1; r < rows; r++) out[c] = larger_f(out[c], most[r * after + c]);
        }
    }
    free(most);
    return 0;
}

/* Add distances from `near`, and their squares, of a row of `n` items or of two. */
static INLINE void add_away(const float *restrict x, ptrdiff_t n, int two,
                            const double *restrict near, double *restrict sums,
                            double *restrict squares)
{
    if (two)
        for (ptrdiff_t i = 0; i < n; i++) {
            double a = x[i] - near[i], b = x[i + n] - near[i];
            sums[i] += a + b;
            squares[i] += a * a + b * b;
        }
    else
        for (ptrdiff_t i = 0; i < n; i++) {
            double a = x[i] - near[i];
            sums[i] += a;
            squares[i] += a * a;
        }
}

LOOP int fold_moments(const float *x, double *mean, double *squares,
                                    ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    ptrdiff_t rows = side_by_side(after, length), n = rows * after, size = length * after;
    double *sums = room(n, 3, sizeof(double));
    if (!sums) return -1;
    double *powers = sums + n, *near = sums + 2 * n;
    for (ptrdiff_t k = 0; k < before; k++, x += size, mean += after, squares += after) {
        ptrdiff_t i = 0;
        for (ptrdiff_t r = 0; r < rows; r++)
            for (ptrdiff_t c = 0; c < after; c++) near[r * after + c] = x[c];
        for (ptrdiff_t j = 0; j < n; j++) sums[j] = powers[j] = 0;
        for (; i + 2 * n <= size; i += 2 * n) add_away(x + i, n, 1, near, sums, powers);
        for (; i + n <= size; i += n) add_away(x + i, n, 0, near, sums, powers);
        add_away(x + i, size - i, 0, near, sums, powers);
        for (ptrdiff_t c = 0; c < after; c++) {
            double total = 0, power = 0;
            for (ptrdiff_t r = 0; r < rows; r++)
                total += sums[r * after + c], power += powers[r * after + c];
            double shift = total / (double)length;
            mean[c] = near[c] + shift;
            power -= total * shift;
            squares[c] = power < 0 ? 0 : power; /* NaN stays */
        }
    }
    free(sums);
    return 0;
}

LOOP int divide_f(const double *sums, float *out, double by, ptrdiff_t n)
{
    int lost = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        double mean = sums[i] / by;
        out[i] = (float)mean;
        lost |= !isfinite(mean);
    }
    return lost;
}

LOOP int divide_d(const double *sums, double *out, double by, ptrdiff_t n)
{
    int lost = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        out[i] = sums[i] / by;
        lost |= !isfinite(out[i]);
    }
    return lost;
}
