/* The loops of half_loops.h by the vectors of half_vectors.h. Included by half_loops.c, for each
 * processor; `brain` says that items are bfloat16. */

static INLINE FOR void NAME(widen_all)(int brain, const uint16_t *x, float *to, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) STORE_F(to + i, NAME(widen)(brain, LOAD_RAW(x + i)));
    if (i < n) STORE_F(to + i, NAME(take)(brain, x + i, n - i));
}

static INLINE FOR void NAME(scale_runs)(int brain, const uint16_t *x, uint16_t *y, const float *a,
                                        const float *b, const float *c, ptrdiff_t runs,
                                        ptrdiff_t length, ptrdiff_t after)
{
    for (ptrdiff_t r = 0, k = 0; r < runs; r++, k = k + 1 == length ? 0 : k + 1) {
        const V off = SPREAD_F(a[k]), by = SPREAD_F(b[k]), on = SPREAD_F(c[k]);
        /* The last items are read before any is written over, whole vectors of them again. */
        const ptrdiff_t last = after - LANES, some = LEAST(LANES, after);
        const V end = (NAME(take)(brain, x + MOST(last, 0), some) - off) * by + on;
        for (ptrdiff_t i = 0; i < last; i += LANES)
            NAME(put)(brain, y + i, (NAME(take)(brain, x + i, LANES) - off) * by + on, LANES);
        NAME(put)(brain, y + MOST(last, 0), end, some);
        x += after, y += after;
    }
}

static INLINE FOR void NAME(scale_rows)(int brain, const uint16_t *x, uint16_t *y, const float *a,
                                        const float *b, const float *c, ptrdiff_t rows, ptrdiff_t n,
                                        ptrdiff_t step)
{
    for (ptrdiff_t r = 0; r < rows; r++, x += step, y += step) {
        ptrdiff_t i = 0;
        for (; i + LANES <= n; i += LANES) {
            const V away = NAME(take)(brain, x + i, LANES) - LOAD_F(a + i);
            NAME(put)(brain, y + i, away * LOAD_F(b + i) + LOAD_F(c + i), LANES);
        }
        if (i == n) continue;
        const ptrdiff_t some = n - i;
        const V away = NAME(take)(brain, x + i, some) - NAME(load_some_f)(a + i, some);
        NAME(put)(brain, y + i,
                  away * NAME(load_some_f)(b + i, some) + NAME(load_some_f)(c + i, some), some);
    }
}

static INLINE FOR void NAME(scale_along)(int brain, const uint16_t *x, uint16_t *y, const float *a,
                                         const float *b, const float *c, const float *gamma,
                                         const float *beta, ptrdiff_t rows, ptrdiff_t n,
                                         ptrdiff_t step)
{
    for (ptrdiff_t r = 0; r < rows; r++, x += step, y += step) {
        const V factor = SPREAD_F(gamma ? gamma[r] : 1), addend = SPREAD_F(beta ? beta[r] : 0);
        for (ptrdiff_t i = 0; i < n; i += LANES) {
            const ptrdiff_t some = LEAST(LANES, n - i);
            const int whole = some == LANES;
            const V off = whole ? LOAD_F(a + i) : NAME(load_some_f)(a + i, some);
            const V by = whole ? LOAD_F(b + i) : NAME(load_some_f)(b + i, some);
            const V on = whole ? LOAD_F(c + i) : NAME(load_some_f)(c + i, some);
            const V v = (NAME(take)(brain, x + i, some) - off) * by + on;
            NAME(put)(brain, y + i, v * factor + addend, some);
        }
    }
}

#define OF_EIGHT (16 / LANES)  /* vectors D of the 8 sums that a mean is put together from */
#define OF_SQUARES (16 / LANES) /* vectors V of the 16 sums of squares */
#define WIDTH (KEPT_ITEMS + LANES_BEYOND)

