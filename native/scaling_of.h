/* The loops of scaling.h, for one type T. Included by scaling.c. */

/* One row with values for each item. */
static INLINE void NAME(scale_row)(const T *x, T *y, const T *restrict a, const T *restrict b,
                                   const T *restrict c, ptrdiff_t n)
{
    if (a && c)
        EACH_ALONE
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - a[i]) * b[i] + c[i];
    else if (a)
        EACH_ALONE
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - a[i]) * b[i];
    else if (c)
        EACH_ALONE
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] * b[i] + c[i];
    else
        EACH_ALONE
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] * b[i];
}

/* One row with the same values for all items. */
static INLINE void NAME(scale_run)(const T *x, T *y, const T *a, T b, const T *c,
                                   ptrdiff_t n)
{
    T off = a ? *a : 0, on = c ? *c : 0;
    if (a && c)
        EACH_ALONE
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - off) * b + on;
    else if (a)
        EACH_ALONE
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - off) * b;
    else if (c)
        EACH_ALONE
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] * b + on;
    else
        EACH_ALONE
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] * b;
}

static INLINE int NAME(scale)(const T *x, T *y, const T *a, const T *b, const T *c,
                              ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    if (after > 1) {
        for (ptrdiff_t k = 0; k < before; k++)
            for (ptrdiff_t i = 0; i < length; i++, x += after, y += after)
                NAME(scale_run)(x, y, a ? a + i : 0, b[i], c ? c + i : 0, after);
        return 0;
    }
    /* Short vectors are repeated, so that inner loops are long. */
    ptrdiff_t repeats = MOST(LEAST(ROW / length, before), 1), n = repeats * length;
    T *long_a = room(n, 3, sizeof(T));
    if (!long_a) return -1;
    T *long_b = long_a + n, *long_c = long_b + n;
    for (ptrdiff_t i = 0; i < n; i++) {
        long_a[i] = a ? a[i % length] : 0;
        long_b[i] = b[i % length];
        long_c[i] = c ? c[i % length] : 0;
    }
    for (ptrdiff_t i = 0; i < before * length; i += n)
        NAME(scale_row)(x + i, y + i, a ? long_a : 0, long_b, c ? long_c : 0,
                        LEAST(n, before * length - i));
    free(long_a);
    return 0;
}

/* Vectors of T for scale, from those of float64; of places where T has no room for what they make,
 * `lost` is 1. What T lacks of a mean goes into the addend. */
static INLINE int NAME(narrow)(const moving *m, ptrdiff_t length, T *a, T *b, T *c, int *lost)
{
    int any = 0;
    for (ptrdiff_t i = 0; i < length; i++) {
        double mean = m->mean[i], scale = m->scale[i], shift = m->shift ? m->shift[i] : 0;
        double size = fabs(scale), finite = mean - mean;
        a[i] = (T)mean, b[i] = (T)scale;
        double rest = finite == 0 ? mean - a[i] : 0;
        c[i] = (T)(shift - rest * scale);
        lost[i] = (size <= DBL_MAX && (size >= HEAVY || (size < LIGHT && size > 0))) ||
                  (fabs(mean) <= DBL_MAX && fabs(mean) >= HEAVY) ||
                  (fabs(shift) <= DBL_MAX && fabs(shift) >= HEAVY);
        any |= lost[i];
    }
    return any;
}

static INLINE int NAME(center)(const T *x, T *y, const moving *m, ptrdiff_t before,
                               ptrdiff_t length, ptrdiff_t after)
{
    T *a = room(length, 1, 3 * sizeof(T) + sizeof(int));
    if (!a) return -1;
    T *b = a + length, *c = b + length;
    int *lost = (int *)(c + length);
    int any = NAME(narrow)(m, length, a, b, c, lost);
    if (NAME(scale)(x, y, a, b, c, before, length, after) < 0) return free(a), -1;
    for (ptrdiff_t i = 0; any && i < length; i++)
        for (ptrdiff_t k = 0; lost[i] && k < before; k++)
            for (ptrdiff_t j = 0, at = (k * length + i) * after; j < after; j++, at++)
                y[at] = (T)(((W)x[at] - m->mean[i]) * m->scale[i] + (m->shift ? m->shift[i] : 0));
    free(a);
    return 0;
}

#undef T
#undef W
#undef NAME
#undef HEAVY
#undef LIGHT
