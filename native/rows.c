#include "rows.h"

#include "checked.h"
#include "half_rows.h"

#include <float.h>
#include <math.h>

#define WIDE 8      /* sums that are taken side by side in a long row */
#define NARROW 16   /* float32 sums that are */
#define CHUNK 256   /* items that are added before the sum is added to those before */
#define GROUP 8     /* rows of which the same step is done before the next, of up to SHORT bytes */
#define SOME_ROWS 4 /* of longer ones: a sum waits for the last number added to it, so it is several */
#define SHORT 2048
#define BESIDES (24 << 10) /* bytes of rows beside which as many more stay in the first-level cache */
#define NEAR 4096   /* items that stay in the first-level cache */
#define OWN 32768   /* items of a row of which several stay in a core's own cache */
#define FEW 16      /* items below which rows are worked on side by side */
#define TOGETHER 64 /* rows that are */
#define SOME 24     /* items below which it pays still, by the steps of longer rows */
#define BESIDE 16   /* rows that are, then */

/* Add to a sum that is kept in two parts, so that however many are added none is lost. */
static INLINE void add_exactly(double *total, double *lost, double more)
{
    double sum = *total + more, back = sum - *total;
    *lost += (*total - (sum - back)) + (more - back);
    *total = sum;
}

static INLINE double folded(const double *sums)
{
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/* Those 8 apart, then 4, 2 and 1. */
static INLINE float folded_f(float *sums)
{
    for (int n = NARROW / 2; n; n /= 2)
        for (int j = 0; j < n; j++) sums[j] += sums[j + n];
    return *sums;
}

/* A mean as a float, and what that lacks. */
static INLINE void in_parts(double mean, float *high, float *low)
{
    *high = (float)mean;
    *low = (float)(mean - *high);
}

/* 1 / sqrt(power), of a power that float32 holds: one step of Newton's brings its digits. */
static INLINE double inverse_root_f(double power)
{
    double near = 1 / sqrtf((float)power);
    return near * (1.5 - 0.5 * power * near * near);
}

static INLINE double inverse_root_d(double power) { return 1 / sqrt(power); }

#define T float
#define W double
#define NAME(name) name##_f
#define ROOT sqrt
#define HEAVY 1e30  /* weights from which on what they make may leave the range */
#define LIGHT ((double)FLT_MIN) /* weights below which they have lost digits */
#include "rows_widely_of.h"
#undef T
#undef W
#undef NAME
#undef ROOT
#undef HEAVY
#undef LIGHT

#define T double
#define W long double
#define NAME(name) name##_d
#define ROOT sqrtl
#define HEAVY 1e290
#define LIGHT DBL_MIN
#include "rows_widely_of.h"
#undef T
#undef W
#undef NAME
#undef ROOT
#undef HEAVY
#undef LIGHT

#ifdef __clang__
#define SHUFFLED_D(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define SHUFFLED_F(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLED_D(a, b, ...) __builtin_shuffle(a, b, (PLACES_D){__VA_ARGS__})
#define SHUFFLED_F(a, b, ...) __builtin_shuffle(a, b, (PLACES_F){__VA_ARGS__})
#endif

#ifdef VECTORS
#define BITS 512
#include "rows_by.h"
#define BITS 256
#include "rows_by.h"
#endif
#define BITS 0
#include "rows_by.h"

#ifdef VECTORS
#define BY_VECTORS(name, ...)                                    \
    if (vector_bits == 512) name##_512(__VA_ARGS__);             \
    else if (vector_bits == 256) name##_256(__VA_ARGS__);        \
    else name##_0(__VA_ARGS__);
#else
#define BY_VECTORS(name, ...) name##_0(__VA_ARGS__);
#endif

#define NORMALIZE(letter, T)                                                                       \
    int normalize_rows_##letter(const T *x, T *y, const affine_##letter *a, const size_of *s,      \
                                const weighing *w, ptrdiff_t first, ptrdiff_t rows)                \
    {                                                                                              \
        BY_VECTORS(normalize_rows_##letter, x, y, a, s, w, first, rows)                            \
        return 0;                                                                                  \
    }
NORMALIZE(f, float)
NORMALIZE(d, double)

int normalize_rows_halves(const halves *h, const uint16_t *x, uint16_t *y, const affine_f *a,
                          const size_of *s, const weighing *w, ptrdiff_t first, ptrdiff_t rows)
{
    const ptrdiff_t items = w->channels * w->run, step = LEAST(MOST(NEAR / items, 1), rows);
    const half_loops *l = half_loops_of(h);
    if (l && !a->wide && (items >= SOME || w->groups > 1 || w->run > 1))
        return rows_by_vectors(l, h, x, y, a, s, w, first, rows);
    float *wide = room(step * items, 2, sizeof(float)), *made = wide + step * items;
    if (!wide) return -1;
    for (ptrdiff_t r = 0; r < rows; r += step, x += step * items, y += step * items) {
        const ptrdiff_t some = LEAST(step, rows - r);
        h->widen(x, wide, some * items);
        normalize_rows_f(wide, made, a, s, w, first + r, some);
        h->narrow(made, y, some * items);
    }
    free(wide);
    return 0;
}
