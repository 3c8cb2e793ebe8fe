#include "rows.h"

#include "checked.h"
#include "half_rows.h"

#include <float.h>
#include <math.h>

#define WIDE 8      /* sums that are taken side by side in a long row */
#define NARROW 16   /* float32 sums that are */
#define CHUNK 256   /* items that are added before the sum is added to those before */
#define GROUP 8     /* rows of which the same step is done before the next */
#define NEAR 4096   /* items that stay in the first-level cache */
#define FEW 16      /* items below which rows are worked on side by side */
#define TOGETHER 64 /* rows that are */
#define SOME 24     /* items below which it pays still, by the steps of longer rows */
#define BESIDE 16   /* rows that are, then */

/* The mean in two parts: a float, and what it lacks. */
static INLINE void mean_of_f(const float *restrict x, ptrdiff_t items, float *high, float *low)
{
    double sums[WIDE] = {0};
    ptrdiff_t i = 0;
    for (; i + WIDE <= items; i += WIDE)
        for (int j = 0; j < WIDE; j++) sums[j] += x[i + j];
    for (int j = 0; i < items; i++, j++) sums[j] += x[i];
    double mean = (((sums[0] + sums[1]) + (sums[2] + sums[3])) +
                   ((sums[4] + sums[5]) + (sums[6] + sums[7]))) / (double)items;
    *high = (float)mean;
    *low = (float)(mean - *high);
}

/* Squares of distances from a mean, which is given in two parts. */
static INLINE double squares_of_f(const float *restrict x, float high, const float *lower,
                                  int centered, ptrdiff_t items)
{
    (void)centered;
    const float low = *lower;
    double total = 0;
    for (ptrdiff_t start = 0; start < items; start += CHUNK) {
        float sums[NARROW] = {0};
        ptrdiff_t i = start, stop = LEAST(start + CHUNK, items);
        for (; i + NARROW <= stop; i += NARROW)
            for (int j = 0; j < NARROW; j++) {
                float a = (x[i + j] - high) - low;
                sums[j] += a * a;
            }
        for (int j = 0; i < stop; i++, j++) {
            float a = (x[i] - high) - low;
            sums[j] += a * a;
        }
        for (int n = NARROW / 2; n; n /= 2)
            for (int j = 0; j < n; j++) sums[j] += sums[j + n];
        total += sums[0];
    }
    return total;
}

/* What mean_of_f and squares_of_f give for rows of less than SOME items that are side by side. */
static INLINE void moments_beside_f(const float cells[SOME][BESIDE], ptrdiff_t items, int centered,
                                    float *high, float *low, double *squares)
{
    double sums[WIDE][BESIDE] = {{0}};
    float powers[NARROW][BESIDE] = {{0}};
    for (ptrdiff_t i = 0; i < items && centered; i++)
        for (int r = 0; r < BESIDE; r++) sums[i % WIDE][r] += cells[i][r];
    for (int r = 0; r < BESIDE; r++) {
        double mean = (((sums[0][r] + sums[1][r]) + (sums[2][r] + sums[3][r])) +
                       ((sums[4][r] + sums[5][r]) + (sums[6][r] + sums[7][r]))) / (double)items;
        high[r] = (float)mean;
        low[r] = (float)(mean - high[r]);
    }
    for (ptrdiff_t i = 0; i < items; i++)
        for (int r = 0; r < BESIDE; r++) {
            float a = (cells[i][r] - high[r]) - low[r];
            powers[i % NARROW][r] += a * a;
        }
    for (int n = NARROW / 2; n; n /= 2)
        for (int j = 0; j < n; j++)
            for (int r = 0; r < BESIDE; r++) powers[j][r] += powers[j + n][r];
    for (int r = 0; r < BESIDE; r++) squares[r] = powers[0][r];
}

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

/* The mean, as good as one pass gives it; what it lacks is found by squares_of_d. */
static INLINE void mean_of_d(const double *restrict x, ptrdiff_t items, double *high, double *low)
{
    double total = 0, lost = 0;
    for (ptrdiff_t start = 0; start < items; start += CHUNK) {
        double sums[WIDE] = {0};
        ptrdiff_t i = start, stop = LEAST(start + CHUNK, items);
        for (; i + WIDE <= stop; i += WIDE)
            for (int j = 0; j < WIDE; j++) sums[j] += x[i + j];
        for (int j = 0; i < stop; i++, j++) sums[j] += x[i];
        add_exactly(&total, &lost, folded(sums));
    }
    *high = (total + lost) / (double)items;
    *low = 0;
}

/* Squares of distances from the mean, and the mean of these distances: Chan, Golub and LeVeque's
 * corrected two-pass algorithm. */
