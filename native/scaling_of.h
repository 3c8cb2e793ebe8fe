/* The loops of scaling.h, for one type T. Included by scaling.c. */

/* One row with values for each item. */
static INLINE void NAME(scale_row)(const T *x, T *y, const T *restrict a, const T *restrict b,
                                   const T *restrict c, ptrdiff_t n)
{
    if (a && c)
        INDEPENDENT
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - a[i]) * b[i] + c[i];
    else if (a)
        INDEPENDENT
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - a[i]) * b[i];
    else if (c)
        INDEPENDENT
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] * b[i] + c[i];
    else
        INDEPENDENT
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] * b[i];
}

/* One row with the same values for all items. */
static INLINE void NAME(scale_run)(const T *x, T *y, const T *a, T b, const T *c,
                                   ptrdiff_t n)
{
    T off = a ? *a : 0, on = c ? *c : 0;
    if (a && c)
        INDEPENDENT
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - off) * b + on;
    else if (a)
        INDEPENDENT
        for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - off) * b;
    else if (c)
        INDEPENDENT
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] * b + on;
    else
        INDEPENDENT
        for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] * b;
}

/* Where `n` results from `at` on are made, and put from there; in `wide` if they are of two bytes. */
static INLINE T *NAME(made)(const halves *h, void *y, ptrdiff_t at, T *wide)
{
    return h ? wide : (T *)y + at;
}

static INLINE void NAME(put)(const halves *h, void *y, ptrdiff_t at, ptrdiff_t n, const T *wide)
{
    if (h) h->narrow(wide, (uint16_t *)y + at, n);
}

/* Runs of `after` items; of those of two bytes as many at once as fit, or parts of one. */
static INLINE void NAME(scale_runs)(const source *x, const halves *h, void *y, const T *a, const T *b,
                                    const T *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    const ptrdiff_t runs = before * length, step = h ? MOST(WIDENED / after, 1) : runs;
    const ptrdiff_t piece = h ? LEAST(after, WIDENED) : after;
    T *wide = (T *)(void *)x->wide;
    for (ptrdiff_t r = 0, i = 0; r < runs; r += step) {
        const ptrdiff_t some = LEAST(step, runs - r), first = i;
        for (ptrdiff_t j = 0; j < after; j += piece) {
            const ptrdiff_t n = LEAST(piece, after - j), at = r * after + j;
            const ptrdiff_t items = (some - 1) * after + n;
            const T *cells = taken(x, at, items, sizeof(T));
            T *to = NAME(made)(h, y, at, wide);
            i = first;
            for (ptrdiff_t k = 0; k < some; k++, i = i + 1 == length ? 0 : i + 1)
                NAME(scale_run)(cells + k * after, to + k * after, a ? a + i : 0, b[i], c ? c + i : 0,
                                n);
            NAME(put)(h, y, at, items, wide);
        }
    }
}

/* Repeat a vector until there are `n` items. */
static INLINE void NAME(repeat)(const T *vector, ptrdiff_t length, ptrdiff_t n, T *to)
{
    memcpy(to, vector, (size_t)length * sizeof(T));
    for (ptrdiff_t done = length; done < n; done *= 2) /* as many as there are, again */
        memcpy(to + done, to, (size_t)LEAST(done, n - done) * sizeof(T));
}

static INLINE int NAME(scale_as)(const source *x, const halves *h, void *y, const T *a, const T *b,
                                 const T *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    if (after > 1) {
        NAME(scale_runs)(x, h, y, a, b, c, before, length, after);
        return 0;
    }
    /* Short vectors are repeated, so that inner loops are long. */
    ptrdiff_t repeats = MOST(LEAST(ROW / length, before), 1), n = repeats * length;
    T *long_a = room(n, 3, sizeof(T)), *wide = (T *)(void *)x->wide;
    if (!long_a) return -1;
    T *long_b = long_a + n, *long_c = long_b + n;
    if (a) NAME(repeat)(a, length, n, long_a);
    NAME(repeat)(b, length, n, long_b);
    if (c) NAME(repeat)(c, length, n, long_c);
    const ptrdiff_t items = before * length, piece = h ? LEAST(n, WIDENED) : n;
    for (ptrdiff_t i = 0; i < items; i += n)
        for (ptrdiff_t j = 0, all = LEAST(n, items - i); j < all; j += piece) {
            const ptrdiff_t some = LEAST(piece, all - j);
            const T *cells = taken(x, i + j, some, sizeof(T));
            NAME(scale_row)(cells, NAME(made)(h, y, i + j, wide), a ? long_a + j : 0, long_b + j,
                            c ? long_c + j : 0, some);
            NAME(put)(h, y, i + j, some, wide);
        }
    free(long_a);
    return 0;
}

static INLINE int NAME(scale)(const void *x, void *y, const halves *h, const T *a, const T *b,
                              const T *c, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    const half_loops *by_vectors = half_loops_of(h);
    if (by_vectors)
        return scale_by_vectors(by_vectors, x, y, (const float *)(const void *)a,
                                (const float *)(const void *)b, (const float *)(const void *)c, before,
                                length, after);
    source from = {x, h ? h->widen : NULL, h ? room(WIDENED, 1, sizeof(float)) : NULL};
    if (h && !from.wide) return -1;
    const int result = NAME(scale_as)(&from, h, y, a, b, c, before, length, after);
    free(from.wide);
    return result;
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

/* An item of which T has lost something, in the wider type. */
static INLINE void NAME(center_one)(const void *x, void *y, const halves *h, const moving *m,
                                    ptrdiff_t i, ptrdiff_t at)
{
    float narrow;
    const source from = {x, h ? h->widen : NULL, &narrow};
    const T *cell = taken(&from, at, 1, sizeof(T));
    T result = (T)(((W)*cell - m->mean[i]) * m->scale[i] + (m->shift ? m->shift[i] : 0));
    *NAME(made)(h, y, at, &result) = result;
    NAME(put)(h, y, at, 1, &result);
}

/* Samples are `apart` items apart, of which some channels may be left out. */
static INLINE int NAME(center)(const void *x, void *y, const halves *h, const moving *m,
                               ptrdiff_t before, ptrdiff_t length, ptrdiff_t after, ptrdiff_t apart)
{
    const ptrdiff_t item = h ? (ptrdiff_t)sizeof(uint16_t) : (ptrdiff_t)sizeof(T);
    const ptrdiff_t together = apart == length * after ? before : 1;
    T *a = room(length, 1, 3 * sizeof(T) + sizeof(int));
    if (!a) return -1;
    T *b = a + length, *c = b + length;
    int *lost = (int *)(c + length);
    int any = NAME(narrow)(m, length, a, b, c, lost);
    for (ptrdiff_t k = 0; k < before; k += together) {
        const void *from = (const char *)x + k * apart * item;
        void *to = (char *)y + k * apart * item;
        if (NAME(scale)(from, to, h, a, b, c, together, length, after) < 0) return free(a), -1;
    }
    for (ptrdiff_t i = 0; any && i < length; i++)
        for (ptrdiff_t k = 0; lost[i] && k < before; k++)
            for (ptrdiff_t j = 0, at = k * apart + i * after; j < after; j++, at++)
                NAME(center_one)(x, y, h, m, i, at);
    free(a);
    return 0;
}

#undef T
#undef W
#undef NAME
#undef HEAVY
#undef LIGHT
