#include "rows.h"

#include <math.h>

#define WIDE 8       /* float64 sums that are taken side by side in a long row */
#define NARROW 16    /* float32 sums that are */
#define CHUNK 256    /* items of which squares are added in float32 */
#define GROUP 8      /* rows of which the same step is done before the next */
#define NEAR 4096    /* items that stay in the first-level cache */
#define FEW 16       /* items below which rows are worked on side by side */
#define TOGETHER 64  /* rows that are */
#define LARGE 1e36   /* sums of squares from which on float32 may have lost some */
#define SMALL 1e-24  /* divisors below which it may have */
#define GREAT 1e37   /* divisors from which on, with a large epsilon, their inverse may have */

/* What to divide a row by, squared, from the sum of its squares. */
static INLINE double power_of(double squares, const size_of *s)
{
    double power = squares * s->weight + s->epsilon;
    return power < s->least ? s->least : power; /* NaN stays, which no comparison is true of */
}

static INLINE double mean_of(const float *restrict x, ptrdiff_t items)
{
    double sums[WIDE] = {0};
    ptrdiff_t i = 0;
    for (; i + WIDE <= items; i += WIDE)
        for (int j = 0; j < WIDE; j++) sums[j] += x[i + j];
    for (int j = 0; i < items; i++, j++) sums[j] += x[i];
    return (((sums[0] + sums[1]) + (sums[2] + sums[3])) +
            ((sums[4] + sums[5]) + (sums[6] + sums[7]))) / (double)items;
}

/* One row, in float64. */
static void normalize_widely(const float *restrict x, float *restrict y, const float *gamma,
                             const float *beta, const size_of *s, ptrdiff_t items)
{
    double mean = s->centered ? mean_of(x, items) : 0, squares = 0;
    for (ptrdiff_t i = 0; i < items; i++) squares += (x[i] - mean) * (x[i] - mean);
    double inverse = 1.0 / sqrt(power_of(squares, s));
    for (ptrdiff_t i = 0; i < items; i++) {
        double a = (x[i] - mean) * inverse * (gamma ? gamma[i] : 1);
        /* The sign of a sum of NaNs depends on the loop. */
        y[i] = inverse != inverse ? NAN : (float)(beta ? a + beta[i] : a);
    }
}

