/* Means, and sums of squared distances from them, of items of two bytes. */
#include "checked.h"
#include "half_loops.h"
#include "spread.h"

#define COLUMNS 512 /* of a tile: rows of more are cut, so that several of them stay in cache */
#define IMAGES 4    /* whose sums are put together at once */

void add_halves_away(const half_loops *l, const uint16_t *x, ptrdiff_t rows, ptrdiff_t n,
                     ptrdiff_t step, ptrdiff_t rest, const double *near, double *sums,
                     double *powers, float *wide)
{
    for (ptrdiff_t first = 0; first < n; first += COLUMNS) {
        const ptrdiff_t width = LEAST(COLUMNS, n - first), left = LEAST(rest - first, width);
        /* Rows in one piece are widened in one piece. */
        const ptrdiff_t apart = n == step && width == n ? n : (width + 15) / 16 * 16;
        const ptrdiff_t some = WIDENED / apart / 2 * 2;
        for (ptrdiff_t r = 0; r == 0 || r < rows; r += some) {
            const ptrdiff_t these = LEAST(some, rows - r);
            const int last = r + these == rows;
            const uint16_t *from = x + r * step + first;
            if (apart == step)
                l->widen(from, wide, these * n);
            else
                for (ptrdiff_t k = 0; k < these; k++) l->widen(from + k * step, wide + k * apart, width);
            if (last && left > 0 && these < some) /* there is room for the part of a row, too */
                l->widen(from + these * step, wide + these * apart, left);
            const ptrdiff_t more = last && these < some ? MOST(left, 0) : 0;
            l->add_away(wide, these, width, apart, more, near + first, sums + first, powers + first);
            if (!last || left <= 0 || these < some) continue;
            l->widen(from + these * step, wide, left);
            l->add_away(wide, 0, width, apart, left, near + first, sums + first, powers + first);
        }
    }
}

typedef struct {
    const half_loops *l;
    const uint16_t *x;
    double *mean, *squares;
    ptrdiff_t length, after, side;
} moments_call;

/* Sums of `side` rows side by side are put together, and the mean of the distances taken off. */
static void conclude(const moments_call *c, ptrdiff_t image, ptrdiff_t count, const double *sums,
                     const double *powers, const double *near, ptrdiff_t width)
{
    for (ptrdiff_t j = 0; j < c->after; j++) {
        double total[IMAGES] = {0}, power[IMAGES] = {0};
        for (ptrdiff_t r = 0; r < c->side; r++)
            for (int k = 0; k < IMAGES; k++) {
                total[k] += sums[k * width + r * c->after + j];
                power[k] += powers[k * width + r * c->after + j];
            }
        for (ptrdiff_t k = 0; k < count; k++) {
            const ptrdiff_t at = (image + k) * c->after + j;
            const double shift = total[k] / (double)c->length;
            c->mean[at] = near[k * width + j] + shift;
            power[k] -= total[k] * shift;
            c->squares[at] = power[k] < 0 ? 0 : power[k]; /* NaN stays */
        }
    }
}

static int moments_part(const void *given, ptrdiff_t first, ptrdiff_t images)
{
    const moments_call *c = given;
    const ptrdiff_t n = c->side * c->after, size = c->length * c->after, rows = size / n;
    const ptrdiff_t width = n + LANES_BEYOND, several = LEAST(IMAGES, images);
    double *sums = room(width, 3 * IMAGES, sizeof(double));
    float *wide = room(MOST(WIDENED_ROOM, c->after + LANES_BEYOND), 1, sizeof(float));
    if (!sums || !wide) return free(sums), free(wide), -1;
    double *powers = sums + IMAGES * width, *near = powers + IMAGES * width;
    for (ptrdiff_t i = 0; i < WIDENED_ROOM; i++) wide[i] = 0;
    for (ptrdiff_t k = 0; k < 3 * IMAGES * width; k++) sums[k] = 0;
    for (ptrdiff_t i = 0; i < images; i += several) {
        const ptrdiff_t some = LEAST(several, images - i);
        for (ptrdiff_t k = 0; k < 2 * IMAGES * width; k++) sums[k] = 0;
        for (ptrdiff_t k = 0; k < some; k++) {
            const uint16_t *image = c->x + (first + i + k) * size;
            double *own = near + k * width;
            c->l->widen(image, wide, c->after);
            for (ptrdiff_t r = 0; r < c->side; r++)
                for (ptrdiff_t j = 0; j < c->after; j++) own[r * c->after + j] = wide[j];
            add_halves_away(c->l, image, rows, n, n, size - rows * n, own, sums + k * width,
                            powers + k * width, wide);
        }
        conclude(c, first + i, some, sums, powers, near, width);
    }
    free(sums);
    free(wide);
    return 0;
}

int moments_by_vectors(const half_loops *l, const uint16_t *x, double *mean, double *squares,
                       ptrdiff_t before, ptrdiff_t length, ptrdiff_t after, ptrdiff_t side)
{
    const moments_call call = {l, x, mean, squares, length, after, side};
    return spread(moments_part, &call, before, length * after * (ptrdiff_t)sizeof(uint16_t));
}
