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

#undef T
#undef NAME
