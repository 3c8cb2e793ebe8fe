#include "sums.h"

#ifdef VECTORS
#include <immintrin.h>

#define FOR __attribute__((target("avx2")))
#define WIDE 4 /* items of a vector */
#define LINE 16 /* items that come from memory together */
#define AHEAD (32 * LINE) /* of those that are added up: what is in a farther cache comes in time */
#define FAR_AHEAD (64 * LINE) /* the same of what may be in no cache */

FOR static INLINE __m256d widened(const float *x)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(x));
}

FOR static INLINE __m256d added(__m256d a, __m256d b)
{
    return _mm256_add_pd(a, b);
}

/* Four rows, `step` items from one to the next. */
FOR static INLINE __m256d four_rows(const float *x, ptrdiff_t step)
{
    return added(added(widened(x), widened(x + step)),
                 added(widened(x + 2 * step), widened(x + 3 * step)));
}

static INLINE double four_items(const float *x, ptrdiff_t step)
{
    return ((double)x[0] + (double)x[step]) + ((double)x[2 * step] + (double)x[3 * step]);
}

FOR static INLINE void few_of(const float *x, int n, ptrdiff_t count, int begin, double *to)
{
    __m256d all[6];
    for (int i = 0; i < n / WIDE; i++)
        all[i] = begin ? four_rows(x + i * WIDE, n) : _mm256_loadu_pd(to + i * WIDE);
    for (ptrdiff_t row = begin ? 4 : 0; row < count; row += 4)
        for (int i = 0; i < n / WIDE; i++)
            all[i] = added(all[i], four_rows(x + row * n + i * WIDE, n));
    for (int i = 0; i < n / WIDE; i++) _mm256_storeu_pd(to + i * WIDE, all[i]);
}

FOR void sum_few(const float *x, ptrdiff_t n, ptrdiff_t count, int begin, double *to)
{
    if (n == 16)
        few_of(x, 16, count, begin, to);
    else
        few_of(x, 24, count, begin, to);
}

/* Put at most GROUPS of four rows of each image into registers. */
FOR static INLINE void groups_of(const float *x, int images, ptrdiff_t size, int n, ptrdiff_t count,
                                 __m256d *to)
{
    const int each = n / WIDE;
    for (int i = 0; i < images * each; i++)
        to[i] = four_rows(x + i / each * size + i % each * WIDE, n);
    for (ptrdiff_t row = 4; row < count; row += 4)
        for (int m = 0; m < images; m++) {
            const float *rows = x + m * size + row * n;
            for (int i = 0; i < 4 * n / LINE; i++) PREFETCH(rows + AHEAD + i * LINE);
            for (int i = 0; i < each; i++)
                to[m * each + i] = added(to[m * each + i], four_rows(rows + i * WIDE, n));
        }
}

FOR static INLINE void images_of(const float *x, int images, ptrdiff_t size, int n, ptrdiff_t count,
                                 double *to)
{
    __m256d all[PAIR * 6], some[PAIR * 6];
    groups_of(x, images, size, n, LEAST(4 * GROUPS, count), all);
    for (ptrdiff_t row = 4 * GROUPS; row < count; row += 4 * GROUPS) {
        groups_of(x + row * n, images, size, n, LEAST(4 * GROUPS, count - row), some);
        for (int i = 0; i < images * n / WIDE; i++) all[i] = added(all[i], some[i]);
    }
    for (int i = 0; i < images * n / WIDE; i++) _mm256_storeu_pd(to + i * WIDE, all[i]);
}

FOR void sum_pair(const float *x, int images, ptrdiff_t size, ptrdiff_t n, ptrdiff_t count, double *to)
{
    if (n == 16) /* loops of known length */
        images == 1 ? images_of(x, 1, size, 16, count, to) : images_of(x, PAIR, size, 16, count, to);
    else
        images == 1 ? images_of(x, 1, size, 24, count, to) : images_of(x, PAIR, size, 24, count, to);
}

