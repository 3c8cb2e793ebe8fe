/* Means, and squares of distances from them, of the middle axis: what folds.h says of moments. */
#include "checked.h"
#include "conversions.h"
#include "folds.h"
#include "half_loops.h"

#define LANES 48   /* items of a row in which short ones are put side by side */
#define GROUPS 64  /* of two rows each that are added one after another, of float64 */
#define SOME 32768 /* items of images whose means are taken before their squares */
#define FEW 32     /* items of an image below which vectors of halves do not pay */
#define SMALL 49   /* cells of an image of the usual last layer, 7 by 7 */

#define T float
#define NAME(name) name##_f
#include "moments_of.h"
#undef T
#undef NAME

#define T double
#define NAME(name) name##_d
#include "moments_of.h"
#undef T
#undef NAME

/* How many rows of `after` items are put side by side: not so many that there are few of those. */
static INLINE ptrdiff_t side_by_side(ptrdiff_t after, ptrdiff_t length)
{
    return MOST(LEAST(LANES / after, length / 4), 1);
}

/* What distances from the first cells make, from their sums in `rows` rows that are side by side. */
static INLINE void finish(const double *near, const double *sums, const double *powers,
                          ptrdiff_t rows, ptrdiff_t length, ptrdiff_t after, double *mean,
                          double *squares)
{
    for (ptrdiff_t c = 0; c < after; c++) {
        double total = 0, power = 0;
        for (ptrdiff_t r = 0; r < rows; r++)
            total += sums[r * after + c], power += powers[r * after + c];
        const double shift = total / (double)length;
        mean[c] = near[c] + shift;
        power -= total * shift;
        squares[c] = power < 0 ? 0 : power; /* NaN stays */
    }
}

/* One image in one pass about its first cells. */
static INLINE void image_of_floats(const float *x, ptrdiff_t length, ptrdiff_t after,
                                   ptrdiff_t rows, double *memory, double *mean, double *squares)
{
    const ptrdiff_t n = rows * after;
    double *sums = memory, *powers = memory + n, *near = memory + 2 * n;
    for (ptrdiff_t j = 0; j < 2 * n; j++) sums[j] = 0;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t c = 0; c < after; c++) near[r * after + c] = x[c];
    add_rows_f(x, length / rows, n, n, length % rows * after, 1, near, sums, powers);
    finish(near, sums, powers, rows, length, after, mean, squares);
}

LOOP_512 static void images_of_floats(const float *x, ptrdiff_t before, ptrdiff_t length,
                                      ptrdiff_t after, double *memory, double *mean,
                                      double *squares)
{
    const ptrdiff_t rows = side_by_side(after, length);
    if (after == 1 && length == SMALL)
        for (ptrdiff_t k = 0; k < before; k++)
            image_of_floats(x + k * SMALL, SMALL, 1, SMALL / 4, memory, mean + k, squares + k);
    else if (after == 1)
        for (ptrdiff_t k = 0; k < before; k++)
            image_of_floats(x + k * length, length, 1, rows, memory, mean + k, squares + k);
    else
        for (ptrdiff_t k = 0; k < before; k++, x += length * after, mean += after, squares += after)
            image_of_floats(x, length, after, rows, memory, mean, squares);
}

static int images_f(const float *x, double *mean, double *squares, ptrdiff_t before,
                    ptrdiff_t length, ptrdiff_t after)
{
    double *memory = room(side_by_side(after, length) * after, 3, sizeof(double));
    if (!memory) return -1;
    images_of_floats(x, before, length, after, memory, mean, squares);
    free(memory);
    return 0;
}

LOOP static void add_rows_away(const float *x, ptrdiff_t n, ptrdiff_t size, const double *near,
                               double *sums, double *powers)
{
    add_rows_f(x, size / n, n, n, size % n, 1, near, sums, powers);
}

static int images_halves(const halves *h, const uint16_t *x, double *mean, double *squares,
                         ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    const ptrdiff_t rows = side_by_side(after, length), n = rows * after, size = length * after;
    const ptrdiff_t step = LEAST(MOST(WIDENED / (2 * n), 1) * 2 * n, size);
    const half_loops *l = size < FEW ? NULL : half_loops_of(h);
    const places_of_images all = {before, 0};
    if (l) return moments_by_vectors(l, x, mean, squares, before, length, after, rows, &all);
    double *sums = room(n, 3, sizeof(double)), *powers = sums + n, *near = sums + 2 * n;
    float *wide = room(step, 1, sizeof(float));
    if (!sums || !wide) {
        free(sums);
        free(wide);
        return -1;
    }
    for (ptrdiff_t k = 0; k < before; k++, mean += after, squares += after) {
        for (ptrdiff_t j = 0; j < 2 * n; j++) sums[j] = 0;
        for (ptrdiff_t i = 0, some; i < size; i += some, x += some) {
            some = LEAST(step, size - i);
            h->widen(x, wide, some);
            for (ptrdiff_t r = 0; r < rows && !i; r++)
                for (ptrdiff_t c = 0; c < after; c++) near[r * after + c] = wide[c];
            add_rows_away(wide, n, some, near, sums, powers);
        }
        finish(near, sums, powers, rows, length, after, mean, squares);
    }
    free(sums);
    free(wide);
    return 0;
}