/* The numbers of rows from `start` on, `n` of each: widened, unless that was done before. */
static INLINE FOR void NAME(lay_out)(int brain, const uint16_t *x, ptrdiff_t items, int rows,
                                     ptrdiff_t start, ptrdiff_t n, float *wide)
{
    for (int r = 0; r < rows; r++) NAME(widen_all)(brain, x + r * items + start, wide + r * WIDTH, n);
}

/* As mean_of_f: item i is added to sum i % 8. */
static INLINE FOR void NAME(means)(int brain, const uint16_t *x, ptrdiff_t items, int rows,
                                   float *wide, row_values *values)
{
    D sums[TOGETHER_ROWS][OF_EIGHT];
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < OF_EIGHT; j++) sums[r][j] = SPREAD_D(0);
    for (ptrdiff_t start = 0; start < items; start += KEPT_ITEMS) {
        const ptrdiff_t n = LEAST(KEPT_ITEMS, items - start);
        NAME(lay_out)(brain, x, items, rows, start, n, wide);
        for (ptrdiff_t i = 0; i < n; i += 8) /* zeros behind the last item change no sum */
            for (int r = 0; r < rows; r++)
                for (int j = 0; j < OF_EIGHT; j++)
                    sums[r][j] += DOUBLES(wide + r * WIDTH + i + j * (LANES / 2));
    }
    for (int r = 0; r < rows; r++) {
        double s[8];
        for (int j = 0; j < OF_EIGHT; j++) STORE_D(s + j * (LANES / 2), sums[r][j]);
        const double mean = (((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))) /
                            (double)items;
        values[r].high = (float)mean;
        values[r].low = (float)(mean - values[r].high);
    }
}

/* As squares_of_f: item i is added to sum i % 16 of every 256 items. */
static INLINE FOR void NAME(squares)(int brain, const uint16_t *x, ptrdiff_t items, int rows,
                                     int widened, float *wide, const row_values *values,
                                     double *squares, const uint16_t *y)
{
    V high[TOGETHER_ROWS], low[TOGETHER_ROWS];
    for (int r = 0; r < rows; r++)
        high[r] = SPREAD_F(values[r].high), low[r] = SPREAD_F(values[r].low), squares[r] = 0;
    for (ptrdiff_t start = 0; start < items; start += KEPT_ITEMS) {
        const ptrdiff_t n = LEAST(KEPT_ITEMS, items - start);
        if (!widened) NAME(lay_out)(brain, x, items, rows, start, n, wide);
        for (ptrdiff_t first = 0; first < n; first += 256) {
            const ptrdiff_t stop = LEAST(first + 256, n), whole = stop - (stop - first) % 16;
            V sums[TOGETHER_ROWS][OF_SQUARES];
            for (int r = 0; r < rows; r++)
                for (int j = 0; j < OF_SQUARES; j++) sums[r][j] = SPREAD_F(0);
            for (ptrdiff_t i = first; i < whole; i += 16)
                for (int r = 0; r < rows; r++)
                    for (int j = 0; j < OF_SQUARES; j++) {
                        const V cells = LOAD_F(wide + r * WIDTH + i + j * LANES);
                        const V away = (cells - high[r]) - low[r];
                        sums[r][j] += away * away;
                        if (!j) PREFETCH_TO_WRITE(y + r * items + start + i);
                    }
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < OF_SQUARES && whole < stop; j++) {
                    const ptrdiff_t left = stop - whole - j * LANES, some = MOST(left, 0);
                    if (!some) continue;
                    const V cells = LOAD_F(wide + r * WIDTH + whole + j * LANES);
                    const V away = (cells - high[r]) - low[r];
                    const V kept = some < LANES ? NAME(keep_f)(away, some) : away;
                    sums[r][j] += kept * kept;
                }
                squares[r] += NAME(folded)(sums[r]);
            }
        }
    }
}

