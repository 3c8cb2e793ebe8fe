/* The loops over rows of rows.h, for items of type T, whose squares type W holds. Included by
 * rows.c. */

/* What to divide a row by, squared, from the sum of its squares. */
static INLINE W NAME(power_of)(W squares, const size_of *s)
{
    W power = squares * (W)s->weight + (W)s->epsilon;
    return power < (W)s->least ? (W)s->least : power; /* NaN stays: no comparison is true of it */
}

int NAME(prepare)(NAME(affine) *a, const double *gamma, const double *beta, ptrdiff_t count)
{
    const double *given[2] = {gamma, beta};
    T *made[2] = {0};
    a->wide = 0, a->memory = NULL;
    for (int k = 0; k < 2; k++) {
        int changes = 0;
        for (ptrdiff_t i = 0; given[k] && i < count; i++) {
            double away = fabs(given[k][i]);
            changes |= given[k][i] != !k;
            a->wide |= (away >= HEAVY) | (away != away) | ((away < LIGHT) & (away > 0));
        }
        if (!changes) given[k] = NULL;
    }
    if ((given[0] || given[1]) && sizeof(T) != sizeof(double)) {
        T *cells = a->memory = room(count, 2, sizeof(T));
        if (!cells) return -1;
        for (int k = 0; k < 2; k++) {
            made[k] = given[k] ? cells + k * count : NULL;
            for (ptrdiff_t i = 0; given[k] && i < count; i++) made[k][i] = (T)given[k][i];
        }
    }
    a->gammas = given[0], a->betas = given[1];
    a->gamma = sizeof(T) == sizeof(double) ? (const void *)given[0] : made[0];
    a->beta = sizeof(T) == sizeof(double) ? (const void *)given[1] : made[1];
    return 0;
}

/* One row, in the wider type; its weights begin at `at`. */
static INLINE void NAME(normalize_widely)(const T *restrict x, T *restrict y,
                                          const NAME(affine) *a, const size_of *s,
                                          const weighing *w, ptrdiff_t at)
{
    ptrdiff_t items = w->channels * w->run;
    W mean = 0, squares = 0;
    for (ptrdiff_t i = 0; s->centered && i < items; i++) mean += x[i];
    mean /= (W)items;
    for (ptrdiff_t i = 0; i < items; i++) squares += (x[i] - mean) * (x[i] - mean);
    W inverse = 1 / ROOT(NAME(power_of)(squares, s));
    for (ptrdiff_t c = 0, i = 0; c < w->channels; c++) {
        W gamma = a->gammas ? a->gammas[at + c] : 1, beta = a->betas ? a->betas[at + c] : 0;
        for (ptrdiff_t end = i + w->run; i < end; i++) {
            W away = (x[i] - mean) * inverse * gamma;
            /* The sign of a sum of NaNs depends on the loop. */
            y[i] = inverse != inverse ? (T)NAN : (T)(a->betas ? away + beta : away);
        }
    }
}

