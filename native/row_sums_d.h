/* Means of rows of float64, and squares of distances from them. Included by rows_by.h. */

/* Means, as good as one pass gives them; what they lack is found by squares_of. Of every CHUNK items,
 * item i is added to sum i % WIDE. */
static INLINE FOR void BY(means_of)(const double *restrict x, ptrdiff_t items, int rows,
                                    double *high, double *low, ptrdiff_t ahead)
{
    double total[MANY] = {0}, lost[MANY] = {0};
    for (ptrdiff_t start = 0; start < items; start += CHUNK) {
        const ptrdiff_t stop = LEAST(start + CHUNK, items);
        D sums[MANY][WIDE / LANES_D];
        ptrdiff_t i = start;
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < WIDE / LANES_D; j++) sums[r][j] = (D){0};
        for (; i + WIDE <= stop; i += WIDE)
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < WIDE / LANES_D; j++)
                    sums[r][j] += D_AT(x + r * items + i + j * LANES_D);
                PREFETCH(x + ahead + r * items + i);
            }
        for (int r = 0; r < rows && i < stop; r++) {
            double s[WIDE];
            for (int j = 0; j < WIDE / LANES_D; j++) PUT(s + j * LANES_D, sums[r][j]);
            for (ptrdiff_t j = 0; i + j < stop; j++) s[j] += x[r * items + i + j];
            for (int j = 0; j < WIDE / LANES_D; j++) sums[r][j] = D_AT(s + j * LANES_D);
        }
        double some[MANY];
        FOLD_D(sums, rows, some);
        for (int r = 0; r < rows; r++) add_exactly(total + r, lost + r, some[r]);
    }
    for (int r = 0; r < rows; r++) {
        high[r] = (total[r] + lost[r]) / (double)items;
        low[r] = 0;
    }
}

/* Squares of distances from means, and the means of these distances: Chan, Golub and LeVeque's
 * corrected two-pass algorithm. */
static INLINE FOR void BY(squares_of)(const double *restrict x, ptrdiff_t items, int rows,
                                      const double *high, double *low, int centered, double *squares,
                                      const double *y, ptrdiff_t ahead)
{
    double total[MANY] = {0}, lost[MANY] = {0}, power[MANY] = {0}, gone[MANY] = {0};
    for (ptrdiff_t start = 0; start < items; start += CHUNK) {
        const ptrdiff_t stop = LEAST(start + CHUNK, items);
        D sums[MANY][WIDE / LANES_D], powers[MANY][WIDE / LANES_D];
        ptrdiff_t i = start;
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < WIDE / LANES_D; j++) sums[r][j] = powers[r][j] = (D){0};
        for (; i + WIDE <= stop; i += WIDE)
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < WIDE / LANES_D; j++) {
                    const D away = D_AT(x + r * items + i + j * LANES_D) - high[r];
                    sums[r][j] += away;
                    powers[r][j] += away * away;
                }
                PREFETCH_TO_WRITE(y + r * items + i);
                if (!centered) PREFETCH(x + ahead + r * items + i);
            }
        for (int r = 0; r < rows && i < stop; r++) {
            double s[WIDE], p[WIDE];
            for (int j = 0; j < WIDE / LANES_D; j++) {
                PUT(s + j * LANES_D, sums[r][j]);
                PUT(p + j * LANES_D, powers[r][j]);
            }
            for (ptrdiff_t j = 0; i + j < stop; j++) {
                const double away = x[r * items + i + j] - high[r];
                s[j] += away;
                p[j] += away * away;
            }
            for (int j = 0; j < WIDE / LANES_D; j++)
                sums[r][j] = D_AT(s + j * LANES_D), powers[r][j] = D_AT(p + j * LANES_D);
        }
        double some[MANY], more[MANY];
        FOLD_D(sums, rows, some);
        FOLD_D(powers, rows, more);
        for (int r = 0; r < rows; r++) {
            add_exactly(total + r, lost + r, some[r]);
            add_exactly(power + r, gone + r, more[r]);
        }
    }
    for (int r = 0; r < rows; r++) {
        squares[r] = power[r] + gone[r];
        if (!centered) continue;
        low[r] = (total[r] + lost[r]) / (double)items;
        squares[r] -= low[r] * (total[r] + lost[r]);
        squares[r] = squares[r] < 0 ? 0 : squares[r]; /* NaN stays */
    }
}

/* What they give for rows of less than SOME items that are side by side. */
static INLINE FOR void BY(moments_beside)(const double cells[SOME][BESIDE], ptrdiff_t items,
                                          int centered, double *high, double *low, double *squares)
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