/* Squares of distances from a mean, which is given in two parts. */
static INLINE double squares_of(const float *restrict x, float high, float low, ptrdiff_t items)
{
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

static INLINE void write_row(const float *restrict x, float *restrict y, const float *gamma,
                             const float *beta, float high, float low, float inverse,
                             ptrdiff_t items)
{
    if (gamma && beta)
        for (ptrdiff_t i = 0; i < items; i++)
            y[i] = ((x[i] - high) - low) * inverse * gamma[i] + beta[i];
    else if (gamma)
        for (ptrdiff_t i = 0; i < items; i++) y[i] = ((x[i] - high) - low) * inverse * gamma[i];
    else if (beta)
        for (ptrdiff_t i = 0; i < items; i++) y[i] = ((x[i] - high) - low) * inverse + beta[i];
    else
        for (ptrdiff_t i = 0; i < items; i++) y[i] = ((x[i] - high) - low) * inverse;
}

/* Up to GROUP rows, a step of all of them after the other: so none waits for its own last one. */
static INLINE void normalize_long(const float *restrict x, float *restrict y, const float *gamma,
                                  const float *beta, const size_of *s, ptrdiff_t rows,
                                  ptrdiff_t items)
{
    double squares[GROUP], power[GROUP];
    float high[GROUP], low[GROUP], inverse[GROUP];
    for (ptrdiff_t r = 0; r < rows; r++) {
        double mean = s->centered ? mean_of(x + r * items, items) : 0;
        high[r] = (float)mean;
        low[r] = (float)(mean - high[r]);
    }
    for (ptrdiff_t r = 0; r < rows; r++)
        squares[r] = squares_of(x + r * items, high[r], low[r], items);
    for (ptrdiff_t r = 0; r < rows; r++) {
        power[r] = power_of(squares[r], s);
        inverse[r] = (float)(1.0 / sqrt(power[r]));
    }
    for (ptrdiff_t r = 0; r < rows; r++, x += items, y += items)
        if (squares[r] < LARGE && power[r] > SMALL && power[r] < GREAT)
            write_row(x, y, gamma, beta, high[r], low[r], inverse[r], items);
        else
            normalize_widely(x, y, gamma, beta, s, items);
}

/* Up to TOGETHER rows of the same few items. */
static INLINE void normalize_short(const float *restrict x, float *restrict y, const float *gamma,
                                   const float *beta, const size_of *s, ptrdiff_t rows,
                                   ptrdiff_t items)
{
    float cells[FEW][TOGETHER] = {{0}}, mean[TOGETHER] = {0}, squares[TOGETHER] = {0};
    float inverse[TOGETHER];
    const float weight = (float)s->weight, epsilon = (float)s->epsilon, least = (float)s->least;
    int lost[TOGETHER], any = 0;
    if (rows == TOGETHER)
        for (ptrdiff_t r = 0; r < TOGETHER; r++)
            for (ptrdiff_t i = 0; i < items; i++) cells[i][r] = x[r * items + i];
    else
        for (ptrdiff_t r = 0; r < rows; r++)
            for (ptrdiff_t i = 0; i < items; i++) cells[i][r] = x[r * items + i];
    if (s->centered) {
        const float part = (float)(1.0 / (double)items);
        for (ptrdiff_t i = items - 1; i >= 0; i--)
            for (int r = 0; r < TOGETHER; r++) {
                cells[i][r] -= cells[0][r];
                mean[r] += cells[i][r];
            }
        for (int r = 0; r < TOGETHER; r++) mean[r] *= part;
    }
    for (ptrdiff_t i = 0; i < items; i++)
        for (int r = 0; r < TOGETHER; r++) {
            cells[i][r] -= mean[r];
            squares[r] += cells[i][r] * cells[i][r];
        }
    for (int r = 0; r < TOGETHER; r++) {
        float power = squares[r] * weight + epsilon;
        power = power < least ? least : power;
        inverse[r] = 1 / sqrtf(power);
        lost[r] = !(squares[r] < (float)LARGE) | !(power > (float)SMALL) | !(power < (float)GREAT);
        any |= lost[r];
    }
    for (ptrdiff_t i = 0; i < items; i++) {
        float factor = gamma ? gamma[i] : 1, addend = beta ? beta[i] : 0;
        for (int r = 0; r < TOGETHER && gamma; r++) cells[i][r] = cells[i][r] * inverse[r] * factor;
        for (int r = 0; r < TOGETHER && !gamma; r++) cells[i][r] *= inverse[r];
        for (int r = 0; r < TOGETHER && beta; r++) cells[i][r] += addend;
    }
    if (rows == TOGETHER)
        for (ptrdiff_t r = 0; r < TOGETHER; r++)
            for (ptrdiff_t i = 0; i < items; i++) y[r * items + i] = cells[i][r];
    else
        for (ptrdiff_t r = 0; r < rows; r++)
            for (ptrdiff_t i = 0; i < items; i++) y[r * items + i] = cells[i][r];
    for (ptrdiff_t r = 0; r < rows && any; r++)
        if (lost[r]) normalize_widely(x + r * items, y + r * items, gamma, beta, s, items);
}

LOOP void normalize(const float *x, float *y, const float *gamma, const float *beta,
                    const size_of *s, ptrdiff_t rows, ptrdiff_t items)
{
    ptrdiff_t step = items < FEW ? TOGETHER : MOST(LEAST(NEAR / items, GROUP), 1);
    for (ptrdiff_t r = 0; r < rows; r += step) {
        const float *from = x + r * items;
        float *to = y + r * items;
        ptrdiff_t some = LEAST(step, rows - r);
        switch (items < FEW ? items : FEW) { /* loops of known length for the fewest items */
        case 1: normalize_short(from, to, gamma, beta, s, some, 1); break;
        case 2: normalize_short(from, to, gamma, beta, s, some, 2); break;
        case 3: normalize_short(from, to, gamma, beta, s, some, 3); break;
        case 4: normalize_short(from, to, gamma, beta, s, some, 4); break;
        case FEW: normalize_long(from, to, gamma, beta, s, some, items); break;
        default: normalize_short(from, to, gamma, beta, s, some, items);
        }
    }
}
