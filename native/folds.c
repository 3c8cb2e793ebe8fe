#include "folds.h"

#include "checked.h"
#include "conversions.h"
#include "half_windows.h"
#include "sums.h"

#include <math.h>
#include <stdint.h>

#define LINE 64   /* bytes that come from memory together */
#define AHEAD 4096 /* bytes that are asked for before they are joined */
#define LANES 48  /* items of a row in which short ones are put side by side */
#define SHORT 64  /* items of a row up to which several are worked on together */
#define FAR (1 << 16) /* items of an image from which on some are read at once */
#define SUMS 2048 /* that are divided before more are taken */

/* How many rows of `after` items are put side by side: not so many that there are few of those. */
static INLINE ptrdiff_t side_by_side(ptrdiff_t after, ptrdiff_t length)
{
    return MOST(LEAST(LANES / after, length / 4), 1);
}

group_sizes groups_of_image(ptrdiff_t length, ptrdiff_t after)
{
    static const ptrdiff_t few[] = {0, 16, 8, 8, 4}; /* rows side by side, as `few_items` takes them */
    const ptrdiff_t n = after * (after <= 4 ? few[after] : side_by_side(after, length));
    const ptrdiff_t whole = length * after / (4 * n) * 4 * n, items = GROUPS * 4 * n;
    const int none = !whole || (after == 1 && length <= SHORT);
    return (group_sizes){length, after, n, items, whole, none ? 0 : (whole - 1) / items + 1};
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
#define OWN_SUMS 1
#define KEEPS 0
#include "folds_of.h"

#define T double
#define BITS uint64_t
#define A double
#define NAME(name) name##_sum_d
#define TERM WIDE
#define JOIN ADDED
#define EXACT ADDED
#define ODD NEVER
#define OWN_SUMS 0
#define KEEPS 0
#include "folds_of.h"

#define T float
#define BITS uint32_t
#define A double
#define NAME(name) name##_squares_f
#define TERM SQUARE
#define JOIN ADDED
#define EXACT ADDED
#define ODD NEVER
#define OWN_SUMS 0
#define KEEPS 0
#include "folds_of.h"

#define T double
#define BITS uint64_t
#define A double
#define NAME(name) name##_squares_d
#define TERM SQUARE
#define JOIN ADDED
#define EXACT ADDED
#define ODD NEVER
#define OWN_SUMS 0
#define KEEPS 0
#include "folds_of.h"

#define T float
#define BITS uint32_t
#define A float
#define NAME(name) name##_max_f
#define TERM CELL
#define JOIN MORE
#define EXACT larger_f
#define ODD UNORDERED
#define OWN_SUMS 0
#define KEEPS 1
#include "folds_of.h"

#define T double
#define BITS uint64_t
#define A double
#define NAME(name) name##_max_d
#define TERM CELL
#define JOIN MORE
#define EXACT larger_d
#define ODD UNORDERED
#define OWN_SUMS 0
#define KEEPS 1
#include "folds_of.h"

#define T float
#define BITS uint32_t
#define A float
#define NAME(name) name##_min_f
#define TERM CELL
#define JOIN LESS
#define EXACT smaller_f
#define ODD UNORDERED
#define OWN_SUMS 0
#define KEEPS 1
#include "folds_of.h"

#define T double
#define BITS uint64_t
#define A double
#define NAME(name) name##_min_d
#define TERM CELL
#define JOIN LESS
#define EXACT smaller_d
#define ODD UNORDERED
#define OWN_SUMS 0
#define KEEPS 1
#include "folds_of.h"

ptrdiff_t widened_at_once(ptrdiff_t length, ptrdiff_t after)
{
    return MOST(WIDENED, LEAST(length * after, 4 * MOST(after, LANES)));
}

int are_widened(ptrdiff_t length, ptrdiff_t after) { return side_by_side(after, length) > 1; }

/* Reduce items of two bytes: small images several at once, of large ones as many rows as stay in the
 * first-level cache. */
#define FOLD_HALVES(name, A)                                                                        \
    static int fold_##name##_of_halves(const halves *h, const uint16_t *x, A *out, ptrdiff_t before,                 \
                             ptrdiff_t length, ptrdiff_t after)                                     \
    {                                                                                               \
        const ptrdiff_t size = length * after, step = LEAST(WIDENED / size, before);                \
        float *wide = room(widened_at_once(length, after), 1, sizeof(float));                       \
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

#define KEEP_HALVES(name, fold)                                                                   \
    int name(const halves *h, const uint16_t *x, uint16_t *out, ptrdiff_t before,                 \
             ptrdiff_t length, ptrdiff_t after)                                                   \
    {                                                                                             \
        float *kept = room(before, after, sizeof(float));                                         \
        const int result = kept ? fold(h, x, kept, before, length, after) : -1;                   \
        if (!result) h->narrow(kept, out, before * after);                                        \
        free(kept);                                                                               \
        return result;                                                                            \
    }
static KEEP_HALVES(keep_max_halves, fold_max_of_halves)
KEEP_HALVES(fold_min_halves, fold_min_of_halves)

/* Rows that are not put side by side are cells of one window. */
int fold_max_halves(const halves *h, const uint16_t *x, uint16_t *out, ptrdiff_t before,
                    ptrdiff_t length, ptrdiff_t after)
{
    const span first = {0, 1}, all = {0, length};
    const covers s = {before, after, {1, 1, &first}, {1, 1, &first}, {length, 1, &all}};
    const int result = are_widened(length, after) ? NOT_SERVED : covers_in_vectors(h, 0, x, out, &s);
    if (result != NOT_SERVED) return LEAST(result, 0);
    return keep_max_halves(h, x, out, before, length, after);
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

/* Take means of some images at a time, so that the sums are divided while they are in the cache. */
#define FOLD_MEANS(name, T, sum, divide, GIVEN, HANDED)                                          \
    int name(GIVEN const T *x, T *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)      \
    {                                                                                            \
        const ptrdiff_t step = LEAST(MOST(SUMS / after, 1), before);                             \
        double *sums = room(step, after, sizeof(double));                                        \
        int result = sums ? 0 : -1;                                                              \
        for (ptrdiff_t k = 0, some; k < before && result >= 0; k += some) {                      \
            some = LEAST(step, before - k);                                                      \
            if (sum(HANDED x + k * length * after, sums, some, length, after) < 0)               \
                result = -1;                                                                     \
            else                                                                                 \
                result |= divide(HANDED sums, out + k * after, (double)length, some * after);    \
        }                                                                                        \
        free(sums);                                                                              \
        return result;                                                                           \
    }
#define AND ,
FOLD_MEANS(fold_mean_f, float, fold_sum_f, divide_f, , )
FOLD_MEANS(fold_mean_d, double, fold_sum_d, divide_d, , )
FOLD_MEANS(fold_mean_halves, uint16_t, fold_sum_halves, divide_halves, const halves *h AND, h AND)