/* Join so many times four rows and so many rows, or put them into `to`. */
FOR static INLINE void apart_of(const float *restrict x, ptrdiff_t step, int fours, int ones,
                                int begin, int asks, double *restrict to, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + WIDE <= n; i += WIDE) {
        const float *cell = x + i;
        for (int k = 0; asks && k < 4 * fours + ones && i % LINE == 0; k++)
            PREFETCH(cell + k * step + FAR_AHEAD);
        __m256d all = begin ? widened(cell) : _mm256_loadu_pd(to + i);
        for (int k = 0; k < fours; k++) {
            const __m256d four = four_rows(cell + 4 * k * step, step);
            all = begin && !k ? four : added(all, four);
        }
        for (int k = begin && !fours; k < ones; k++)
            all = added(all, widened(cell + (4 * fours + k) * step));
        _mm256_storeu_pd(to + i, all);
    }
    for (; i < n; i++) {
        const float *cell = x + i;
        double all = begin ? cell[0] : to[i];
        for (int k = 0; k < fours; k++) {
            const double four = four_items(cell + 4 * k * step, step);
            all = begin && !k ? four : all + four;
        }
        for (int k = begin && !fours; k < ones; k++) all += (double)cell[(4 * fours + k) * step];
        to[i] = all;
    }
}

FOR static INLINE ptrdiff_t some_apart(const float *x, ptrdiff_t step, ptrdiff_t count, int begin,
                                       int asks, double *to, ptrdiff_t n)
{
    switch (count) { /* loops of known length */
    case 1: apart_of(x, step, 0, 1, begin, asks, to, n); return 1;
    case 2: apart_of(x, step, 0, 2, begin, asks, to, n); return 2;
    case 3: apart_of(x, step, 0, 3, begin, asks, to, n); return 3;
    case 4: apart_of(x, step, 1, 0, begin, asks, to, n); return 4;
    case 5: apart_of(x, step, 1, 1, begin, asks, to, n); return 5;
    case 6: apart_of(x, step, 1, 2, begin, asks, to, n); return 6;
    case 7: apart_of(x, step, 1, 3, begin, asks, to, n); return 7;
    default: apart_of(x, step, 2, 0, begin, asks, to, n); return 8;
    }
}

FOR void sum_apart(const float *x, ptrdiff_t step, ptrdiff_t count, int begin, int asks, double *to,
                   ptrdiff_t n)
{
    ptrdiff_t row = begin ? some_apart(x, step, count, 1, asks, to, n) : 0;
    while (row < count) row += some_apart(x + row * step, step, count - row, 0, asks, to, n);
}

FOR void sum_abreast(const float *restrict x, ptrdiff_t image, ptrdiff_t n, int begin,
                     double *restrict to, ptrdiff_t apart)
{
    for (ptrdiff_t i = 0; i + WIDE <= n; i += WIDE)
        for (int m = 0; m < ABREAST; m++) {
            for (int k = 0; k < 4 && 4 * n <= FAR_AHEAD && i % LINE == 0; k++)
                PREFETCH(x + m * image + k * n + i + FAR_AHEAD);
            const __m256d four = four_rows(x + m * image + i, n);
            double *at = to + m * apart + i;
            _mm256_storeu_pd(at, begin ? four : added(_mm256_loadu_pd(at), four));
        }
}

#else
void sum_few(const float *x, ptrdiff_t n, ptrdiff_t count, int begin, double *to)
{
    (void)x, (void)n, (void)count, (void)begin, (void)to;
}

void sum_pair(const float *x, int images, ptrdiff_t size, ptrdiff_t n, ptrdiff_t count, double *to)
{
    (void)x, (void)images, (void)size, (void)n, (void)count, (void)to;
}

void sum_apart(const float *x, ptrdiff_t step, ptrdiff_t count, int begin, int asks, double *to,
                   ptrdiff_t n)
{
    (void)x, (void)step, (void)count, (void)begin, (void)asks, (void)to, (void)n;
}

void sum_abreast(const float *restrict x, ptrdiff_t image, ptrdiff_t n, int begin,
                 double *restrict to, ptrdiff_t apart)
{
    (void)x, (void)image, (void)n, (void)begin, (void)to, (void)apart;
}
#endif
