/* Sums of distances from what is near, and of their squares, for items of type T. Included by who
 * reduces columns.
 *
 * A sum gets what two rows give together; of eight rows it gets that four times, one after another,
 * and is in a register meanwhile. */

#ifndef COLUMNS
#define COLUMNS 512 /* whose sums stay in the first-level cache, beside some of their rows */
#endif

/* Add eight rows of `n` items that are `step` apart, or two, or one. Without `squares` it is their
 * items that are added. */
static INLINE void NAME(add_away)(const T *restrict x, ptrdiff_t n, ptrdiff_t step, int rows,
                                  int squares, const double *restrict near, double *restrict sums,
                                  double *restrict powers)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double about = squares ? near[i] : 0, a = x[i] - about;
        double sum = sums[i], power = squares ? powers[i] : 0;
        if (rows == 8) {
            const double b = x[i + step] - about, c = x[i + 2 * step] - about;
            const double d = x[i + 3 * step] - about, e = x[i + 4 * step] - about;
            const double f = x[i + 5 * step] - about, g = x[i + 6 * step] - about;
            const double h = x[i + 7 * step] - about;
            sum = sum + (a + b) + (c + d) + (e + f) + (g + h);
            power = power + (a * a + b * b) + (c * c + d * d) + (e * e + f * f) + (g * g + h * h);
        } else if (rows == 2) {
            const double b = x[i + step] - about;
            sum += a + b;
            power += a * a + b * b;
        } else {
            sum += a;
            power += a * a;
        }
        sums[i] = sum;
        if (squares) powers[i] = power;
    }
}

/* Add so many rows of `n` items that are `step` apart, two at once, and `rest` items of one more. */
static INLINE void NAME(add_rows)(const T *x, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t step,
                                  ptrdiff_t rest, int squares, const double *near, double *sums,
                                  double *powers)
{
    for (ptrdiff_t c = 0; c < n; c += COLUMNS) {
        const ptrdiff_t some = LEAST(COLUMNS, n - c), left = MOST(LEAST(rest - c, some), 0);
        const double *from = near + c;
        double *sum = sums + c, *power = powers + c;
        const T *cells = x + c;
        ptrdiff_t i = 0;
        for (; i + 8 <= rows; i += 8, cells += 8 * step)
            NAME(add_away)(cells, some, step, 8, squares, from, sum, power);
        for (; i + 2 <= rows; i += 2, cells += 2 * step)
            NAME(add_away)(cells, some, step, 2, squares, from, sum, power);
        for (; i < rows; i++, cells += step)
            NAME(add_away)(cells, some, step, 1, squares, from, sum, power);
        NAME(add_away)(cells, left, step, 1, squares, from, sum, power);
    }
}
