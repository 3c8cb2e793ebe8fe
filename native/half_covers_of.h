/* Windows of differing sizes over items of two bytes, in vectors of one length, for one JOB, as in
 * half_windows_of.h. Cells are joined in the order of adaptive_of.h: NEUTRAL changes no cell that it is
 * joined with. A row of the input goes to all windows that it is under before the next is read.
 * Included by half_windows_each.h. */

/* Join some cells with what is held, four at a time, and the others one by one; with `two`, with what
 * is held in another place, too. */
TARGET static INLINE void NAME(join)(const uint16_t *x, ptrdiff_t cells, ptrdiff_t items, int two,
                                     A *held, A *other, ODD *found)
{
    ODD odd = *found;
    for (ptrdiff_t g = 0, k = 0; g < items; g += HELD, k++) {
        const uint16_t *from = x + LEAST(g, items - HELD), *next = from + cells * items;
        ptrdiff_t left = cells;
        A all = held[k], more = other[k];
        for (; left >= 4; left -= 4, from += 4 * items, next += 4 * items) {
            PREFETCH(next), PREFETCH(next + items);
            PREFETCH(next + 2 * items), PREFETCH(next + 3 * items);
            const A a = JOIN(TAKE(from, &odd), TAKE(from + items, &odd));
            const A b = JOIN(TAKE(from + 2 * items, &odd), TAKE(from + 3 * items, &odd));
            const A four = JOIN(a, b);
            all = JOIN(all, four);
            if (two) more = JOIN(more, four);
        }
        for (; left > 0; left--, from += items, next += items) {
            PREFETCH(next);
            const A one = TAKE(from, &odd);
            all = JOIN(all, one);
            if (two) more = JOIN(more, one);
        }
        held[k] = all;
        if (two) other[k] = more;
    }
    *found = odd;
}

/* Join one row with what is held of all windows that it is under, all cells of the same items before
 * the next: a cell that is under two windows is taken once. */
TARGET static INLINE void NAME(join_short)(const uint16_t *x, const covers *s, int two, A *held,
                                           A *other, ODD *found)
{
    const ptrdiff_t items = s->items, groups = (items + HELD - 1) / HELD;
    const uint16_t *below = x + s->cell.length * items;
    ODD odd = *found;
    for (ptrdiff_t g = 0, k = 0; g < items; g += HELD, k++) {
        const ptrdiff_t i = LEAST(g, items - HELD);
        ptrdiff_t last = -1; /* the cell that was taken last */
        A cell, kept = held[k];
        for (ptrdiff_t c = 0, at = k; c < s->cell.count; c++, at += groups) {
            const span w = s->cell.spans[c];
            const uint16_t *from = x + w.first * items + i, *next = below + w.first * items + i;
            A all = held[at], more = other[at];
            ptrdiff_t left = w.end - w.first;
            cell = w.first == last ? kept : TAKE(from, &odd);
            for (;; from += 4 * items, next += 4 * items, left -= 4, cell = TAKE(from, &odd)) {
                if (left < 4) break;
                PREFETCH(next), PREFETCH(next + items);
                PREFETCH(next + 2 * items), PREFETCH(next + 3 * items);
                const A a = JOIN(cell, TAKE(from + items, &odd)), b = TAKE(from + 2 * items, &odd);
                kept = TAKE(from + 3 * items, &odd);
                const A four = JOIN(a, JOIN(b, kept));
                all = JOIN(all, four);
                if (two) more = JOIN(more, four);
                if (left == 4) break;
            }
            for (; left > 0 && left < 4; from += items, next += items) {
                PREFETCH(next);
                kept = cell;
                all = JOIN(all, kept);
                if (two) more = JOIN(more, kept);
                if (!--left) break;
                cell = TAKE(from + items, &odd);
            }
            last = w.end - 1;
            held[at] = all;
            if (two) other[at] = more;
        }
    }
    *found = odd;
}

