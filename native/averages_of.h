/* Averages of few cells, for one type: see windows_of.h. What is under a place is added up in
 * registers, in the order in which `join_rows` and `runs` do it, divided and stored. */

/* A cell of the rows under a window, added up. */
static INLINE A NAME(cell_of)(const T *const *rows, int count, ptrdiff_t i)
{
    A sum = (A)rows[0][i];
    for (int k = 1; k < count; k++) sum += (A)rows[k][i];
    return sum;
}

static INLINE void NAME(sums_of_rows)(const T *const *rows, int count, A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = NAME(cell_of)(rows, count, i);
}

/* Add up the same `n` items of 4 to 8 rows. */
LOOP static void NAME(sum_of_rows)(const T *const *given, ptrdiff_t count, ptrdiff_t start, A *to,
                                   ptrdiff_t n)
{
    const T *rows[JOINED];
    for (ptrdiff_t k = 0; k < count; k++) rows[k] = given[k] + start;
    switch (count) { /* loops of known length */
    case 4: NAME(sums_of_rows)(rows, 4, to, n); return;
    case 5: NAME(sums_of_rows)(rows, 5, to, n); return;
    case 6: NAME(sums_of_rows)(rows, 6, to, n); return;
    case 7: NAME(sums_of_rows)(rows, 7, to, n); return;
    default: NAME(sums_of_rows)(rows, 8, to, n);
    }
}

static INLINE A NAME(two)(const A *x, ptrdiff_t step)
{
    return x[0] + x[step];
}

static INLINE A NAME(four)(const A *x, ptrdiff_t step)
{
    return NAME(two)(x, step) + NAME(two)(x + 2 * step, step);
}

/* Add up 2 to 8 cells, `step` items from one to the next: runs of powers of two, the longest last. */
static INLINE A NAME(cells_added)(const A *x, ptrdiff_t step, int size)
{
    switch (size) {
    case 2: return NAME(two)(x, step);
    case 3: return x[0] + NAME(two)(x + step, step);
    case 4: return NAME(four)(x, step);
    case 5: return x[0] + NAME(four)(x + step, step);
    case 6: return NAME(two)(x, step) + NAME(four)(x + 2 * step, step);
    case 7: return (x[0] + NAME(two)(x + step, step)) + NAME(four)(x + 3 * step, step);
    default: return NAME(four)(x, step) + NAME(four)(x + 4 * step, step);
    }
}

/* How the averages of some places are made: cells that are `step` items apart under places that are
 * `apart`, of `items` each, of which the sums are divided. */
typedef struct {
    ptrdiff_t step, apart, places, items;
    A by;
} NAME(some_averages);

static INLINE BITS NAME(one_average)(A sum, A by, A inverse, T *out)
{
    const T mean = SAME ? (T)(sum / by) : (T)(sum * inverse);
    const T none = mean - mean; /* 0, of which no bit is set, or NaN */
    BITS bits;
    memcpy(&bits, &none, sizeof bits);
    *out = mean;
    return bits;
}

static INLINE int NAME(averages_of)(const A *x, const NAME(some_averages) *s, int size,
                                    T *restrict out)
{
    const ptrdiff_t step = s->step, items = s->items;
    const A by = s->by, inverse = 1 / by; /* what float64 loses by it is nothing to float32 */
    BITS bad = 0;
    for (ptrdiff_t place = 0; place < s->places; place++, x += s->apart, out += items)
        for (ptrdiff_t i = 0; i < items; i++)
            bad |= NAME(one_average)(NAME(cells_added)(x + i, step, size), by, inverse, out + i);
    return bad != 0;
}

