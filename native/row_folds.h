/* What the lanes of a vector have together, for MANY rows at once: each sum of two is taken where a loop
 * would take it that halves what is left. Included by rows_by.h for each processor. */

/* ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)) of the sums of each row. */
static INLINE FOR void PASTED(fold_d, BITS)(const D sums[MANY][WIDE / LANES_D], int rows, double *to)
{
    const D none = {0};
    D whole = {0};
    for (int j = 0; j < WIDE / LANES_D; j++) {
        const D a = sums[0][j], b = rows > 1 ? sums[1][j] : none;
        const D c = rows > 2 ? sums[2][j] : none, d = rows > 3 ? sums[3][j] : none;
#if BITS == 512
        const D ab = SHUFFLED_D(a, b, 0, 8, 2, 10, 4, 12, 6, 14) + SHUFFLED_D(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
        const D cd = SHUFFLED_D(c, d, 0, 8, 2, 10, 4, 12, 6, 14) + SHUFFLED_D(c, d, 1, 9, 3, 11, 5, 13, 7, 15);
        const D all = SHUFFLED_D(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13) + SHUFFLED_D(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
        whole = all + SHUFFLED_D(all, all, 4, 5, 6, 7, 0, 1, 2, 3);
#else
        const D ab = SHUFFLED_D(a, b, 0, 4, 2, 6) + SHUFFLED_D(a, b, 1, 5, 3, 7);
        const D cd = SHUFFLED_D(c, d, 0, 4, 2, 6) + SHUFFLED_D(c, d, 1, 5, 3, 7);
        const D all = SHUFFLED_D(ab, cd, 0, 1, 4, 5) + SHUFFLED_D(ab, cd, 2, 3, 6, 7);
        if (j) whole += all; else whole = all;
#endif
    }
    memcpy(to, &whole, (size_t)rows * sizeof(double));
}

/* Means in two parts, from these. */
static INLINE FOR void PASTED(in_parts, BITS)(const double *total, int rows, double items, float *high,
                                              float *low)
{
    typedef double QUAD __attribute__((vector_size(32)));
    typedef float FOUR __attribute__((vector_size(16)));
    QUAD mean = {1, 1, 1, 1};
    memcpy(&mean, total, (size_t)rows * sizeof(double));
    mean /= items;
    const FOUR near = __builtin_convertvector(mean, FOUR);
    const FOUR rest = __builtin_convertvector(mean - __builtin_convertvector(near, QUAD), FOUR);
    memcpy(high, &near, (size_t)rows * sizeof(float));
    memcpy(low, &rest, (size_t)rows * sizeof(float));
}

/* Those 8 apart, then 4, 2 and 1, of the sums of each row. */
static INLINE FOR void PASTED(fold_f, BITS)(const F sums[MANY][NARROW / LANES_F], int rows, float *to)
{
    const F none = {0};
#if BITS == 512
    const F a = sums[0][0], b = rows > 1 ? sums[1][0] : none;
    const F c = rows > 2 ? sums[2][0] : none, d = rows > 3 ? sums[3][0] : none;
    const F ab = SHUFFLED_F(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                 SHUFFLED_F(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const F cd = SHUFFLED_F(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                 SHUFFLED_F(c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const F four = SHUFFLED_F(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
                   SHUFFLED_F(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    const F two = four + SHUFFLED_F(four, four, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    const F one = two + SHUFFLED_F(two, two, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    const F whole = SHUFFLED_F(one, one, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
#else
    F a = sums[0][0] + sums[0][1], b = none, c = none, d = none;
    if (rows > 1) b = sums[1][0] + sums[1][1];
    if (rows > 2) c = sums[2][0] + sums[2][1];
    if (rows > 3) d = sums[3][0] + sums[3][1];
    const F ab = SHUFFLED_F(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + SHUFFLED_F(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    const F cd = SHUFFLED_F(c, d, 0, 1, 2, 3, 8, 9, 10, 11) + SHUFFLED_F(c, d, 4, 5, 6, 7, 12, 13, 14, 15);
    const F two = SHUFFLED_F(ab, cd, 0, 1, 4, 5, 8, 9, 12, 13) + SHUFFLED_F(ab, cd, 2, 3, 6, 7, 10, 11, 14, 15);
    const F one = two + SHUFFLED_F(two, two, 1, 0, 3, 2, 5, 4, 7, 6);
    const F whole = SHUFFLED_F(one, one, 0, 2, 4, 6, 0, 2, 4, 6);
#endif
    memcpy(to, &whole, (size_t)rows * sizeof(float));
}