static INLINE FOR void NAME(moments_of)(int brain, const uint16_t *x, ptrdiff_t items, int rows,
                                        int centered, float *wide, row_values *values,
                                        double *squares, const uint16_t *y)
{
    for (int r = 0; r < rows; r++) values[r].high = values[r].low = 0;
    if (centered) NAME(means)(brain, x, items, rows, wide, values);
    NAME(squares)(brain, x, items, rows, centered && items <= KEPT_ITEMS, wide, values, squares, y);
}

static INLINE FOR void NAME(moments_of_rows)(int brain, const uint16_t *x, const uint16_t *y,
                                             ptrdiff_t items, int rows, int centered, float *wide,
                                             row_values *values, double *squares)
{
    if (rows == TOGETHER_ROWS) /* loops of known length */
        NAME(moments_of)(brain, x, items, TOGETHER_ROWS, centered, wide, values, squares, y);
    else
        NAME(moments_of)(brain, x, items, 1, centered, wide, values, squares, y);
}

static INLINE FOR V NAME(cells_at)(int brain, const uint16_t *x, const float *wide, ptrdiff_t i,
                                   ptrdiff_t n)
{
    return wide ? LOAD_F(wide + i) : NAME(take)(brain, x + i, n);
}

static INLINE FOR void NAME(write_row_from)(int brain, const uint16_t *x, uint16_t *y,
                                            const float *wide, const float *gamma,
                                            const float *beta, const row_values *values, ptrdiff_t n)
{
    const V high = SPREAD_F(values->high), low = SPREAD_F(values->low);
    const V inverse = SPREAD_F(values->inverse);
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const V v = ((NAME(cells_at)(brain, x, wide, i, LANES) - high) - low) * inverse;
        if (wide) PREFETCH(x + i + TOGETHER_ROWS * n);
        NAME(put)(brain, y + i, v * LOAD_F(gamma + i) + LOAD_F(beta + i), LANES);
    }
    if (i == n) return;
    const ptrdiff_t some = n - i;
    const V v = ((NAME(cells_at)(brain, x, wide, i, some) - high) - low) * inverse;
    NAME(put)(brain, y + i,
              v * NAME(load_some_f)(gamma + i, some) + NAME(load_some_f)(beta + i, some), some);
}

static INLINE FOR void NAME(write_row)(int brain, const uint16_t *x, uint16_t *y, const float *wide,
                                       const float *gamma, const float *beta,
                                       const row_values *values, ptrdiff_t n)
{
    if (wide)
        NAME(write_row_from)(brain, x, y, wide, gamma, beta, values, n);
    else
        NAME(write_row_from)(brain, x, y, NULL, gamma, beta, values, n);
}

static INLINE FOR void NAME(write_run_from)(int brain, const uint16_t *x, uint16_t *y,
                                            const float *wide, float gamma, float beta,
                                            const row_values *values, ptrdiff_t n)
{
    const V high = SPREAD_F(values->high), low = SPREAD_F(values->low);
    const V inverse = SPREAD_F(values->inverse), factor = SPREAD_F(gamma), addend = SPREAD_F(beta);
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const V v = ((NAME(cells_at)(brain, x, wide, i, LANES) - high) - low) * inverse;
        if (wide) PREFETCH(x + i + TOGETHER_ROWS * n);
        NAME(put)(brain, y + i, v * factor + addend, LANES);
    }
    if (i == n) return;
    const V v = ((NAME(cells_at)(brain, x, wide, i, n - i) - high) - low) * inverse;
    NAME(put)(brain, y + i, v * factor + addend, n - i);
}

static INLINE FOR void NAME(write_run)(int brain, const uint16_t *x, uint16_t *y, const float *wide,
                                       float gamma, float beta, const row_values *values, ptrdiff_t n)
{
    if (wide)
        NAME(write_run_from)(brain, x, y, wide, gamma, beta, values, n);
    else
        NAME(write_run_from)(brain, x, y, NULL, gamma, beta, values, n);
}

/* Lanes of a block of sums that stay in registers. */
#define BLOCK (LANES == 16 ? 6 : 2)