/* Average cells along a row that was joined. */
LOOP static int NAME(average_cells)(const A *x, const NAME(some_averages) *s, ptrdiff_t size, T *out)
{
    switch (size) { /* loops of known length */
    case 2: return NAME(averages_of)(x, s, 2, out);
    case 3: return NAME(averages_of)(x, s, 3, out);
    case 4: return NAME(averages_of)(x, s, 4, out);
    case 5: return NAME(averages_of)(x, s, 5, out);
    case 6: return NAME(averages_of)(x, s, 6, out);
    case 7: return NAME(averages_of)(x, s, 7, out);
    default: return NAME(averages_of)(x, s, 8, out);
    }
}

/* The same of 2 or 3 cells of rows that were not. */
static INLINE int NAME(averages_across)(const T *const *rows, int count,
                                        const NAME(some_averages) *s, int size, T *restrict out)
{
    const ptrdiff_t step = s->step, items = s->items;
    const A by = s->by, inverse = 1 / by;
    BITS bad = 0;
    for (ptrdiff_t place = 0, at = 0; place < s->places; place++, at += s->apart, out += items)
        for (ptrdiff_t i = 0; i < items; i++) {
            A sum = NAME(cell_of)(rows, count, at + i + (size - 2) * step);
            sum += NAME(cell_of)(rows, count, at + i + (size - 1) * step);
            if (size == 3) sum = NAME(cell_of)(rows, count, at + i) + sum;
            bad |= NAME(one_average)(sum, by, inverse, out + i);
        }
    return bad != 0;
}

static INLINE int NAME(averages_across_rows)(const T *const *rows, ptrdiff_t count,
                                             const NAME(some_averages) *s, int size, T *out)
{
    switch (count) { /* loops of known length */
    case 1: return NAME(averages_across)(rows, 1, s, size, out);
    case 2: return NAME(averages_across)(rows, 2, s, size, out);
    case 3: return NAME(averages_across)(rows, 3, s, size, out);
    default: return NAME(averages_across)(rows, 4, s, size, out);
    }
}

/* Average under places of which each has all its cells: 1 to 4 rows, `start` items in. */
LOOP static int NAME(average_across)(const T *const *given, ptrdiff_t count, ptrdiff_t start,
                                     const NAME(some_averages) *s, ptrdiff_t size, T *out)
{
    const T *rows[4];
    for (ptrdiff_t k = 0; k < count; k++) rows[k] = given[k] + start;
    return size == 2 ? NAME(averages_across_rows)(rows, count, s, 2, out)
                     : NAME(averages_across_rows)(rows, count, s, 3, out);
}

/* Average at places of a row of the output, `first` and after, from the cells under them, added up. */
static int NAME(average_row)(const A *x, ptrdiff_t places, ptrdiff_t first, double outer,
                             const sheet *s, T *out)
{
    const window *w = &s->cell;
    const ptrdiff_t apart = w->stride * s->items, end = whole_until(s) - first;
    NAME(some_averages) some = {s->items * w->dilation, apart, 1, s->items, 0};
    int bad = 0;
    for (ptrdiff_t place = 0, stop; place < places; place = stop) {
        const int border = first + place < whole_from(w) || place >= end;
        stop = border ? place + 1 : LEAST(end, places);
        some.by = (A)(outer * divisor_of(w, first + place, s->cells));
        some.places = w->stride == 1 ? 1 : stop - place;
        some.items = w->stride == 1 ? (stop - place) * s->items : s->items;
        bad |= NAME(average_cells)(x + place * apart, &some, w->size, out + place * s->items);
    }
    return bad;
}

/* Average at the places of a row of which each has all its cells. */
static int NAME(average_inside)(const T *const *rows, ptrdiff_t count, double outer, const sheet *s,
                                ptrdiff_t first, ptrdiff_t end, T *out)
{
    const window *w = &s->cell;
    NAME(some_averages) some = {s->items * w->dilation, w->stride * s->items, end - first, s->items,
                                (A)(outer * divisor_of(w, first, s->cells))};
    const ptrdiff_t start = (first * w->stride - w->low) * s->items;
    return NAME(average_across)(rows, count, start, &some, w->size, out + first * s->items);
}
