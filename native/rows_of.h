/* The loops over rows of rows.h, for items of type T and one processor. Included by rows_by.h. */

#if BITS
#define V_AT(from) (*(const V *)(const void *)(from))
static INLINE FOR void BY(write_vector)(const T *restrict x, T *restrict y, const T *gamma,
                                      const T *beta, T high, T low, T inverse)
{
    V made = ((V_AT(x) - high) - low) * inverse;
    if (gamma) made *= V_AT(gamma);
    if (beta) made += V_AT(beta);
    PUT(y, made);
}
#undef V_AT

/* Vectors are written so that each is in one line of the cache, but for the first and the last, parts
 * of which others write too. */
static INLINE FOR void BY(write_vectors)(const T *restrict x, T *restrict y, const T *gamma,
                                       const T *beta, T high, T low, T inverse, ptrdiff_t items)
{
    const ptrdiff_t last = items - LANES, line = LANES - (ptrdiff_t)((uintptr_t)y / sizeof(T) % LANES);
    BY(write_vector)(x, y, gamma, beta, high, low, inverse);
    for (ptrdiff_t i = line; i < last; i += LANES)
        BY(write_vector)(x + i, y + i, gamma ? gamma + i : NULL, beta ? beta + i : NULL, high, low, inverse);
    BY(write_vector)(x + last, y + last, gamma ? gamma + last : NULL, beta ? beta + last : NULL, high, low,
                     inverse);
}
#endif