static INLINE void NAME(write_row)(const T *restrict x, T *restrict y, const T *gamma,
                                   const T *beta, T high, T low, T inverse, ptrdiff_t items)
{
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
static INLINE void NAME(write_runs)(const T *restrict x, T *restrict y, const T *gamma,
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

/* Up to GROUP rows, a step of all of them after the other: so none waits for its own last one. */
static INLINE void NAME(normalize_long)(const T *restrict x, T *restrict y,
                                        const NAME(affine) *a, const size_of *s,
                                        const weighing *w, ptrdiff_t first, ptrdiff_t rows)
{
    ptrdiff_t items = w->channels * w->run;
    double squares[GROUP], power[GROUP];
    T high[GROUP], low[GROUP], inverse[GROUP];
    for (ptrdiff_t r = 0; r < rows; r++) {
        high[r] = low[r] = 0;
        if (s->centered) NAME(mean_of)(x + r * items, items, high + r, low + r);
    }
    for (ptrdiff_t r = 0; r < rows; r++)
        squares[r] = NAME(squares_of)(x + r * items, high[r], low + r, s->centered, items);
    for (ptrdiff_t r = 0; r < rows; r++) {
        power[r] = squares[r] * s->weight + s->epsilon;
        power[r] = power[r] < s->least ? s->least : power[r];
        inverse[r] = (T)(1.0 / sqrt(power[r]));
    }
    for (ptrdiff_t r = 0; r < rows; r++, x += items, y += items) {
        ptrdiff_t at = w->groups == 1 ? 0 : (first + r) % w->groups * w->channels;
        const T *gamma = a->gamma ? a->gamma + at : NULL, *beta = a->beta ? a->beta + at : NULL;
        if (a->wide || !(squares[r] < LARGE && power[r] > SMALL && power[r] < GREAT))
            NAME(normalize_widely)(x, y, a, s, w, at);
        else if (w->run == 1)
            NAME(write_row)(x, y, gamma, beta, high[r], low[r], inverse[r], items);
        else
            NAME(write_runs)(x, y, gamma, beta, high[r], low[r], inverse[r], w->channels, w->run);
    }
}

/* BESIDE rows of FEW items or more, less than SOME, each with weights of its own, side by side: the
 * steps, and so the bytes, are those of normalize_long. */
static INLINE void NAME(normalize_beside)(const T *restrict x, T *restrict y,
                                          const NAME(affine) *a, const size_of *s,
                                          ptrdiff_t items)
{
    T cells[SOME][BESIDE], high[BESIDE], low[BESIDE], inverse[BESIDE];
    double squares[BESIDE], power[BESIDE];
    int any = a->wide;
    for (ptrdiff_t r = 0; r < BESIDE; r++)
        for (ptrdiff_t i = 0; i < items; i++) cells[i][r] = x[r * items + i];
    NAME(moments_beside)((const T(*)[BESIDE])cells, items, s->centered, high, low, squares);
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
static INLINE void NAME(normalize_short)(const T *restrict x, T *restrict y,
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

LOOP void NAME(normalize_rows)(const T *x, T *y, const NAME(affine) *a, const size_of *s,
                               const weighing *w, ptrdiff_t first, ptrdiff_t rows)
{
    ptrdiff_t items = w->channels * w->run;
    const int alike = w->groups == 1 && w->run == 1; /* rows have the same weights, one for an item */
    const int few = alike && items < FEW, beside = alike && items >= FEW && items < SOME;
    ptrdiff_t step = few ? TOGETHER : MOST(LEAST(NEAR / items, GROUP), 1);
    ptrdiff_t r = 0;
    for (; beside && r + BESIDE <= rows; r += BESIDE)
        if (items == 16)
            NAME(normalize_beside)(x + r * items, y + r * items, a, s, 16);
        else
            NAME(normalize_beside)(x + r * items, y + r * items, a, s, items);
    for (; r < rows; r += step) {
        const T *from = x + r * items;
        T *to = y + r * items;
        ptrdiff_t some = LEAST(step, rows - r);
        switch (few ? items : FEW) { /* loops of known length for the fewest items */
        case 1: NAME(normalize_short)(from, to, a, s, some, 1); break;
        case 2: NAME(normalize_short)(from, to, a, s, some, 2); break;
        case 3: NAME(normalize_short)(from, to, a, s, some, 3); break;
        case 4: NAME(normalize_short)(from, to, a, s, some, 4); break;
        case FEW: NAME(normalize_long)(from, to, a, s, w, first + r, some); break;
        default: NAME(normalize_short)(from, to, a, s, some, items);
        }
    }
}

int NAME(all_rows)(const T *x, T *y, const double *gamma, const double *beta, const size_of *s,
                   const weighing *w, ptrdiff_t rows)
{
    NAME(affine) a;
    if (NAME(prepare)(&a, gamma, beta, w->groups * w->channels) < 0) return -1;
    NAME(normalize_rows)(x, y, &a, s, w, 0, rows);
    free(a.memory);
    return 0;
}
