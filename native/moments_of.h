/* Sums of distances from what is near, and of their squares, for items of type T. Included by
 * moments.c.
 *
 * A sum gets what two rows give together; of eight rows it gets that four times, one after another,
 * and is in a register meanwhile. */

/* Add eight rows of `n` items, or two, or one. */
static INLINE void NAME(add_away)(const T *restrict x, ptrdiff_t n, int rows,
                                  const double *restrict near, double *restrict sums,
                                  double *restrict powers)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double about = near[i], a = x[i] - about;
        double sum = sums[i], power = powers[i];
        if (rows == 8) {
            const double b = x[i + n] - about, c = x[i + 2 * n] - about;
            const double d = x[i + 3 * n] - about, e = x[i + 4 * n] - about;
            const double f = x[i + 5 * n] - about, g = x[i + 6 * n] - about;
            const double h = x[i + 7 * n] - about;
            sum = sum + (a + b) + (c + d) + (e + f) + (g + h);
            power = power + (a * a + b * b) + (c * c + d * d) + (e * e + f * f) + (g * g + h * h);
        } else if (rows == 2) {
            const double b = x[i + n] - about;
            sum += a + b;
            power += a * a + b * b;
        } else {
            sum += a;
            power += a * a;
        }
        sums[i] = sum, powers[i] = power;
    }
}

/* Add `size` items up, in rows of `n`: two rows at once, and what is left at the end. */
static INLINE void NAME(add_rows)(const T *x, ptrdiff_t n, ptrdiff_t size, const double *near,
                                  double *sums, double *powers)
{
    ptrdiff_t i = 0;
    for (; i + 8 * n <= size; i += 8 * n) NAME(add_away)(x + i, n, 8, near, sums, powers);
    for (; i + 2 * n <= size; i += 2 * n) NAME(add_away)(x + i, n, 2, near, sums, powers);
    for (; i + n <= size; i += n) NAME(add_away)(x + i, n, 1, near, sums, powers);
    NAME(add_away)(x + i, size - i, 1, near, sums, powers);
}

#undef T
#undef NAME
