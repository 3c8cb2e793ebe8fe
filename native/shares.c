#include "shares.h"

#include "folds.h"
#include "powers.h"

#include <math.h>

#define TILE (1 << 14)   /* items whose powers are held at once, where images are small */
#define SAFE_POWER 6     /* up to which powers of float stay in the range of double */
#define LEAST_SUM 0x1p-900 /* sums of powers from here on have lost no digit */

/* What is divided by, of some images: norms, units in which they are measured, and memory. */
typedef struct {
    double *powers, *norms, *units;
} found;

static INLINE double root(double sum, double p)
{
    return p == 1 ? sum : p == 2 ? sqrt(sum) : pow(sum, 1 / p);
}

static INLINE double power(double share, double p)
{
    return p == 1 ? share : p == 2 ? share * share : pow(share, p);
}

static INLINE double divisor_of(double most) { return most > 0 && most < INFINITY ? most : 1; }

/* Norms of magnitudes of one image, by shares of the largest; of the smallest where p is negative. */
static int by_shares(double *magnitudes, const norming *n, double *norms, double *units)
{
    const ptrdiff_t length = n->length, after = n->after;
    const double p = n->order;
    if ((p > 0 ? fold_max_d : fold_min_d)(magnitudes, units, 1, length, after) < 0) return -1;
    if (!isinf(p)) {
        for (ptrdiff_t i = 0; i < length; i++)
            for (ptrdiff_t j = 0; j < after; j++) {
                double *const item = magnitudes + i * after + j;
                *item = power(*item / divisor_of(units[j]), p);
            }
        if (fold_sum_d(magnitudes, norms, 1, length, after) < 0) return -1;
    }
    for (ptrdiff_t j = 0; j < after; j++) {
        const double most = units[j], share = isinf(p) ? 1 : root(norms[j], p);
        const int is_plain = most > 0 && most < INFINITY;
        norms[j] = is_plain ? most * share : most;
        const int is_lost = is_plain && isinf(norms[j]); /* shares are in range where the norm is not */
        if (is_lost) norms[j] = share;
        units[j] = is_lost ? most : 1;
    }
    return 0;
}

/* Divide columns of one image; where `units` is null they are all 1. */
#define DIVIDE(T, letter)                                                                          \
    LOOP static void divide_row_##letter(const T *restrict x, T *restrict y, ptrdiff_t n, double by) \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (T)(x[i] / by);                                   \
    }                                                                                              \
    LOOP static void divide_each_##letter(const T *restrict x, T *restrict y, ptrdiff_t n,         \
                                          const double *restrict by)                               \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (T)(x[i] / by[i]);                                \
    }                                                                                              \
    static void divide_image_##letter(const T *x, T *y, const norming *n, double *norms,           \
                                      const double *units)                                         \
    {                                                                                              \
        const ptrdiff_t after = n->after;                                                          \
        int are_plain = 1;                                                                         \
        for (ptrdiff_t j = 0; j < after; j++) {                                                    \
            if (!isnan(norms[j])) norms[j] = MOST(norms[j], n->least);                             \
            if (units) are_plain &= units[j] == 1;                                                 \
        }                                                                                          \
        if (!are_plain)                                                                            \
            for (ptrdiff_t i = 0; i < n->length * after; i++)                                      \
                y[i] = (T)(x[i] / units[i % after] / norms[i % after]);                            \
        else if (after == 1)                                                                       \
            divide_row_##letter(x, y, n->length, *norms);                                          \
        else                                                                                       \
            for (ptrdiff_t i = 0; i < n->length; i++)                                              \
                divide_each_##letter(x + i * after, y + i * after, after, norms);                  \
    }                                                                                              \
    static void magnitudes_##letter(const T *restrict x, double *restrict to, ptrdiff_t n)         \
    {                                                                                              \
        for (ptrdiff_t i = 0; i < n; i++) to[i] = fabs((double)x[i]);                              \
    }                                                                                              \
    /* Whether no power of an image has lost digits: then its norms are there. */                  \
    static int by_powers_##letter(const T *x, const norming *n, ptrdiff_t images, const found *f)  \
    {                                                                                              \
        const ptrdiff_t count = images * n->after;                                                 \
        const int is_safe = n->order == 1 || (sizeof(T) == sizeof(float) && n->order <= SAFE_POWER); \
        int lost = powers_##letter(x, f->powers, count * n->length, n->order);                     \
        if (fold_sum_d(f->powers, f->norms, images, n->length, n->after) < 0) return -1;           \
        for (ptrdiff_t i = 0; i < count; i++) lost |= !(f->norms[i] >= LEAST_SUM);                 \
        if (is_safe) lost = 0;                                                                     \
        for (ptrdiff_t i = 0; i < count; i++) {                                                    \
            f->norms[i] = root(f->norms[i], n->order);                                             \
            lost |= !isfinite(f->norms[i]);                                                        \
        }                                                                                          \
        return !lost;                                                                              \
    }                                                                                              \
    static int one_image_##letter(const T *x, T *y, const norming *n, const found *f)              \
    {                                                                                              \
        const ptrdiff_t items = n->length * n->after;                                              \
        if (n->order > 0 && !isinf(n->order)) {                                                    \
            const int result = by_powers_##letter(x, n, 1, f);                                     \
            if (result < 0) return result;                                                         \
            if (result) {                                                                          \
                divide_image_##letter(x, y, n, f->norms, NULL);                                    \
                return 0;                                                                          \
            }                                                                                      \
        }                                                                                          \
        if (n->order == 0) {                                                                       \
            for (ptrdiff_t i = 0; i < items; i++) f->powers[i] = x[i] != 0;                        \
            if (fold_sum_d(f->powers, f->norms, 1, n->length, n->after) < 0) return -1;            \
            divide_image_##letter(x, y, n, f->norms, NULL);                                        \
            return 0;                                                                              \
        }                                                                                          \
        magnitudes_##letter(x, f->powers, items);                                                  \
        if (by_shares(f->powers, n, f->norms, f->units) < 0) return -1;                            \
        divide_image_##letter(x, y, n, f->norms, f->units);                                        \
        return 0;                                                                                  \
    }                                                                                              \
    int divide_by_norms_##letter(const T *x, T *y, const norming *n, ptrdiff_t images)             \
    {                                                                                              \
        const ptrdiff_t items = n->length * n->after, after = n->after;                            \
        const ptrdiff_t most = LEAST(MOST(TILE / items, 1), images);                               \
        double *const memory = room(most, items + 2 * after, sizeof(double));                      \
        if (!memory) return -1;                                                                    \
        const found f = {memory, memory + most * items, memory + most * (items + after)};          \
        int result = 0;                                                                            \
        for (ptrdiff_t some; result >= 0 && images > 0;                                            \
             images -= some, x += some * items, y += some * items) {                               \
            some = LEAST(most, images);                                                            \
            int are_known = 0;                                                                     \
            if (some > 1 && n->order > 0 && !isinf(n->order))                                      \
                are_known = by_powers_##letter(x, n, some, &f);                                    \
            if (are_known < 0) result = are_known;                                                 \
            for (ptrdiff_t i = 0; result >= 0 && i < some; i++)                                    \
                if (are_known)                                                                     \
                    divide_image_##letter(x + i * items, y + i * items, n, f.norms + i * after, NULL); \
                else                                                                               \
                    result = one_image_##letter(x + i * items, y + i * items, n, &f);              \
        }                                                                                          \
        free(memory);                                                                              \
        return result;                                                                             \
    }

DIVIDE(float, f)
DIVIDE(double, d)
