#include "folds.h"

#include "checked.h"
#include "conversions.h"

#include <math.h>
#include <stdint.h>

#define LANES 48  /* items of a row in which short ones are put side by side */
#define SHORT 64  /* items of a row up to which several are worked on together */
#define GROUPS 64 /* of four rows each that are joined one after another */

/* How many rows of `after` items are put side by side: not so many that there are few of those. */
static INLINE ptrdiff_t side_by_side(ptrdiff_t after, ptrdiff_t length)
{
    return MOST(LEAST(LANES / after, length / 4), 1);
}

#define CELL(a) (a)
#define WIDE(a) ((double)(a))
#define SQUARE(a) ((double)(a) * (double)(a))
#define ADDED(a, b) ((a) + (b))
#define MORE(a, b) ((a) > (b) ? (a) : (b)) /* loses a NaN */
#define LESS(a, b) ((a) < (b) ? (a) : (b))
#define NEVER(a, b) 0
#define UNORDERED(a, b) (isunordered(a, b) ? ~(BITS)0 : (BITS)0)

#define T float
#define BITS uint32_t
#define A double
#define NAME(name) name##_sum_f
#define TERM WIDE
#define JOIN ADDED
#define EXACT ADDED
#define ODD NEVER
#include "folds_of.h"

#define T double
#define BITS uint64_t
#define A double
#define NAME(name) name##_sum_d
#define TERM WIDE
#define JOIN ADDED
#define EXACT ADDED
#define ODD NEVER
#include "folds_of.h"

#define T float
#define BITS uint32_t
#define A double
#define NAME(name) name##_squares_f
#define TERM SQUARE
#define JOIN ADDED
#define EXACT ADDED
#define ODD NEVER
#include "folds_of.h"

#define T double
#define BITS uint64_t
#define A double
#define NAME(name) name##_squares_d
#define TERM SQUARE
#define JOIN ADDED
#define EXACT ADDED
#define ODD NEVER
#include "folds_of.h"

#define T float
#define BITS uint32_t
#define A float
#define NAME(name) name##_max_f
#define TERM CELL
#define JOIN MORE
#define EXACT larger_f
#define ODD UNORDERED
#include "folds_of.h"

#define T double
#define BITS uint64_t
#define A double
#define NAME(name) name##_max_d
#define TERM CELL
#define JOIN MORE
#define EXACT larger_d
#define ODD UNORDERED
#include "folds_of.h"

#define T float
#define BITS uint32_t
#define A float
#define NAME(name) name##_min_f
#define TERM CELL
#define JOIN LESS
#define EXACT smaller_f
#define ODD UNORDERED
#include "folds_of.h"

#define T double
#define BITS uint64_t
#define A double
#define NAME(name) name##_min_d
#define TERM CELL
#define JOIN LESS
#define EXACT smaller_d
#define ODD UNORDERED
#include "folds_of.h"

/* Reduce items of two bytes: small images several at once, of large ones as many rows as stay in the
 * first-level cache. */
#define FOLD_HALVES(name, A)                                                                        \
    static int fold_##name##_of_halves(const halves *h, const uint16_t *x, A *out, ptrdiff_t before,                 \
                             ptrdiff_t length, ptrdiff_t after)                                     \
    {                                                                                               \
        const ptrdiff_t size = length * after, step = LEAST(WIDENED / size, before);                \
        float *wide = room(MOST(WIDENED, LEAST(size, 4 * MOST(after, LANES))), 1, sizeof(float));   \
        const source given = {x, h->widen, wide};                                                   \
        int result = 0;                                                                             \
        if (!wide) return -1;                                                                       \
        if (!step) result = fold_as_##name##_f(&given, out, before, length, after);                 \
        for (ptrdiff_t k = 0, some; step && k < before && !result; k += some, x += some * size) {   \
            some = LEAST(step, before - k);                                                         \
            h->widen(x, wide, some * size);                                                         \
            result = fold_##name##_f(wide, out + k * after, some, length, after);                   \
        }                                                                                           \
        free(wide);                                                                                 \
        return result;                                                                              \
    }
FOLD_HALVES(sum, double)
FOLD_HALVES(squares, double)
FOLD_HALVES(max, float)
FOLD_HALVES(min, float)

int fold_sum_halves(const halves *h, const uint16_t *x, double *out, ptrdiff_t before,
                    ptrdiff_t length, ptrdiff_t after)
{
    return fold_sum_of_halves(h, x, out, before, length, after);
}

int fold_squares_halves(const halves *h, const uint16_t *x, double *out, ptrdiff_t before,
                        ptrdiff_t length, ptrdiff_t after)
{
    return fold_squares_of_halves(h, x, out, before, length, after);
}

#define KEEP_HALVES(name)                                                                         \
    int fold_##name##_halves(const halves *h, const uint16_t *x, uint16_t *out, ptrdiff_t before, \
                             ptrdiff_t length, ptrdiff_t after)                                   \
    {                                                                                             \
        float *kept = room(before, after, sizeof(float));                                         \
        const int result = kept ? fold_##name##_of_halves(h, x, kept, before, length, after) : -1; \
        if (!result) h->narrow(kept, out, before * after);                                        \
        free(kept);                                                                               \
        return result;                                                                            \
    }
KEEP_HALVES(max)
KEEP_HALVES(min)

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

