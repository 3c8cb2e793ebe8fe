/* The loops of powers.h, for items of type T. Included by powers.c. */

static INLINE int NAME(multiplied)(const T *restrict x, double *restrict out, ptrdiff_t n, int p)
{
    int lost = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double magnitude = fabs((double)x[i]);
        double power = magnitude;
        for (int k = 1; k < p; k++) power *= magnitude;
        out[i] = power;
        lost |= (power < TINY) & (magnitude > 0);
    }
    return lost;
}

LOOP static void NAME(magnitudes)(const T *restrict x, T *restrict out, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) out[i] = MAGNITUDE(x[i]);
}

LOOP static int NAME(whole)(const T *x, double *out, ptrdiff_t n, int p)
{
    switch (p) { /* loops of known length */
    case 1: return NAME(multiplied)(x, out, n, 1);
    case 2: return NAME(multiplied)(x, out, n, 2);
    case 3: return NAME(multiplied)(x, out, n, 3);
    case 4: return NAME(multiplied)(x, out, n, 4);
    default: return NAME(multiplied)(x, out, n, p);
    }
}

int NAME(powers)(const T *x, void *out, ptrdiff_t n, double p)
{
    if (isinf(p)) {
        NAME(magnitudes)(x, out, n);
        return 0;
    }
    if (p >= 1 && p <= MULTIPLIED && p == (int)p) return NAME(whole)(x, out, n, (int)p);
    double *to = out;
    int lost = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double magnitude = fabs((double)x[i]);
        to[i] = pow(magnitude, p);
        lost |= (to[i] < TINY) & (magnitude > 0);
    }
    return lost;
}

LOOP static int NAME(square_roots)(const double *restrict sums, T *restrict out, ptrdiff_t n)
{
    int lost = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        out[i] = (T)sqrt(sums[i]);
        lost |= !isfinite(sums[i]);
    }
    return lost;
}

int NAME(roots)(const double *sums, T *out, ptrdiff_t n, double p)
{
    if (p == 2) return NAME(square_roots)(sums, out, n);
    int lost = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        out[i] = (T)(p == 1 ? sums[i] : pow(sums[i], 1 / p));
        lost |= !isfinite(sums[i]);
    }
    return lost;
}

#undef T
#undef NAME
#undef MAGNITUDE
