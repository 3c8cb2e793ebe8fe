/* What rows of rows.h need besides their loops, for items of type T, whose squares type W holds.
 * Included by rows.c. */

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
static void NAME(normalize_widely)(const T *restrict x, T *restrict y,
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