/* Add `size` items up, in rows of `n`: two rows at once, and what is left at the end. */
LOOP static void add_rows_away(const float *x, ptrdiff_t n, ptrdiff_t size, const double *near,
                               double *sums, double *powers)
{
    ptrdiff_t i = 0;
    for (; i + 2 * n <= size; i += 2 * n) add_away(x + i, n, 1, near, sums, powers);
    for (; i + n <= size; i += n) add_away(x + i, n, 0, near, sums, powers);
    add_away(x + i, size - i, 0, near, sums, powers);
}

static int moments_of_floats(const char *x, converter widen, ptrdiff_t item, double *mean,
                             double *squares, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    ptrdiff_t rows = side_by_side(after, length), n = rows * after, size = length * after;
    ptrdiff_t step = widen ? LEAST(MOST(WIDENED / (2 * n), 1) * 2 * n, size) : size;
    double *sums = room(n, 3, sizeof(double));
    float *wide = widen ? room(step, 1, sizeof(float)) : NULL;
    if (!sums || (widen && !wide)) {
        free(sums);
        free(wide);
        return -1;
    }
    double *powers = sums + n, *near = sums + 2 * n;
    for (ptrdiff_t k = 0; k < before; k++, mean += after, squares += after) {
        for (ptrdiff_t j = 0; j < n; j++) sums[j] = powers[j] = 0;
        for (ptrdiff_t i = 0, some; i < size; i += some, x += some * item) {
            some = LEAST(step, size - i);
            if (widen) widen(x, wide, some);
            const float *cells = widen ? wide : (const float *)(const void *)x;
            for (ptrdiff_t r = 0; r < rows && !i; r++)
                for (ptrdiff_t c = 0; c < after; c++) near[r * after + c] = cells[c];
            add_rows_away(cells, n, some, near, sums, powers);
        }
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
    free(wide);
    return 0;
}

int fold_moments_f(const float *x, double *mean, double *squares, ptrdiff_t before,
                   ptrdiff_t length, ptrdiff_t after)
{
    return moments_of_floats((const char *)x, NULL, sizeof(float), mean, squares, before, length,
                             after);
}

int fold_moments_halves(const halves *h, const uint16_t *x, double *mean, double *squares, ptrdiff_t before,
                   ptrdiff_t length, ptrdiff_t after)
{
    return moments_of_floats((const char *)x, h->widen, sizeof(uint16_t), mean, squares,
                             before, length, after);
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

int divide_halves(const halves *h, const double *sums, uint16_t *out, double by, ptrdiff_t n)
{
    float means[LANES];
    int lost = 0;
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const ptrdiff_t some = LEAST(LANES, n - i);
        lost |= divide_f(sums + i, means, by, some);
        h->narrow(means, out + i, some);
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

/* Add distances from `mean`, and their squares, of a row of `n` items or of two. */
static INLINE void add_from_mean(const double *restrict x, ptrdiff_t n, int two,
                                 const double *restrict mean, double *restrict sums,
                                 double *restrict squares)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        double a = x[i] - mean[i], b = two ? x[i + n] - mean[i] : 0;
        sums[i] += two ? a + b : a;
        squares[i] += two ? a * a + b * b : a * a;
    }
}

/* Add the columns of `rows` rows up, of the first `after` items. */
static INLINE void add_columns(double *restrict x, ptrdiff_t rows, ptrdiff_t after)
{
    for (ptrdiff_t r = 1; r < rows; r++)
        for (ptrdiff_t c = 0; c < after; c++) x[c] += x[r * after + c];
}

/* In two passes, the second about the mean, which what is left of the distances corrects. */
LOOP static void moments_of_image(const double *restrict x, double *restrict mean,
                                  double *restrict squares, ptrdiff_t length, ptrdiff_t after,
                                  double *restrict memory)
{
    const ptrdiff_t rows = side_by_side(after, length), n = rows * after, size = length * after;
    double *near = memory, *sums = memory + n, *powers = memory + 2 * n;
    double *all = memory + 3 * n, *all_powers = memory + 4 * n;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t c = 0; c < after; c++) near[r * after + c] = mean[c] / (double)length;
    for (ptrdiff_t j = 0; j < 2 * n; j++) all[j] = 0;
    for (ptrdiff_t i = 0; i < size;) {
        const ptrdiff_t stop = LEAST(size, i + GROUPS * 2 * n);
        for (ptrdiff_t j = 0; j < 2 * n; j++) sums[j] = 0;
        for (; i + 2 * n <= stop; i += 2 * n) add_from_mean(x + i, n, 1, near, sums, powers);
        for (; i + n <= stop; i += n) add_from_mean(x + i, n, 0, near, sums, powers);
        add_from_mean(x + i, stop - i, 0, near, sums, powers);
        i = stop;
        for (ptrdiff_t j = 0; j < 2 * n; j++) all[j] += sums[j];
    }
    add_columns(all, rows, after);
    add_columns(all_powers, rows, after);
    for (ptrdiff_t c = 0; c < after; c++) {
        double shift = all[c] / (double)length, power = all_powers[c] - all[c] * shift;
        mean[c] = near[c] + shift;
        squares[c] = power < 0 ? 0 : power; /* NaN stays */
    }
}

int fold_moments_d(const double *x, double *mean, double *squares, ptrdiff_t before,
                   ptrdiff_t length, ptrdiff_t after)
{
    double *memory = room(side_by_side(after, length) * after, 5, sizeof(double));
    if (!memory) return -1;
    for (ptrdiff_t k = 0; k < before; k++, x += length * after, mean += after, squares += after) {
        if (fold_sum_d(x, mean, 1, length, after)) {
            free(memory);
            return -1;
        }
        moments_of_image(x, mean, squares, length, after, memory);
    }
    free(memory);
    return 0;
}