/* Distances of `n` lanes from `near`; those behind are 0, where they are not all wanted. */
static INLINE FOR D NAME(distances)(const float *cells, D near, ptrdiff_t n, int all)
{
    const D away = DOUBLES(cells) - near;
    return all || n >= LANES / 2 ? away : NAME(keep_d)(away, MOST(n, 0));
}

/* One row, or a part of one, on to `count` vectors of sums. */
static INLINE FOR void NAME(add_one)(const float *cells, ptrdiff_t n, int count, int all,
                                     const double *near, D *sums, D *powers)
{
    for (int g = 0; g < count; g++) {
        const ptrdiff_t at = g * (LANES / 2);
        if (!all && at >= n) continue;
        const D away = NAME(distances)(cells + at, LOAD_D(near + at), n - at, all);
        sums[g] += away;
        powers[g] += away * away;
    }
}

static INLINE FOR void NAME(add_block)(const float *cells, ptrdiff_t rows, ptrdiff_t step,
                                       ptrdiff_t rest, int count, const double *near, double *sum,
                                       double *power, const uint16_t *ahead)
{
    D sums[BLOCK], powers[BLOCK];
    for (int g = 0; g < count; g++)
        sums[g] = LOAD_D(sum + g * (LANES / 2)), powers[g] = LOAD_D(power + g * (LANES / 2));
    ptrdiff_t i = 0;
    for (; i + 2 <= rows; i += 2, cells += 2 * step)
        for (int g = 0; g < count; g++) {
            const D from = LOAD_D(near + g * (LANES / 2));
            const D a = NAME(distances)(cells + g * (LANES / 2), from, 0, 1);
            const D b = NAME(distances)(cells + step + g * (LANES / 2), from, 0, 1);
            sums[g] += a + b;
            powers[g] += a * a + b * b;
            if (g % (32 / LANES) == 0) PREFETCH(ahead + (i * count + 2 * g) * (LANES / 2));
        }
    if (i < rows) {
        NAME(add_one)(cells, 0, count, 1, near, sums, powers);
        cells += step;
    }
    if (rest > 0) NAME(add_one)(cells, rest, count, 0, near, sums, powers);
    for (int g = 0; g < count; g++)
        STORE_D(sum + g * (LANES / 2), sums[g]), STORE_D(power + g * (LANES / 2), powers[g]);
}

static FOR void NAME(add_away)(const float *cells, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t step,
                               ptrdiff_t rest, const double *near, double *sums, double *powers,
                               const uint16_t *ahead)
{
    const ptrdiff_t lanes = BLOCK * (LANES / 2);
    for (ptrdiff_t j = 0; j < n; j += lanes, cells += lanes, ahead += rows * lanes) {
        const ptrdiff_t left = rest - j, vectors = (n - j + LANES / 2 - 1) / (LANES / 2);
        switch (vectors) { /* loops of known length */
        case 1: NAME(add_block)(cells, rows, step, left, 1, near + j, sums + j, powers + j, ahead); break;
#if BLOCK > 2
        case 2: NAME(add_block)(cells, rows, step, left, 2, near + j, sums + j, powers + j, ahead); break;
        case 3: NAME(add_block)(cells, rows, step, left, 3, near + j, sums + j, powers + j, ahead); break;
        case 4: NAME(add_block)(cells, rows, step, left, 4, near + j, sums + j, powers + j, ahead); break;
        case 5: NAME(add_block)(cells, rows, step, left, 5, near + j, sums + j, powers + j, ahead); break;
#endif
        default: NAME(add_block)(cells, rows, step, left, BLOCK, near + j, sums + j, powers + j, ahead);
        }
    }
}

