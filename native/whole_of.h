/* The loops of whole.h for integers of type T. Included by each_whole.h. */
#define NAME(name) PASTED(name, LETTER)

/* Join `cells` of `items` each with what is in `to`. */
static INLINE void NAME(join)(const T *restrict x, ptrdiff_t cells, ptrdiff_t items, T *restrict to)
{
    if (items == 1) { /* four vectors at once, so that none waits for the one before */
        enum { N = 4 * VECTOR / sizeof(T) };
        T most[N];
        ptrdiff_t i = 0;
        for (int j = 0; j < N; j++) most[j] = *to;
        for (; i + N <= cells; i += N)
            for (int j = 0; j < N; j++) most[j] = MOST(most[j], x[i + j]);
        for (; i < cells; i++) most[0] = MOST(most[0], x[i]);
        for (int j = 0; j < N; j++) *to = MOST(*to, most[j]);
        return;
    }
    for (ptrdiff_t i = 0; i < cells; i++, x += items)
        for (ptrdiff_t c = 0; c < items; c++) to[c] = MOST(to[c], x[c]);
}

/* Cells of few items: as many side by side as make a long row. */
static INLINE void NAME(join_few)(const T *x, ptrdiff_t cells, ptrdiff_t items, T *to)
{
    T most[LANES];
    const ptrdiff_t rows = LANES / items, n = rows * items, whole = cells / rows;
    if (items > 1 && whole > 1) {
        for (ptrdiff_t i = 0; i < n; i++) most[i] = x[i];
        NAME(join)(x + n, whole - 1, n, most);
        NAME(join)(most, rows, items, to);
        x += whole * n, cells -= whole * rows;
    }
    NAME(join)(x, cells, items, to);
}

LOOP static void NAME(join_cells)(const T *x, ptrdiff_t cells, ptrdiff_t items, T *to)
{
    if (items <= LANES / 2)
        NAME(join_few)(x, cells, items, to);
    else
        NAME(join)(x, cells, items, to);
}

static int NAME(fold_max)(const T *x, T *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    for (ptrdiff_t k = 0; k < before; k++, x += length * after, out += after) {
        memcpy(out, x, (size_t)after * sizeof(T));
        NAME(join_cells)(x + after, length - 1, after, out);
    }
    return 0;
}

/* Join the cells under one window. */
static void NAME(join_window)(const T *x, const covers *s, const span *z, const span *y,
                              const span *c, T *to)
{
    const ptrdiff_t items = s->items;
    for (ptrdiff_t i = 0; i < items; i++) to[i] = LOWEST;
    for (ptrdiff_t plane = z->first; plane < z->end; plane++)
        for (ptrdiff_t row = y->first; row < y->end; row++) {
            const ptrdiff_t at = (plane * s->row.length + row) * s->cell.length + c->first;
            NAME(join_cells)(x + at * items, c->end - c->first, items, to);
        }
}

static int NAME(adaptive_max)(const T *x, T *out, const covers *s)
{
    const ptrdiff_t image = s->plane.length * s->row.length * s->cell.length * s->items;
    for (ptrdiff_t k = 0; k < s->images; k++, x += image)
        for (ptrdiff_t p = 0; p < s->plane.count; p++)
            for (ptrdiff_t r = 0; r < s->row.count; r++)
                for (ptrdiff_t c = 0; c < s->cell.count; c++, out += s->items)
                    NAME(join_window)(x, s, s->plane.spans + p, s->row.spans + r, s->cell.spans + c,
                                      out);
    return 0;
}

#undef T
#undef BITS
#undef NAME