static INLINE double squares_of_d(const double *restrict x, double high, double *low, int centered,
                                  ptrdiff_t items)
{
    double total = 0, lost = 0, power = 0, gone = 0;
    for (ptrdiff_t start = 0; start < items; start += CHUNK) {
        double sums[WIDE] = {0}, squares[WIDE] = {0};
        ptrdiff_t i = start, stop = LEAST(start + CHUNK, items);
        for (; i + WIDE <= stop; i += WIDE)
            for (int j = 0; j < WIDE; j++) {
                double a = x[i + j] - high;
                sums[j] += a;
                squares[j] += a * a;
            }
        for (int j = 0; i < stop; i++, j++) {
            double a = x[i] - high;
            sums[j] += a;
            squares[j] += a * a;
        }
        add_exactly(&total, &lost, folded(sums));
        add_exactly(&power, &gone, folded(squares));
    }
    power += gone;
    if (!centered) return power;
    *low = (total + lost) / (double)items;
    power -= *low * (total + lost);
    return power < 0 ? 0 : power; /* NaN stays */
}

/* 1 / sqrt(power), of a power that float32 holds: one step of Newton's brings its digits. */
static INLINE double inverse_root_f(double power)
{
    double near = 1 / sqrtf((float)power);
    return near * (1.5 - 0.5 * power * near * near);
}

/* What mean_of_d and squares_of_d give for such rows. */
static INLINE void moments_beside_d(const double cells[SOME][BESIDE], ptrdiff_t items, int centered,
                                    double *high, double *low, double *squares)
{
    double sums[WIDE][BESIDE] = {{0}}, powers[WIDE][BESIDE] = {{0}};
    for (ptrdiff_t i = 0; i < items && centered; i++)
        for (int r = 0; r < BESIDE; r++) sums[i % WIDE][r] += cells[i][r];
    for (int r = 0; r < BESIDE; r++) {
        double total = ((sums[0][r] + sums[1][r]) + (sums[2][r] + sums[3][r])) +
                       ((sums[4][r] + sums[5][r]) + (sums[6][r] + sums[7][r]));
        high[r] = total / (double)items;
        low[r] = 0;
    }
    for (int j = 0; j < WIDE; j++)
        for (int r = 0; r < BESIDE; r++) sums[j][r] = 0;
    for (ptrdiff_t i = 0; i < items; i++)
        for (int r = 0; r < BESIDE; r++) {
            double a = cells[i][r] - high[r];
            sums[i % WIDE][r] += a;
            powers[i % WIDE][r] += a * a;
        }
    for (int r = 0; r < BESIDE; r++) {
        double total = ((sums[0][r] + sums[1][r]) + (sums[2][r] + sums[3][r])) +
                       ((sums[4][r] + sums[5][r]) + (sums[6][r] + sums[7][r]));
        double power = ((powers[0][r] + powers[1][r]) + (powers[2][r] + powers[3][r])) +
                       ((powers[4][r] + powers[5][r]) + (powers[6][r] + powers[7][r]));
        double shift = centered ? total / (double)items : 0;
        double about = power - shift * total;
        low[r] = shift;
        squares[r] = !centered ? power : about < 0 ? 0 : about; /* NaN stays */
    }
}

static INLINE double inverse_root_d(double power) { return 1 / sqrt(power); }

#define T float
#define W double
#define NAME(name) name##_f
#define ROOT sqrt
#define CENTERINGS 1
#define HEAVY 1e30  /* weights from which on what they make may leave the range */
#define LIGHT ((double)FLT_MIN) /* weights below which they have lost digits */
#define LARGE LARGE_F
#define SMALL SMALL_F
#define GREAT GREAT_F
#include "rows_of.h"
#undef T
#undef W
#undef NAME
#undef ROOT
#undef CENTERINGS
#undef HEAVY
#undef LIGHT
#undef LARGE
#undef SMALL
#undef GREAT

#define T double
#define W long double
#define NAME(name) name##_d
#define ROOT sqrtl
#define CENTERINGS 2
#define HEAVY 1e290
#define LIGHT DBL_MIN
#define LARGE 1e300
#define SMALL 1e-270
#define GREAT 1e300
#include "rows_of.h"

int rows_of_halves(const halves *h, const uint16_t *x, uint16_t *y, const double *gamma,
                   const double *beta, const size_of *s, const weighing *w, ptrdiff_t rows)
{
    const ptrdiff_t items = w->channels * w->run, step = LEAST(MOST(NEAR / items, 1), rows);
    affine_f a;
    float *wide = room(step * items, 2, sizeof(float)), *made = wide + step * items;
    if (!wide) return -1;
    if (prepare_f(&a, gamma, beta, w->groups * w->channels) < 0) return free(wide), -1;
    const half_loops *l = half_loops_of(h);
    if (l && !a.wide && (items >= SOME || w->groups > 1 || w->run > 1)) {
        const int result = rows_by_vectors(l, h, x, y, &a, s, w, rows);
        free(a.memory);
        free(wide);
        return result;
    }
    for (ptrdiff_t r = 0; r < rows; r += step, x += step * items, y += step * items) {
        const ptrdiff_t some = LEAST(step, rows - r);
        h->widen(x, wide, some * items);
        normalize_rows_f(wide, made, &a, s, w, r, some);
        h->narrow(made, y, some * items);
    }
    free(a.memory);
    free(wide);
    return 0;
}
