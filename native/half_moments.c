/* Means, and sums of squared distances from them, of items of two bytes. */
#include "checked.h"
#include "half_loops.h"

#define COLUMNS 1024 /* of a tile: rows of more are cut, so that several of them stay in cache */
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
            const uint16_t *from = x + r * step + first, *ahead = from + these * step;
            if (apart == step)
                l->widen(from, wide, these * n);
            else
                for (ptrdiff_t k = 0; k < these; k++) l->widen(from + k * step, wide + k * apart, width);
            if (last && left > 0 && these < some) /* there is room for the part of a row, too */
                l->widen(from + these * step, wide + these * apart, left);
            const ptrdiff_t more = last && these < some ? MOST(left, 0) : 0;
            l->add_away(wide, these, width, apart, more, near + first, sums + first, powers + first,
                        ahead);
            if (!last || left <= 0 || these < some) continue;
            l->widen(from + these * step, wide, left);
            l->add_away(wide, 0, width, apart, left, near + first, sums + first, powers + first,
                        ahead);
        }
    }
}

/* What the sums of some images are made of: `side` rows side by side, of (length, after) items. */
typedef struct {
    ptrdiff_t length, after, side;
} images;

/* Sums of rows side by side are put together, and the mean of the distances taken off. Those of the
 * next image are `apart` behind those of one. */
static void conclude(const images *s, ptrdiff_t count, const double *sums, const double *powers,
                     const double *near, ptrdiff_t apart, double *mean, double *squares)
{
    for (ptrdiff_t j = 0; j < s->after; j++) {
        double total[IMAGES] = {0}, power[IMAGES] = {0};
        for (ptrdiff_t r = 0; r < s->side; r++)
            for (int k = 0; k < IMAGES; k++) {
                total[k] += sums[k * apart + r * s->after + j];
                power[k] += powers[k * apart + r * s->after + j];
            }
        for (ptrdiff_t k = 0; k < count; k++) {
            const double shift = total[k] / (double)s->length;
            mean[k * s->after + j] = near[k * apart + j] + shift;
            power[k] -= total[k] * shift;
            squares[k * s->after + j] = power[k] < 0 ? 0 : power[k]; /* NaN stays */
        }
    }
}

/* The first row of an image, once for each that is side by side. */
static void begin_at(const float *row, ptrdiff_t after, ptrdiff_t n, double *near)
{
    if (after == 1) {
        for (ptrdiff_t j = 0; j < n; j++) near[j] = *row;
        return;
    }
    for (ptrdiff_t j = 0; j < after; j++) near[j] = row[j];
    for (ptrdiff_t j = after; j < n; j *= 2) /* as many as there are, again */
        memcpy(near + j, near, (size_t)LEAST(j, n - j) * sizeof *near);
}

int moments_by_vectors(const half_loops *l, const uint16_t *x, double *mean, double *squares,
                       ptrdiff_t before, ptrdiff_t length, ptrdiff_t after, ptrdiff_t side,
                       const places_of_images *at)
{
    const images s = {length, after, side};
    const ptrdiff_t n = side * after, size = length * after, rows = size / n;
    const int lies_together = after == 1 && n == SIDE_BY_SIDE;
    const ptrdiff_t apart = (n / LANES_BEYOND + 2) * LANES_BEYOND, most = MOST(WIDENED, after);
    double *memory = room(apart, 3 * IMAGES + 1, sizeof(double)), *sums = from_line(memory);
    float *floats = room(most + 3 * LANES_BEYOND, 1, sizeof(float)), *wide = from_line(floats);
    if (!memory || !floats) return free(memory), free(floats), -1;
    double *powers = sums + IMAGES * apart, *near = powers + IMAGES * apart;
    for (ptrdiff_t i = 0; i < WIDENED + 2 * LANES_BEYOND; i++) wide[i] = 0; /* lanes beyond are read, too */
    for (ptrdiff_t k = 0; k < IMAGES * apart; k++) near[k] = 0;
    for (ptrdiff_t i = 0; i < before; i += IMAGES) {
        const ptrdiff_t some = LEAST(IMAGES, before - i);
        for (ptrdiff_t k = 0; k < 2 * IMAGES * apart && !lies_together; k++) sums[k] = 0;
        for (ptrdiff_t k = 0; k < some; k++) {
            const ptrdiff_t turn = (i + k) / at->together, place = (i + k) % at->together;
            const uint16_t *cells = x + turn * at->apart + place * size;
            double *own = near + k * apart;
            if (lies_together) {
                l->add_line(cells, size, wide, own, sums + k * apart, powers + k * apart);
                continue;
            }
            l->widen(cells, wide, after);
            begin_at(wide, after, n, own);
            add_halves_away(l, cells, rows, n, n, size - rows * n, own, sums + k * apart,
                            powers + k * apart, wide);
        }
        conclude(&s, some, sums, powers, near, apart, mean + i * after, squares + i * after);
    }
    free(memory);
    free(floats);
    return 0;
}
