/* Means of rows of float32, and squares of distances from them. Included by rows_by.h. */

/* Means in two parts: a float, and what it lacks. Item i is added to sum i % 8. What is `ahead` of
 * them is fetched meanwhile. */
static INLINE FOR void BY(means_of)(const float *restrict x, ptrdiff_t items, int rows, float *high,
                                    float *low, ptrdiff_t ahead)
{
    D sums[MANY][WIDE / LANES_D];
    double total[MANY];
    ptrdiff_t i = 0;
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < WIDE / LANES_D; j++) sums[r][j] = (D){0};
    for (; i + 2 * WIDE <= items; i += 2 * WIDE)
        for (int r = 0; r < rows; r++) {
            for (int j = 0; j < 2 * WIDE / LANES_D; j++)
                sums[r][j % (WIDE / LANES_D)] += WIDENED_AT(x + r * items + i + j * LANES_D);
            PREFETCH(x + ahead + r * items + i);
        }
    for (; i + WIDE <= items; i += WIDE)
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < WIDE / LANES_D; j++)
                sums[r][j] += WIDENED_AT(x + r * items + i + j * LANES_D);
    for (int r = 0; r < rows && i < items; r++) {
        double s[WIDE];
        for (int j = 0; j < WIDE / LANES_D; j++) PUT(s + j * LANES_D, sums[r][j]);
        for (ptrdiff_t j = 0; i + j < items; j++) s[j] += x[r * items + i + j];
        for (int j = 0; j < WIDE / LANES_D; j++) sums[r][j] = D_AT(s + j * LANES_D);
    }
    FOLD_D(sums, rows, total);
    IN_PARTS(total, rows, (double)items, high, low);
}

/* Squares of distances from means, which are given in two parts. Of every CHUNK items, item i is added
 * to sum i % NARROW. Where rows are to be written, at `y`, that is fetched meanwhile, and what is
 * `ahead` where that was not done for the means. */
static INLINE FOR void BY(squares_of)(const float *restrict x, ptrdiff_t items, int rows,
                                      const float *high, const float *low, int centered,
                                      double *squares, const float *y, ptrdiff_t ahead)
{
    for (int r = 0; r < rows; r++) squares[r] = 0;
    for (ptrdiff_t start = 0; start < items; start += CHUNK) {
        const ptrdiff_t stop = LEAST(start + CHUNK, items);
        F sums[MANY][NARROW / LANES_F];
        float total[MANY];
        ptrdiff_t i = start;
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < NARROW / LANES_F; j++) sums[r][j] = (F){0};
        for (; i + NARROW <= stop; i += NARROW)
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < NARROW / LANES_F; j++) {
                    const F away = (F_AT(x + r * items + i + j * LANES_F) - high[r]) - low[r];
                    sums[r][j] += away * away;
                }
                PREFETCH_TO_WRITE(y + r * items + i);
                if (!centered) PREFETCH(x + ahead + r * items + i);
            }
        for (int r = 0; r < rows && i < stop; r++) {
            float s[NARROW];
            for (int j = 0; j < NARROW / LANES_F; j++) PUT(s + j * LANES_F, sums[r][j]);
            for (ptrdiff_t j = 0; i + j < stop; j++) {
                const float away = (x[r * items + i + j] - high[r]) - low[r];
                s[j] += away * away;
            }
            for (int j = 0; j < NARROW / LANES_F; j++) sums[r][j] = F_AT(s + j * LANES_F);
        }
        FOLD_F(sums, rows, total);
        for (int r = 0; r < rows; r++) squares[r] += total[r];
    }
}

/* What they give for rows of less than SOME items that are side by side. */
static INLINE FOR void BY(moments_beside)(const float cells[SOME][BESIDE], ptrdiff_t items,
                                          int centered, float *high, float *low, double *squares)
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
