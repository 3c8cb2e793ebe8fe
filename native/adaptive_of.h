/* The loops of adaptive.h, for one type: T in memory, A in arithmetic, and how two cells are joined.
 * Included by adaptive.c. */

/* Join the same `n` items of so many rows, four at a time and one at a time, with what is in `to`, or
 * put them there. */
static INLINE void NAME(joined)(const T *restrict x, ptrdiff_t step, int fours, int ones, int begin,
                                A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        A all = begin ? (A)x[i] : to[i];
        for (int k = 0; k < fours; k++) {
            const T *cell = x + i + 4 * k * step;
            const A two = JOIN((A)cell[0], (A)cell[step]);
            const A four = JOIN(two, JOIN((A)cell[2 * step], (A)cell[3 * step]));
            all = begin && !k ? four : JOIN(all, four);
        }
        for (int k = begin && !fours; k < ones; k++)
            all = JOIN(all, (A)x[i + (4 * fours + k) * step]);
        to[i] = all;
    }
}

/* Join as many of `count` rows as one pass takes; return how many these are. */
static INLINE ptrdiff_t NAME(join_some)(const T *x, ptrdiff_t step, ptrdiff_t count, int begin, A *to,
                                        ptrdiff_t n)
{
    switch (count) { /* loops of known length */
    case 1: NAME(joined)(x, step, 0, 1, begin, to, n); return 1;
    case 2: NAME(joined)(x, step, 0, 2, begin, to, n); return 2;
    case 3: NAME(joined)(x, step, 0, 3, begin, to, n); return 3;
    case 4: NAME(joined)(x, step, 1, 0, begin, to, n); return 4;
    case 5: NAME(joined)(x, step, 1, 1, begin, to, n); return 5;
    case 6: NAME(joined)(x, step, 1, 2, begin, to, n); return 6;
    case 7: NAME(joined)(x, step, 1, 3, begin, to, n); return 7;
    default: NAME(joined)(x, step, 2, 0, begin, to, n); return 8;
    }
}

/* Join rows that are `step` items apart: four at a time as long as there are as many. */
LOOP static void NAME(join_rows)(const T *x, ptrdiff_t step, ptrdiff_t count, int begin, A *to,
                                 ptrdiff_t n)
{
#if OWN_SUMS
    if (SUMS_BY_VECTORS) {
        sum_apart(x, step, count, begin, 0, to, n);
        return;
    }
#endif
    ptrdiff_t row = begin ? NAME(join_some)(x, step, count, 1, to, n) : 0;
    while (row < count) row += NAME(join_some)(x + row * step, step, count - row, 0, to, n);
}

/* Item `i` of a row of the input, or of one that was joined. */
static INLINE A NAME(item)(const void *x, int input, ptrdiff_t i)
{
    return input ? (A)((const T *)x)[i] : ((const A *)x)[i];
}

/* Join `cells` of few items each, LANES of which are held side by side. */
static INLINE void NAME(side_by_side)(const void *restrict x, int input, ptrdiff_t cells,
                                      ptrdiff_t items, A *restrict to)
{
    const ptrdiff_t rows = LANES / items, n = rows * items, size = cells * items;
    A most[LANES];
    for (ptrdiff_t i = 0; i < n; i++) most[i] = NAME(item)(x, input, i);
    ptrdiff_t i = n;
    for (; i + n <= size; i += n)
        for (ptrdiff_t j = 0; j < n; j++) most[j] = JOIN(most[j], NAME(item)(x, input, i + j));
    for (ptrdiff_t j = 0; j < size - i; j++) most[j] = JOIN(most[j], NAME(item)(x, input, i + j));
    for (ptrdiff_t c = 0; c < items; c++) {
        A all = most[c];
        for (ptrdiff_t r = 1; r < rows; r++) all = JOIN(all, most[r * items + c]);
        to[c] = all;
    }
}

static INLINE void NAME(one_by_one)(const void *restrict x, int input, ptrdiff_t cells,
                                    ptrdiff_t items, A *restrict to)
{
    for (ptrdiff_t c = 0; c < items; c++) to[c] = NAME(item)(x, input, c);
    for (ptrdiff_t j = 1; j < cells; j++)
        for (ptrdiff_t c = 0; c < items; c++)
            to[c] = JOIN(to[c], NAME(item)(x, input, j * items + c));
}

