/* Windows over items of two bytes, in vectors of one length, for one JOB: A is what is made of some
 * items, TAKE takes them, JOIN puts two of them together. What vectors hold is next to each other in
 * memory; the last ones of a cell may be the same items again. Included by half_windows_each.h. */

/* Put 1 to 4 cells together, as runs of cells are in windows_of.h. */
TARGET static INLINE A NAME(few)(const A *v, int size)
{
    if (size == 1) return v[0];
    if (size == 2) return JOIN(v[0], v[1]);
    if (size == 3 && AVERAGE) return JOIN(v[0], JOIN(v[1], v[2]));
    if (size == 3) return JOIN(JOIN(v[0], v[1]), v[2]);
    return JOIN(JOIN(v[0], v[1]), JOIN(v[2], v[3]));
}

/* Put a window together and store what comes of it. */
TARGET static INLINE void NAME(put)(const A *v, int size, divisor by, uint16_t *out, ODD *odd)
{
    const A all = size <= 4 ? NAME(few)(v, size)
                            : JOIN(NAME(few)(v, size - 4), NAME(few)(v + size - 4, 4));
    const FLOATS result = DIVIDE(all, by);
#if AVERAGE
    NOTE(odd, PASTED(nothing, BITS)(result));
    STORE(out, result);
#else
    (void)by, (void)odd;
    KEEP(out, result);
#endif
}

/* Join the same items of several rows. */
TARGET static INLINE A NAME(rows)(const uint16_t *const *rows, ptrdiff_t count, ptrdiff_t i, ODD *odd)
{
    (void)odd;
    PREFETCH(rows[0] + i + AHEAD);
    A all = TAKE(rows[0] + i, odd);
    for (ptrdiff_t r = 1; r < count; r++) {
        PREFETCH(rows[r] + i + AHEAD);
        all = JOIN(all, TAKE(rows[r] + i, odd));
    }
    return all;
}

/* Make a row from its cells, each of which is under few places. */
TARGET static INLINE void NAME(direct)(const line *l, ptrdiff_t count, int size, uint16_t *out,
                                       ODD *found)
{
    const sheet *s = l->s;
    const window *w = &s->cell;
    const ptrdiff_t items = s->items;
    ODD odd = *found;
    for (ptrdiff_t place = 0; place < w->count; place++, out += items) {
        const uint16_t *cells[CELLS][JOINED];
        const ptrdiff_t start = place * w->stride - w->low;
        for (int j = 0; j < size; j++) {
            const ptrdiff_t cell = start + j * w->dilation, inside = cell >= 0 && cell < s->cells;
            for (ptrdiff_t r = 0; r < count; r++)
                cells[j][r] = inside ? l->rows[r] + cell * items : l->outside;
        }
        const divisor by = divisor_at(l, place, start);
        for (ptrdiff_t g = 0; g < items; g += HELD) {
            const ptrdiff_t i = LEAST(g, items - HELD);
            A v[CELLS];
            for (int j = 0; j < size; j++) v[j] = NAME(rows)(cells[j], count, i, &odd);
            NAME(put)(v, size, by, out + i, &odd);
        }
    }
    *found = odd;
}

/* Join the rows under some cells from `start` on into `held`. */
TARGET static INLINE void NAME(join)(const line *l, ptrdiff_t count, ptrdiff_t start, ptrdiff_t cells,
                                     A *held, ODD *found)
{
    const ptrdiff_t items = l->s->items;
    ODD odd = *found;
    for (ptrdiff_t cell = start; cell < start + cells; cell++) {
        const int inside = cell >= 0 && cell < l->s->cells;
        for (ptrdiff_t g = 0; g < items; g += HELD) {
            const ptrdiff_t i = LEAST(g, items - HELD);
            *held++ = inside ? NAME(rows)(l->rows, count, cell * items + i, &odd)
                             : TAKE(l->outside, &odd);
        }
    }
    *found = odd;
}

TARGET static void NAME(join_rows)(const line *l, ptrdiff_t start, ptrdiff_t cells, A *held, ODD *odd)
{
    switch (l->count) { /* loops of known length */
    case 1: NAME(join)(l, 1, start, cells, held, odd); return;
    case 2: NAME(join)(l, 2, start, cells, held, odd); return;
    case 3: NAME(join)(l, 3, start, cells, held, odd); return;
    default: NAME(join)(l, l->count, start, cells, held, odd);
    }
}

/* Make some places of a row from what its rows were joined to. */
TARGET static INLINE void NAME(from_joined)(const line *l, const A *held, ptrdiff_t first,
                                            ptrdiff_t places, int size, uint16_t *out, ODD *found)
{
    const window *w = &l->s->cell;
    const ptrdiff_t items = l->s->items, groups = (items + HELD - 1) / HELD;
    ODD odd = *found;
    for (ptrdiff_t place = first; place < first + places; place++, out += items) {
        const divisor by = divisor_at(l, place, place * w->stride - w->low);
        const A *cells = held + (place - first) * w->stride * groups;
        for (ptrdiff_t g = 0; g < groups; g++) {
            A v[CELLS];
            for (int j = 0; j < size; j++) v[j] = cells[j * w->dilation * groups + g];
            NAME(put)(v, size, by, out + LEAST(g * HELD, items - HELD), &odd);
        }
    }
    *found = odd;
}