static INLINE FOR void BY(write_row)(const T *restrict x, T *restrict y, const T *gamma,
                                   const T *beta, T high, T low, T inverse, ptrdiff_t items)
{
#if BITS
    if (items >= LANES) {
        if (gamma && beta)
            BY(write_vectors)(x, y, gamma, beta, high, low, inverse, items);
        else if (gamma)
            BY(write_vectors)(x, y, gamma, NULL, high, low, inverse, items);
        else if (beta)
            BY(write_vectors)(x, y, NULL, beta, high, low, inverse, items);
        else
            BY(write_vectors)(x, y, NULL, NULL, high, low, inverse, items);
        return;
    }
#endif
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

/* The same, where items share a weight with their neighbours. */
static INLINE FOR void BY(write_runs)(const T *restrict x, T *restrict y, const T *gamma,
                                    const T *beta, T high, T low, T inverse, ptrdiff_t channels,
                                    ptrdiff_t run)
{
    for (ptrdiff_t c = 0; c < channels; c++, x += run, y += run) {
        T factor = gamma ? gamma[c] : 1;
        if (beta)
            for (ptrdiff_t i = 0; i < run; i++)
                y[i] = ((x[i] - high) - low) * inverse * factor + beta[c];
        else
            for (ptrdiff_t i = 0; i < run; i++) y[i] = ((x[i] - high) - low) * inverse * factor;
    }
}

/* Moments of `rows` rows, which are as many as sums are taken of together, or less: a step of all of
 * them after the other. */
static INLINE FOR void BY(moments_of)(const T *restrict x, ptrdiff_t items, ptrdiff_t rows, int centered,
                                      T *high, T *low, double *squares, const T *y, ptrdiff_t ahead)
{
    ptrdiff_t k = 0;
    for (; k + MANY <= rows && centered; k += MANY) /* loops of known length */
        BY(means_of)(x + k * items, items, MANY, high + k, low + k, ahead);
    for (; k + 2 <= rows && MANY > 2 && centered; k += 2)
        BY(means_of)(x + k * items, items, 2, high + k, low + k, ahead);
    for (; k < rows && centered; k++)
        BY(means_of)(x + k * items, items, 1, high + k, low + k, ahead);
    for (k = 0; k + MANY <= rows; k += MANY)
        BY(squares_of)(x + k * items, items, MANY, high + k, low + k, centered, squares + k,
                       y + k * items, ahead);
    for (; k + 2 <= rows && MANY > 2; k += 2)
        BY(squares_of)(x + k * items, items, 2, high + k, low + k, centered, squares + k,
                       y + k * items, ahead);
    for (; k < rows; k++)
        BY(squares_of)(x + k * items, items, 1, high + k, low + k, centered, squares + k,
                       y + k * items, ahead);
}

/* Up to GROUP rows, a step of all of them after the other: so none waits for its own last one. Those
 * that come `ahead` items later are fetched meanwhile, where that is not 0. */
static INLINE FOR void BY(normalize_long)(const T *restrict x, T *restrict y,
                                        const NAME(affine) *a, const size_of *s,
                                        const weighing *w, ptrdiff_t first, ptrdiff_t rows,
                                        ptrdiff_t ahead)
{
    ptrdiff_t items = w->channels * w->run;
    double squares[GROUP], power[GROUP];
    T high[GROUP], low[GROUP], inverse[GROUP];
    for (int r = 0; r < GROUP; r++) high[r] = low[r] = 0, squares[r] = 0;
    if (s->centered)
        BY(moments_of)(x, items, rows, 1, high, low, squares, y, ahead);
    else
        BY(moments_of)(x, items, rows, 0, high, low, squares, y, ahead);
    const double weight = s->weight, epsilon = s->epsilon, least = s->least;
    for (int r = 0; r < GROUP; r++) {
        power[r] = squares[r] * weight + epsilon;
        power[r] = power[r] < least ? least : power[r];
        inverse[r] = (T)(1.0 / sqrt(power[r]));
    }
    for (ptrdiff_t r = 0; r < rows; r++, x += items, y += items) {
        ptrdiff_t at = w->groups == 1 ? 0 : (first + r) % w->groups * w->channels;
        const T *gamma = a->gamma ? a->gamma + at : NULL, *beta = a->beta ? a->beta + at : NULL;
        if (a->wide || !(squares[r] < LARGE && power[r] > SMALL && power[r] < GREAT))
            NAME(normalize_widely)(x, y, a, s, w, at);
        else if (w->run == 1)
            BY(write_row)(x, y, gamma, beta, high[r], low[r], inverse[r], items);
        else
            BY(write_runs)(x, y, gamma, beta, high[r], low[r], inverse[r], w->channels, w->run);
    }
}

/* BESIDE rows of FEW items or more, less than SOME, each with weights of its own, side by side: the
 * steps, and so the bytes, are those of normalize_long. */
static INLINE FOR void BY(normalize_beside)(const T *restrict x, T *restrict y,
                                          const NAME(affine) *a, const size_of *s,
                                          ptrdiff_t items)
{
    T cells[SOME][BESIDE], high[BESIDE], low[BESIDE], inverse[BESIDE];
    double squares[BESIDE], power[BESIDE];
    int any = a->wide;
    for (ptrdiff_t r = 0; r < BESIDE; r++)
        for (ptrdiff_t i = 0; i < items; i++) cells[i][r] = x[r * items + i];
    BY(moments_beside)((const T(*)[BESIDE])cells, items, s->centered, high, low, squares);
    for (int r = 0; r < BESIDE; r++) {
        power[r] = squares[r] * s->weight + s->epsilon;
        power[r] = power[r] < s->least ? s->least : power[r];
        inverse[r] = (T)(1.0 / sqrt(power[r]));
        any |= !((squares[r] < LARGE) & (power[r] > SMALL) & (power[r] < GREAT));
    }
    for (ptrdiff_t i = 0; i < items; i++)
        for (int r = 0; r < BESIDE; r++)
            cells[i][r] = ((cells[i][r] - high[r]) - low[r]) * inverse[r];
    for (ptrdiff_t i = 0; i < items && a->gamma; i++)
        for (int r = 0; r < BESIDE; r++) cells[i][r] *= a->gamma[i];
    for (ptrdiff_t i = 0; i < items && a->beta; i++)
        for (int r = 0; r < BESIDE; r++) cells[i][r] += a->beta[i];
    for (ptrdiff_t r = 0; r < BESIDE; r++)
        for (ptrdiff_t i = 0; i < items; i++) y[r * items + i] = cells[i][r];
    const weighing whole = {1, items, 1};
    for (ptrdiff_t r = 0; r < BESIDE && any; r++)
        if (a->wide || !(squares[r] < LARGE && power[r] > SMALL && power[r] < GREAT))
            NAME(normalize_widely)(x + r * items, y + r * items, a, s, &whole, 0);
}

/* Up to TOGETHER rows of the same few items, which have weights of their own. Float64 holds what is
 * between an item and its result. */
static INLINE FOR void BY(normalize_short)(const T *restrict x, T *restrict y,
                                         const NAME(affine) *a, const size_of *s,
                                         ptrdiff_t rows, ptrdiff_t items)
{
    double cells[FEW][TOGETHER], inverse[TOGETHER], squares[TOGETHER] = {0};
    T powers[TOGETHER];
    const double part = 1.0 / (double)items;
    const double weight = s->weight, epsilon = s->epsilon, least = s->least;
    int any = a->wide;
    if (rows == TOGETHER)
        for (ptrdiff_t r = 0; r < TOGETHER; r++)
            for (ptrdiff_t i = 0; i < items; i++) cells[i][r] = x[r * items + i];
    else
        for (ptrdiff_t r = 0; r < TOGETHER; r++)
            for (ptrdiff_t i = 0; i < items; i++) cells[i][r] = r < rows ? x[r * items + i] : 0;
    /* The second time it is the error of the mean that is taken off. */
    for (int times = s->centered ? CENTERINGS : 0; times; times--) {
        double mean[TOGETHER] = {0};
        for (ptrdiff_t i = 0; i < items; i++)
            for (int r = 0; r < TOGETHER; r++) mean[r] += cells[i][r];
        for (ptrdiff_t i = 0; i < items; i++)
            for (int r = 0; r < TOGETHER; r++) cells[i][r] -= mean[r] * part;
    }
    for (ptrdiff_t i = 0; i < items; i++)
        for (int r = 0; r < TOGETHER; r++) squares[r] += cells[i][r] * cells[i][r];
    for (int r = 0; r < TOGETHER; r++) {
        double power = squares[r] * weight + epsilon;
        power = power < least ? least : power;
        powers[r] = (T)power;
        inverse[r] = NAME(inverse_root)(power);
    }
    for (int r = 0; r < TOGETHER; r++) any |= !((powers[r] > (T)SMALL) & (powers[r] < (T)GREAT));
    for (ptrdiff_t i = 0; i < items; i++) {
        double factor = a->gamma ? a->gamma[i] : 1, addend = a->beta ? a->beta[i] : 0;
        for (int r = 0; r < TOGETHER; r++) cells[i][r] = cells[i][r] * inverse[r] * factor + addend;
    }
    if (rows == TOGETHER)
        for (ptrdiff_t r = 0; r < TOGETHER; r++)
            for (ptrdiff_t i = 0; i < items; i++) y[r * items + i] = (T)cells[i][r];
    else
        for (ptrdiff_t r = 0; r < rows; r++)
            for (ptrdiff_t i = 0; i < items; i++) y[r * items + i] = (T)cells[i][r];
    const weighing whole = {1, items, 1};
    for (ptrdiff_t r = 0; r < rows && any; r++)
        if (a->wide || !((powers[r] > (T)SMALL) & (powers[r] < (T)GREAT)))
            NAME(normalize_widely)(x + r * items, y + r * items, a, s, &whole, 0);
}

static FOR void BY(normalize_rows)(const T *x, T *y, const NAME(affine) *a, const size_of *s,
                               const weighing *w, ptrdiff_t first, ptrdiff_t rows)
{
    ptrdiff_t items = w->channels * w->run;
    const int alike = w->groups == 1 && w->run == 1; /* rows have the same weights, one for an item */
    const int few = alike && items < FEW, beside = alike && items >= FEW && items < SOME;
    const ptrdiff_t bytes = items * (ptrdiff_t)sizeof(T);
    ptrdiff_t step = few ? TOGETHER : bytes <= SHORT ? GROUP : items <= OWN ? SOME_ROWS : 1;
    if (step == SOME_ROWS && step * bytes > BESIDES && !s->centered) step = 2; /* they wait for one sum less */
    ptrdiff_t r = 0;
    for (; beside && r + BESIDE <= rows; r += BESIDE)
        if (items == 16)
            BY(normalize_beside)(x + r * items, y + r * items, a, s, 16);
        else
            BY(normalize_beside)(x + r * items, y + r * items, a, s, items);
    for (; r < rows; r += step) {
        const T *from = x + r * items;
        T *to = y + r * items;
        ptrdiff_t some = LEAST(step, rows - r);
        ptrdiff_t near = step * bytes <= BESIDES && rows - r >= 2 * step ? step * items : 0;
        switch (few ? items : FEW) { /* loops of known length for the fewest items */
        case 1: BY(normalize_short)(from, to, a, s, some, 1); break;
        case 2: BY(normalize_short)(from, to, a, s, some, 2); break;
        case 3: BY(normalize_short)(from, to, a, s, some, 3); break;
        case 4: BY(normalize_short)(from, to, a, s, some, 4); break;
        case FEW: BY(normalize_long)(from, to, a, s, w, first + r, some, near); break;
        default: BY(normalize_short)(from, to, a, s, some, items);
        }
    }
}