/* The same of rows that are too long for the first-level cache. */
TARGET static INLINE void NAME(join_long)(const uint16_t *x, const covers *s, int two, A *held,
                                          A *other, ODD *odd)
{
    const ptrdiff_t groups = (s->items + HELD - 1) / HELD;
    for (ptrdiff_t c = 0; c < s->cell.count; c++, held += groups, other += groups) {
        const span w = s->cell.spans[c];
        for (ptrdiff_t cell = w.first; cell < w.end; cell += BLOCK)
            NAME(join)(x + cell * s->items, LEAST(BLOCK, w.end - cell), s->items, two, held, other,
                       odd);
    }
}

TARGET static void NAME(join_row)(const uint16_t *x, const covers *s, A *held, A *other, ODD *odd)
{
    const int is_short = s->cell.length * s->items <= 2 * PIECE;
    if (is_short && other)
        NAME(join_short)(x, s, 1, held, other, odd);
    else if (is_short)
        NAME(join_short)(x, s, 0, held, held, odd);
    else if (other)
        NAME(join_long)(x, s, 1, held, other, odd);
    else
        NAME(join_long)(x, s, 0, held, held, odd);
}

/* Store what is made of windows over so many rows, and forget what is held of them. */
TARGET static void NAME(put)(A *held, const covers *s, ptrdiff_t rows, uint16_t *out, ODD *found)
{
    const ptrdiff_t items = s->items;
    ODD lost = *found;
    for (ptrdiff_t c = 0; c < s->cell.count; c++, out += items) {
        const double by = (double)rows * (double)(s->cell.spans[c].end - s->cell.spans[c].first);
        for (ptrdiff_t g = 0; g < items; g += HELD, held++) {
            const FLOATS result = DIVIDE(*held, by);
            NOTE(&lost, PASTED(nothing, BITS)(result));
            STORE(out + LEAST(g, items - HELD), PASTED(plain, BITS)(result));
            *held = NEUTRAL;
        }
    }
    *found = lost;
}

/* Make an image whose rows are under two windows at most. */
TARGET static void NAME(image)(const uint16_t *x, uint16_t *out, const covers *s, A *held, ODD *odd,
                               ODD *lost)
{
    const ptrdiff_t width = s->cell.length * s->items, made = s->cell.count * s->items;
    A *other = held + (s->items + HELD - 1) / HELD * s->cell.count;
    const span *w = s->row.spans, *last = w + s->row.count - 1;
    for (ptrdiff_t row = w->first; w <= last; row++) {
        NAME(join_row)(x + row * width, s, held, w < last && w[1].first <= row ? other : NULL, odd);
        for (; w <= last && w->end <= row + 1; w++, out += made) {
            NAME(put)(held, s, w->end - w->first, out, lost);
            A *again = held;
            held = other, other = again;
        }
        if (w <= last && w->first > row) row = w->first - 1;
    }
}

TARGET static int NAME(covers)(const uint16_t *x, uint16_t *out, const covers *s)
{
    const ptrdiff_t groups = (s->items + HELD - 1) / HELD * s->cell.count;
    const ptrdiff_t image = s->row.length * s->cell.length * s->items;
    char *memory = room(2 * groups + 1, 1, sizeof(A)); /* the last for its alignment */
    if (!memory) return -1;
    A *held = (A *)(void *)(memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT));
    ODD odd = {0}, lost = {0};
    for (ptrdiff_t i = 0; i < 2 * groups; i++) held[i] = NEUTRAL;
    for (ptrdiff_t k = 0; k < s->images && !PASTED(any, BITS)(odd); k++)
        NAME(image)(x + k * image, out + k * s->row.count * s->cell.count * s->items, s, held, &odd,
                    &lost);
    free(memory);
    return PASTED(any, BITS)(odd) ? NOT_SERVED : PASTED(any, BITS)(lost);
}

#undef JOB
#undef A
#undef NEUTRAL
#undef TAKE
#undef JOIN
#undef DIVIDE