/* Add the columns of `rows` rows up, of the first `after` items. */
static INLINE void add_columns(double *restrict x, ptrdiff_t rows, ptrdiff_t after)
{
    for (ptrdiff_t r = 1; r < rows; r++)
        for (ptrdiff_t c = 0; c < after; c++) x[c] += x[r * after + c];
}

/* One image whose sums are in `mean`: about the mean, which what is left of the distances corrects. */
static INLINE void image_of_doubles(const double *restrict x, ptrdiff_t length, ptrdiff_t after,
                                    double *restrict memory, double *restrict mean,
                                    double *restrict squares)
{
    const ptrdiff_t rows = side_by_side(after, length), n = rows * after, size = length * after;
    double *near = memory, *sums = memory + n, *powers = memory + 2 * n;
    double *all = memory + 3 * n, *all_powers = memory + 4 * n;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t c = 0; c < after; c++) near[r * after + c] = mean[c] / (double)length;
    for (ptrdiff_t j = 0; j < 2 * n; j++) all[j] = 0;
    for (ptrdiff_t i = 0, stop; i < size; i = stop) {
        stop = LEAST(size, i + GROUPS * 2 * n);
        for (ptrdiff_t j = 0; j < 2 * n; j++) sums[j] = 0;
        add_rows_d(x + i, (stop - i) / n, n, n, (stop - i) % n, 1, near, sums, powers);
        for (ptrdiff_t j = 0; j < 2 * n; j++) all[j] += sums[j];
    }
    add_columns(all, rows, after);
    add_columns(all_powers, rows, after);
    for (ptrdiff_t c = 0; c < after; c++) {
        const double shift = all[c] / (double)length, power = all_powers[c] - all[c] * shift;
        mean[c] = near[c] + shift;
        squares[c] = power < 0 ? 0 : power; /* NaN stays */
    }
}

LOOP_512 static void images_of_doubles(const double *x, ptrdiff_t before, ptrdiff_t length,
                                       ptrdiff_t after, double *memory, double *mean,
                                       double *squares)
{
    for (ptrdiff_t k = 0; k < before; k++, x += length * after, mean += after, squares += after)
        image_of_doubles(x, length, after, memory, mean, squares);
}

static int images_d(const double *x, double *mean, double *squares, ptrdiff_t before,
                    ptrdiff_t length, ptrdiff_t after)
{
    const ptrdiff_t size = length * after, step = SOME / MOST(size, 1) + 1;
    double *memory = room(side_by_side(after, length) * after, 5, sizeof(double));
    int result = memory ? 0 : -1;
    for (ptrdiff_t k = 0; k < before && !result; k += step) {
        const ptrdiff_t some = LEAST(step, before - k);
        result = fold_sum_d(x + k * size, mean + k * after, some, length, after);
        if (!result)
            images_of_doubles(x + k * size, some, length, after, memory, mean + k * after,
                              squares + k * after);
    }
    free(memory);
    return result;
}

/* All of them: those that are alike, and the last one where it is shorter. */
#define FOLD_MOMENTS(name, images, type, GIVEN, PASSED)                                            \
    int name(GIVEN const type *x, double *mean, double *squares, ptrdiff_t before, ptrdiff_t length, \
             ptrdiff_t last, ptrdiff_t after)                                                      \
    {                                                                                              \
        const ptrdiff_t alike = last == length ? before : before - 1, at = alike * after;          \
        if (images(PASSED x, mean, squares, alike, length, after) < 0) return -1;                  \
        if (alike == before) return 0;                                                             \
        return images(PASSED x + at * length, mean + at, squares + at, 1, last, after);            \
    }
#define AND ,
FOLD_MOMENTS(fold_moments_f, images_f, float, , )
FOLD_MOMENTS(fold_moments_d, images_d, double, , )
FOLD_MOMENTS(fold_moments_halves, images_halves, uint16_t, const halves *h AND, h AND)

int moments_of_samples_f(const float *x, double *mean, double *squares, ptrdiff_t samples,
                         ptrdiff_t channels, ptrdiff_t length, ptrdiff_t apart)
{
    int result = 0;
    for (ptrdiff_t k = 0; k < samples && !result; k++)
        result = images_f(x + k * apart, mean + k * channels, squares + k * channels, channels,
                          length, 1);
    return result;
}

int moments_of_samples_halves(const halves *h, const uint16_t *x, double *mean, double *squares,
                              ptrdiff_t samples, ptrdiff_t channels, ptrdiff_t length,
                              ptrdiff_t apart)
{
    const half_loops *l = length < FEW ? NULL : half_loops_of(h);
    const places_of_images at = {channels, apart};
    if (l)
        return moments_by_vectors(l, x, mean, squares, samples * channels, length, 1,
                                  side_by_side(1, length), &at);
    int result = 0;
    for (ptrdiff_t k = 0; k < samples && !result; k++)
        result = images_halves(h, x + k * apart, mean + k * channels, squares + k * channels,
                               channels, length, 1);
    return result;
}