TARGET static void NAME(from_joined_of)(const line *l, const A *held, ptrdiff_t first,
                                        ptrdiff_t places, uint16_t *out, ODD *odd)
{
    switch (l->s->cell.size) { /* loops of known length */
    case 1: NAME(from_joined)(l, held, first, places, 1, out, odd); return;
    case 2: NAME(from_joined)(l, held, first, places, 2, out, odd); return;
    case 3: NAME(from_joined)(l, held, first, places, 3, out, odd); return;
    case 4: NAME(from_joined)(l, held, first, places, 4, out, odd); return;
    case 5: NAME(from_joined)(l, held, first, places, 5, out, odd); return;
    default: NAME(from_joined)(l, held, first, places, (int)l->s->cell.size, out, odd);
    }
}

TARGET static void NAME(direct_of)(const line *l, uint16_t *out, ODD *odd)
{
#define ROWS(size)                                                      \
    switch (l->count) { /* loops of known length */                     \
    case 1: NAME(direct)(l, 1, size, out, odd); return;                 \
    case 2: NAME(direct)(l, 2, size, out, odd); return;                 \
    default: NAME(direct)(l, l->count, size, out, odd); return;         \
    }
    switch (l->s->cell.size) {
    case 1: ROWS(1)
    case 2: ROWS(2)
    case 3: ROWS(3)
    case 4: ROWS(4)
    case 5: ROWS(5)
    default: NAME(direct)(l, l->count, (int)l->s->cell.size, out, odd);
    }
#undef ROWS
}

/* Places of a row that are made at once, from cells that stay in cache. */
static ptrdiff_t NAME(places_of)(const sheet *s)
{
    const ptrdiff_t cells = PIECE / s->items - extent_of(&s->cell);
    return LEAST(MOST(cells, 0) / s->cell.stride + 1, s->cell.count);
}

TARGET static int NAME(windows)(const uint16_t *x, uint16_t *out, const sheet *s)
{
    const window *w = &s->cell;
    const ptrdiff_t groups = (s->items + HELD - 1) / HELD, width = s->cells * s->items;
    const ptrdiff_t step = NAME(places_of)(s), cells = (step - 1) * w->stride + extent_of(w);
    ptrdiff_t all;
    if (TIMES(cells, groups, &all)) return -1;
    char *memory = room(all + (s->items * 2 + ALIGNMENT) / (ptrdiff_t)sizeof(A) + 2, 1, sizeof(A));
    if (!memory) return -1;
    A *held = (A *)(void *)(memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT));
    uint16_t *outside = (uint16_t *)(void *)(held + all);
    for (ptrdiff_t i = 0; i < s->items; i++) outside[i] = OUTSIDE;
    line l = {.s = s, .outside = outside};
    ODD odd = {0};
    for (ptrdiff_t image = 0; image < s->images; image++) {
        if (!AVERAGE && PASTED(any, BITS)(odd)) break;
        for (ptrdiff_t p = 0; p < s->plane.count; p++) {
            const uint16_t *plane = x + image * s->planes * s->rows * width;
            const ptrdiff_t z = p * s->plane.stride - s->plane.low;
            const ptrdiff_t z0 = first_from(z, s->plane.dilation, 0);
            const ptrdiff_t z1 = LEAST(z + extent_of(&s->plane), s->planes);
            const double outer = AVERAGE ? divisor_of(&s->plane, p, s->planes) : 1;
            for (ptrdiff_t r = 0; r < s->row.count; r++, out += w->count * s->items) {
                const ptrdiff_t y = r * s->row.stride - s->row.low;
                const ptrdiff_t y0 = first_from(y, s->row.dilation, 0);
                const ptrdiff_t y1 = LEAST(y + extent_of(&s->row), s->rows);
                l.count = 0;
                l.divisor = AVERAGE ? outer * divisor_of(&s->row, r, s->rows) : 1;
                for (ptrdiff_t k = z0; k < z1; k += s->plane.dilation)
                    for (ptrdiff_t j = y0; j < y1; j += s->row.dilation)
                        l.rows[l.count++] = plane + (k * s->rows + j) * width;
                if (l.count * w->size <= (l.count + 1) * w->stride) {
                    NAME(direct_of)(&l, out, &odd);
                    continue;
                }
                for (ptrdiff_t first = 0; first < w->count; first += step) {
                    const ptrdiff_t some = LEAST(step, w->count - first);
                    NAME(join_rows)(&l, first * w->stride - w->low, (some - 1) * w->stride + extent_of(w),
                                    held, &odd);
                    NAME(from_joined_of)(&l, held, first, some, out + first * s->items, &odd);
                }
            }
        }
    }
    free(memory);
    return !PASTED(any, BITS)(odd) ? 0 : AVERAGE ? 1 : NOT_SERVED;
}

#undef JOB
#undef AVERAGE
#undef A
#undef TAKE
#undef JOIN
#undef DIVIDE
#undef OUTSIDE