/* `size` items that lie together, in rows of SIDE_BY_SIDE. */
static INLINE FOR void NAME(add_line)(int brain, const uint16_t *x, ptrdiff_t size, float *wide,
                                      double *near, double *sums, double *powers)
{
    const ptrdiff_t piece = WIDENED / (2 * SIDE_BY_SIDE) * (2 * SIDE_BY_SIDE);
    STORE_F(wide, NAME(take)(brain, x, 1));
    const double first = *wide;
    for (ptrdiff_t j = 0; j < SIDE_BY_SIDE; j += LANES / 2) {
        STORE_D(near + j, SPREAD_D(first));
        STORE_D(sums + j, SPREAD_D(0));
        STORE_D(powers + j, SPREAD_D(0));
    }
    for (ptrdiff_t i = 0; i < size; i += piece) {
        const ptrdiff_t n = LEAST(piece, size - i);
        NAME(widen_all)(brain, x + i, wide, n);
        NAME(add_away)(wide, n / SIDE_BY_SIDE, SIDE_BY_SIDE, SIDE_BY_SIDE, n % SIDE_BY_SIDE, near,
                       sums, powers, x + i + n);
    }
}

/* A loop for each type of two bytes, and their table. */
#ifdef OWN_ROUNDING /* of float16, all processors have that */
#define BOTH(loop, parameters, ...) \
    static FOR void NAME(bfloat16_##loop) parameters { NAME(loop)(1, __VA_ARGS__); }
#else
#define BOTH(loop, parameters, ...)                                                               \
    static FOR void NAME(float16_##loop) parameters { NAME(loop)(0, __VA_ARGS__); }               \
    static FOR void NAME(bfloat16_##loop) parameters { NAME(loop)(1, __VA_ARGS__); }
#endif
BOTH(widen_all, (const uint16_t *x, float *to, ptrdiff_t n), x, to, n)
BOTH(add_line,
     (const uint16_t *x, ptrdiff_t size, float *wide, double *near, double *sums, double *powers),
     x, size, wide, near, sums, powers)
BOTH(scale_runs,
     (const uint16_t *x, uint16_t *y, const float *a, const float *b, const float *c, ptrdiff_t runs,
      ptrdiff_t length, ptrdiff_t after),
     x, y, a, b, c, runs, length, after)
BOTH(scale_rows,
     (const uint16_t *x, uint16_t *y, const float *a, const float *b, const float *c, ptrdiff_t rows,
      ptrdiff_t n, ptrdiff_t step),
     x, y, a, b, c, rows, n, step)
BOTH(scale_along,
     (const uint16_t *x, uint16_t *y, const float *a, const float *b, const float *c,
      const float *gamma, const float *beta, ptrdiff_t rows, ptrdiff_t n, ptrdiff_t step),
     x, y, a, b, c, gamma, beta, rows, n, step)
BOTH(moments_of_rows,
     (const uint16_t *x, const uint16_t *y, ptrdiff_t items, int rows, int centered, float *wide,
      row_values *values, double *squares),
     x, y, items, rows, centered, wide, values, squares)
BOTH(write_row,
     (const uint16_t *x, uint16_t *y, const float *wide, const float *gamma, const float *beta,
      const row_values *values, ptrdiff_t n),
     x, y, wide, gamma, beta, values, n)
BOTH(write_run,
     (const uint16_t *x, uint16_t *y, const float *wide, float gamma, float beta,
      const row_values *values, ptrdiff_t n),
     x, y, wide, gamma, beta, values, n)

#define TABLE(kind)                                                                               \
    {                                                                                             \
        NAME(kind##_widen_all), NAME(kind##_scale_runs), NAME(kind##_scale_rows),                 \
            NAME(kind##_scale_along), NAME(kind##_moments_of_rows), NAME(kind##_write_row),       \
            NAME(kind##_write_run), NAME(kind##_add_line), NAME(add_away),                        \
    }
#ifdef OWN_ROUNDING
static const half_loops NAME(loops) = TABLE(bfloat16);
#else
static const half_loops NAME(loops)[2] = {TABLE(float16), TABLE(bfloat16)};
#endif

#undef BOTH
#undef TABLE
#undef BLOCK
#undef WIDTH
#undef OF_EIGHT
#undef OF_SQUARES