static INLINE void NAME(few_items)(const void *x, int input, ptrdiff_t cells, ptrdiff_t items, A *to)
{
    if (cells * items >= 2 * LANES)
        NAME(side_by_side)(x, input, cells, items, to);
    else
        NAME(one_by_one)(x, input, cells, items, to);
}

static INLINE void NAME(cells_of)(const void *x, int input, ptrdiff_t cells, ptrdiff_t items, A *to)
{
    switch (items) { /* loops of known length */
    case 1: NAME(few_items)(x, input, cells, 1, to); return;
    case 2: NAME(few_items)(x, input, cells, 2, to); return;
    case 3: NAME(few_items)(x, input, cells, 3, to); return;
    case 4: NAME(few_items)(x, input, cells, 4, to); return;
    default: NAME(one_by_one)(x, input, cells, items, to);
    }
}

LOOP static void NAME(join_cells)(const A *x, ptrdiff_t cells, ptrdiff_t items, A *to)
{
    NAME(cells_of)(x, 0, cells, items, to);
}

LOOP static void NAME(join_input)(const T *x, ptrdiff_t cells, ptrdiff_t items, A *to)
{
    NAME(cells_of)(x, 1, cells, items, to);
}

/* Join the cells of one row of the input. */
static void NAME(join_one_row)(const T *x, ptrdiff_t cells, ptrdiff_t items, A *to)
{
    if (items < SHORT) {
        NAME(join_input)(x, cells, items, to);
        return;
    }
    NAME(join_rows)(x, items, cells, 1, to, items);
}

/* Put what is under a window, `by` cells of it, into the output. */
LOOP static int NAME(put)(const A *restrict all, A by, T *restrict out, ptrdiff_t n)
{
    BITS bad = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        T value = (T)(SUM ? all[i] / by : all[i]);
        T none = value - value; /* 0, of which no bit is set, or NaN */
        BITS bits;
        memcpy(&bits, &none, sizeof bits);
        bad |= bits;
        out[i] = value != value ? (T)NAN : value;
    }
    return bad != 0;
}

/* Join the rows under the windows at one place of planes and rows: `n` items from `start` on. */
static void NAME(join_box)(const T *x, const covers *s, const span *z, const span *y,
                           ptrdiff_t start, ptrdiff_t n, A *to)
{
    const ptrdiff_t width = s->cell.length * s->items;
    for (ptrdiff_t plane = z->first; plane < z->end; plane++)
        NAME(join_rows)(x + (plane * s->row.length + y->first) * width + start, width,
                        y->end - y->first, plane == z->first, to, n);
}

/* Join the cells of a window of many items each, row by row. */
static void NAME(join_wide)(const T *x, const covers *s, const span *z, const span *y, const span *c,
                            A *to)
{
    const ptrdiff_t items = s->items, cells = c->end - c->first;
    for (ptrdiff_t i = 0; i < items; i += NEAR)
        for (ptrdiff_t plane = z->first; plane < z->end; plane++)
            for (ptrdiff_t row = y->first; row < y->end; row++) {
                const ptrdiff_t at = (plane * s->row.length + row) * s->cell.length + c->first;
                const int begin = plane == z->first && row == y->first;
                NAME(join_rows)(x + at * items + i, items, cells, begin, to + i,
                                LEAST(NEAR, items - i));
            }
}

/* Make one window that is longer than a piece. */
static void NAME(join_long)(const T *x, const covers *s, const span *z, const span *y, const span *c,
                            A *memory, A *to)
{
    const ptrdiff_t items = s->items, step = MOST(PIECE / items, 1);
    A *some = memory + MOST(PIECE, items);
    for (ptrdiff_t cell = c->first; cell < c->end; cell += step) {
        const ptrdiff_t cells = LEAST(step, c->end - cell);
        NAME(join_box)(x, s, z, y, cell * items, cells * items, memory);
        if (cell == c->first) {
            NAME(join_cells)(memory, cells, items, to);
        } else {
            NAME(join_cells)(memory, cells, items, some);
            for (ptrdiff_t i = 0; i < items; i++) to[i] = JOIN(to[i], some[i]);
        }
    }
}

static int NAME(make_row)(const T *x, const covers *s, const span *z, const span *y, A *memory,
                          T *out)
{
    const ptrdiff_t items = s->items, rows = (z->end - z->first) * (y->end - y->first);
    const span *spans = s->cell.spans;
    const T *row = rows == 1 ? x + (z->first * s->row.length + y->first) * s->cell.length * items : 0;
    A *all = memory + 2 * MOST(PIECE, items);
    int bad = 0;
    for (ptrdiff_t c = 0, stop; c < s->cell.count; c = stop) {
        const ptrdiff_t first = spans[c].first, most = PIECE / items;
        if (items >= WIDE) {
            const ptrdiff_t cells = spans[c].end - first;
            NAME(join_wide)(x, s, z, y, spans + c, all);
            bad |= NAME(put)(all, (A)rows * (A)cells, out + c * items, items);
            stop = c + 1;
            continue;
        }
        if (row) {
            const ptrdiff_t cells = spans[c].end - first;
            NAME(join_one_row)(row + first * items, cells, items, all);
            bad |= NAME(put)(all, (A)cells, out + c * items, items);
            stop = c + 1;
            continue;
        }
        for (stop = c; stop < s->cell.count && spans[stop].end - first <= most;) stop++;
        if (stop > c)
            NAME(join_box)(x, s, z, y, first * items, (spans[stop - 1].end - first) * items, memory);
        else
            NAME(join_long)(x, s, z, y, spans + c, memory, all);
        const int is_long = stop == c;
        if (is_long) stop++;
        for (ptrdiff_t k = c; k < stop; k++) {
            const ptrdiff_t cells = spans[k].end - spans[k].first;
            if (!is_long) NAME(join_cells)(memory + (spans[k].first - first) * items, cells, items, all);
            bad |= NAME(put)(all, (A)rows * (A)cells, out + k * items, items);
        }
    }
    return bad;
}

LOOP static void NAME(join_in_order)(const A *x, ptrdiff_t cells, ptrdiff_t items, A *to)
{
    NAME(one_by_one)(x, 0, cells, items, to);
}

/* Make a row of images beside each other, in the order in which each alone is joined. */
static int NAME(make_row_beside)(const T *x, const covers *s, const span *z, const span *y, A *memory,
                                 T *out)
{
    const ptrdiff_t items = s->items, width = s->cell.length * items;
    const ptrdiff_t rows = (z->end - z->first) * (y->end - y->first);
    A *all = memory + width;
    int bad = 0;
    NAME(join_box)(x, s, z, y, 0, width, memory);
    for (ptrdiff_t c = 0; c < s->cell.count; c++, out += items) {
        const span *cover = s->cell.spans + c;
        const ptrdiff_t cells = cover->end - cover->first;
        NAME(join_in_order)(memory + cover->first * items, cells, items, all);
        bad |= NAME(put)(all, (A)rows * (A)cells, out, items);
    }
    return bad;
}

static int NAME(images)(const T *x, T *out, const covers *s, int beside)
{
    const ptrdiff_t items = s->items, row = s->cell.count * items;
    const ptrdiff_t image = s->plane.length * s->row.length * s->cell.length * items;
    A *memory = beside ? room(s->cell.length + 1, items, sizeof(A))
                       : room(MOST(PIECE, items), 3, sizeof(A));
    if (!memory) return -1;
    int bad = 0;
    for (ptrdiff_t k = 0; k < s->images; k++)
        for (ptrdiff_t p = 0; p < s->plane.count; p++)
            for (ptrdiff_t r = 0; r < s->row.count; r++, out += row)
                bad |= (beside ? NAME(make_row_beside) : NAME(make_row))(
                    x + k * image, s, s->plane.spans + p, s->row.spans + r, memory, out);
    free(memory);
    return bad;
}

static int NAME(one_image)(const void *call, const void *x, void *out, ptrdiff_t items)
{
    covers s = *(const covers *)call;
    s.images = 1, s.items = items;
    return NAME(images)(x, out, &s, 1);
}

int NAME(adaptive)(const T *x, T *out, const covers *s)
{
    const ptrdiff_t read = s->plane.length * s->row.length * s->cell.length * s->items;
    const ptrdiff_t made = s->plane.count * s->row.count * s->cell.count * s->items;
    const ptrdiff_t row = s->cell.length * s->items;
    const small_images small = {s->images, s->items, row, read, made, sizeof(T)};
    if (row >= 2 * LANES || !are_small(&small)) return NAME(images)(x, out, s, 0);
    return side_by_side_images(NAME(one_image), s, x, out, &small);
}

#undef T
#undef A
#undef BITS
#undef OWN_SUMS
#undef NAME
#undef JOIN
#undef SUM
