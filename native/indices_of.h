/* The loops of indices.h, for one type: T in memory, and I, which is as wide and counts cells.
 * Included by indices.c. */

/* Values, and the cell of each. */
typedef struct {
    T *value;
    I *at;
} NAME(found);

/* Whether `x` comes after `best` and is taken in its place: it is larger, or a NaN. */
static INLINE int NAME(wins)(T x, T best)
{
    return (x > best) | IS_NAN(x);
}

/* Of the same items of two arrays, `apart` cells from one to the other, begin with the better one. */
LOOP static void NAME(first_two)(const T *a, const T *b, I apart, T *restrict value, I *restrict at,
                                 ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const T x = a[i], y = b[i];
        const int wins = NAME(wins)(y, x);
        value[i] = wins ? y : x;
        at[i] = wins ? apart : 0;
    }
}

LOOP static void NAME(first_three)(const T *a, const T *b, const T *c, I apart, T *restrict value,
                                   I *restrict at, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const T x = a[i], y = b[i], z = c[i];
        const int second = NAME(wins)(y, x);
        const T best = second ? y : x;
        const I where = second ? apart : 0;
        const int third = NAME(wins)(z, best);
        value[i] = third ? z : best;
        at[i] = third ? 2 * apart : where;
    }
}

/* The same where both are known to stand somewhere, those of the second `apart` cells further. */
LOOP static void NAME(both)(const T *a, const I *a_at, const T *b, const I *b_at, I apart,
                            T *restrict value, I *restrict at, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const T x = a[i], y = b[i];
        const int wins = NAME(wins)(y, x);
        value[i] = wins ? y : x;
        at[i] = wins ? b_at[i] + apart : a_at[i];
    }
}

/* Take what is better of another array, all of which stands at one cell. */
LOOP static void NAME(still)(const T *restrict x, I cell, T *restrict value, I *restrict at,
                             ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const int wins = NAME(wins)(x[i], value[i]);
        value[i] = wins ? x[i] : value[i];
        at[i] = wins ? cell : at[i];
    }
}

LOOP static void NAME(moved)(I *restrict at, I by, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) at[i] += by;
}

LOOP static void NAME(moved_apart)(I *restrict at, const I *restrict by, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) at[i] += by[i];
}

static INLINE void NAME(taken)(const T *restrict x, const I *restrict cell, ptrdiff_t places,
                               ptrdiff_t stride, ptrdiff_t items, T *restrict value, I *restrict at)
{
    for (ptrdiff_t p = 0; p < places; p++)
        for (ptrdiff_t i = 0; i < items; i++) {
            value[p * items + i] = x[p * stride * items + i];
            at[p * items + i] = cell[p * stride * items + i];
        }
}

/* Take what was found at the places of a window. */
LOOP static void NAME(take)(const T *x, const I *cell, ptrdiff_t places, ptrdiff_t stride,
                            ptrdiff_t items, T *value, I *at)
{
    switch (items) { /* loops of known length */
    case 1:
        if (stride == 2)
            NAME(taken)(x, cell, places, 2, 1, value, at);
        else
            NAME(taken)(x, cell, places, stride, 1, value, at);
        return;
    case 2: NAME(taken)(x, cell, places, stride, 2, value, at); return;
    case 3: NAME(taken)(x, cell, places, stride, 3, value, at); return;
    case 4: NAME(taken)(x, cell, places, stride, 4, value, at); return;
    default: NAME(taken)(x, cell, places, stride, items, value, at);
    }
}

/* The cells under one place of a row, few items each. */
static void NAME(one_place)(const T *row, cells_at c, ptrdiff_t items, T *value, I *at)
{
    for (ptrdiff_t i = 0; i < items; i++) {
        T best = row[c.first * items + i];
        ptrdiff_t where = c.first;
        for (ptrdiff_t k = c.first + c.by; k < c.end; k += c.by) {
            const T x = row[k * items + i];
            if (NAME(wins)(x, best)) best = x, where = k;
        }
        value[i] = best;
        at[i] = (I)where;
    }
}

/* The same for many items. */
static void NAME(wide_place)(const T *row, cells_at c, ptrdiff_t items, T *value, I *at)
{
    const T *a = row + c.first * items;
    const ptrdiff_t by = c.by * items, count = (c.end - 1 - c.first) / c.by + 1;
    if (count == 1) {
        for (ptrdiff_t i = 0; i < items; i++) value[i] = a[i], at[i] = (I)c.first;
        return;
    }
    if (count == 2)
        NAME(first_two)(a, a + by, (I)c.by, value, at, items);
    else
        NAME(first_three)(a, a + by, a + 2 * by, (I)c.by, value, at, items);
    for (ptrdiff_t k = 3; k < count; k++)
        NAME(still)(a + k * by, (I)(k * c.by), value, at, items);
    NAME(moved)(at, (I)c.first, items);
}

/* Find the best of windows of `size` cells at each of `n` items, as if each began one: by runs of 1,
 * 2, 4, ... cells, put together to a window. `spare` is as long as `x`. */
static NAME(found) NAME(all_runs)(const T *x, ptrdiff_t n, ptrdiff_t size, ptrdiff_t dilation,
                                  ptrdiff_t items, const NAME(found) *spare)
{
    const ptrdiff_t step = dilation * items;
    int to = 0;
    if (size == 3) {
        NAME(first_three)(x, x + step, x + 2 * step, (I)dilation, spare[0].value, spare[0].at, n);
        return spare[0];
    }
    const ptrdiff_t all = n + (size - 1) * step;
    ptrdiff_t length = 2;
    NAME(first_two)(x, x + step, (I)dilation, spare[0].value, spare[0].at, all - step);
    for (; 2 * length <= size; length *= 2, to = !to) {
        const NAME(found) *run = spare + to, *next = spare + !to;
        const ptrdiff_t far = length * step, left = all - (2 * length - 1) * step;
        NAME(both)(run->value, run->at, run->value + far, run->at + far, (I)(length * dilation),
                   next->value, next->at, left);
    }
    if (length == size) return spare[to];
    const NAME(found) *run = spare + to, *next = spare + !to;
    const ptrdiff_t far = (size - length) * step; /* one run laps over the other */
    NAME(both)(run->value, run->at, run->value + far, run->at + far, (I)((size - length) * dilation),
               next->value, next->at, n);
    return *next;
}

/* What a call of these loops works with. */
typedef struct {
    const searched *s;
    span whole;        /* places of the cells that are looked at together */
    ptrdiff_t piece;   /* how many of them */
    NAME(found) spare[2];
    I *starts;         /* of each item of a row of places, the first cell */
} NAME(work);

/* Reduce one row along its cells. */
static void NAME(reduce_row)(const T *row, const NAME(work) *k, T *value, I *at)
{
    const searched *s = k->s;
    const window *w = &s->cell.w;
    const ptrdiff_t items = s->items;
    for (ptrdiff_t p = 0; p < w->count; p++) {
        if (p == k->whole.first && p < k->whole.end) p = k->whole.end;
        if (p == w->count) break;
        const cells_at c = under(&s->cell, p);
        if (items < SHORT)
            NAME(one_place)(row, c, items, value + p * items, at + p * items);
        else
            NAME(wide_place)(row, c, items, value + p * items, at + p * items);
    }
    for (ptrdiff_t p = k->whole.first, places; p < k->whole.end; p += places) {
        places = LEAST(k->piece, k->whole.end - p);
        const T *x = row + (p * w->stride - w->low) * items;
        T *values = value + p * items;
        I *cells = at + p * items;
        const ptrdiff_t n = ((places - 1) * w->stride + 1) * items;
        const NAME(found) f = NAME(all_runs)(x, n, w->size, w->dilation, items, k->spare);
        NAME(take)(f.value, f.at, places, w->stride, items, values, cells);
        NAME(moved_apart)(cells, k->starts + p * items, places * items);
    }
}

LOOP static void NAME(put)(const I *restrict at, int64_t from, int64_t *restrict out, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) out[i] = at[i] + from;
}

/* Take what is better of another array, of which each item stands `apart` cells further. */
LOOP static void NAME(further)(const T *restrict x, const I *restrict cell, I apart,
                               T *restrict value, I *restrict at, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const int wins = NAME(wins)(x[i], value[i]);
        value[i] = wins ? x[i] : value[i];
        at[i] = wins ? cell[i] + apart : at[i];
    }
}

/* Put arrays together, each `apart` cells further than the one before: the better items of all. */
static NAME(found) NAME(join)(const NAME(found) *a, ptrdiff_t count, ptrdiff_t apart,
                              NAME(found) to, ptrdiff_t n)
{
    if (count == 1) return a[0];
    NAME(both)(a[0].value, a[0].at, a[1].value, a[1].at, (I)apart, to.value, to.at, n);
    for (ptrdiff_t k = 2; k < count; k++)
        NAME(further)(a[k].value, a[k].at, (I)(k * apart), to.value, to.at, n);
    return to;
}

/* What was made of rows or planes, each `size` items, and of which of them: one after another takes
 * the place of the one that is `slots` before it. */
typedef struct {
    NAME(found) all;
    ptrdiff_t size, slots, *held;
    NAME(found) *listed; /* of those under a window */
} NAME(kept);

static INLINE NAME(found) NAME(slot)(const NAME(kept) *k, ptrdiff_t index)
{
    const ptrdiff_t at = index % k->slots * k->size;
    return (NAME(found)){k->all.value + at, k->all.at + at};
}

/* Whether it is to be made; it is held from then on. */
static INLINE int NAME(lacks)(const NAME(kept) *k, ptrdiff_t index)
{
    ptrdiff_t *held = k->held + index % k->slots;
    if (*held == index) return 0;
    *held = index;
    return 1;
}

static void NAME(forget)(const NAME(kept) *k)
{
    for (ptrdiff_t i = 0; i < k->slots; i++) k->held[i] = -1;
}

static void NAME(drop)(NAME(kept) *k)
{
    free(k->all.value), free(k->all.at), free(k->held), free(k->listed);
}

/* Make room; return 1 where there is none. What there is has to be dropped then, too. */
static int NAME(keep)(NAME(kept) *k, ptrdiff_t slots, ptrdiff_t places, ptrdiff_t items)
{
    k->slots = slots;
    k->held = room(slots, 1, sizeof(ptrdiff_t));
    k->listed = room(slots, 1, sizeof(NAME(found)));
    if (TIMES(places, items, &k->size)) return 1;
    k->all.value = room(slots, k->size, sizeof(T));
    k->all.at = room(slots, k->size, sizeof(I));
    return !k->held || !k->listed || !k->all.value || !k->all.at;
}

/* Reduce the rows of a plane under one place. */
static NAME(found) NAME(rows_at)(const T *plane, const NAME(work) *work, const NAME(kept) *rows,
                                 cells_at y, NAME(found) to)
{
    const searched *s = work->s;
    const ptrdiff_t width = s->cell.length * s->items;
    ptrdiff_t count = 0;
    for (ptrdiff_t row = y.first; row < y.end; row += y.by) {
        const NAME(found) f = NAME(slot)(rows, row);
        if (NAME(lacks)(rows, row)) NAME(reduce_row)(plane + row * width, work, f.value, f.at);
        rows->listed[count++] = f;
    }
    return NAME(join)(rows->listed, count, y.by * s->cell.length, to, rows->size);
}

/* Reduce a plane; indices are those in it. */
static void NAME(reduce_plane)(const T *plane, const NAME(work) *work, const NAME(kept) *rows,
                               NAME(found) to)
{
    const searched *s = work->s;
    const ptrdiff_t n = rows->size;
    NAME(forget)(rows);
    for (ptrdiff_t r = 0; r < s->row.w.count; r++, to.value += n, to.at += n) {
        const cells_at y = under(&s->row, r);
        const NAME(found) f = NAME(rows_at)(plane, work, rows, y, to);
        if (f.value != to.value) { /* one row */
            memcpy(to.value, f.value, (size_t)n * sizeof(T));
            memcpy(to.at, f.at, (size_t)n * sizeof(I));
        }
        NAME(moved)(to.at, (I)(y.first * s->cell.length), n);
    }
}

/* Write the indices of an image of one plane. */
static void NAME(one_plane)(const T *plane, const NAME(work) *work, const NAME(kept) *rows,
                            NAME(found) to, int64_t *out)
{
    const searched *s = work->s;
    NAME(forget)(rows);
    for (ptrdiff_t r = 0; r < s->row.w.count; r++, out += rows->size) {
        const cells_at y = under(&s->row, r);
        const NAME(found) f = NAME(rows_at)(plane, work, rows, y, to);
        NAME(put)(f.at, s->first + y.first * s->cell.length, out, rows->size);
    }
}

/* Write the indices of an image of several planes. */
static void NAME(several_planes)(const T *x, const NAME(work) *work, const NAME(kept) *rows,
                                 const NAME(kept) *planes, NAME(found) to, int64_t *out)
{
    const searched *s = work->s;
    const ptrdiff_t cells = s->row.length * s->cell.length, n = rows->size;
    NAME(forget)(planes);
    for (ptrdiff_t p = 0; p < s->plane.w.count; p++) {
        const cells_at z = under(&s->plane, p);
        for (ptrdiff_t k = z.first; k < z.end; k += z.by)
            if (NAME(lacks)(planes, k))
                NAME(reduce_plane)(x + k * cells * s->items, work, rows, NAME(slot)(planes, k));
        for (ptrdiff_t r = 0; r < s->row.w.count; r++, out += n) {
            ptrdiff_t count = 0;
            for (ptrdiff_t k = z.first; k < z.end; k += z.by) {
                const NAME(found) f = NAME(slot)(planes, k);
                planes->listed[count++] = (NAME(found)){f.value + r * n, f.at + r * n};
            }
            const NAME(found) f = NAME(join)(planes->listed, count, z.by * cells, to, n);
            NAME(put)(f.at, s->first + z.first * cells, out, n);
        }
    }
}

/* Take what is better of four more arrays, `apart` cells from one to the next. */
LOOP static void NAME(still_four)(const T *a, ptrdiff_t step, I cell, I apart, T *restrict value,
                                  I *restrict at, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        T best = value[i];
        I where = at[i];
        for (int k = 0; k < 4; k++) {
            const T x = a[i + k * step];
            const int wins = NAME(wins)(x, best);
            best = wins ? x : best;
            where = wins ? cell + k * apart : where;
        }
        value[i] = best;
        at[i] = where;
    }
}

/* Whether `y` is taken where not all that stands before it has been seen before it. */
static INLINE int NAME(wins_anywhere)(T y, I y_at, T x, I x_at)
{
    const int before = y_at < x_at;
    return (y > x) | ((y == x) & before) | (IS_NAN(y) & (!IS_NAN(x) | !before));
}

LOOP static void NAME(mixed)(const T *restrict x, const I *restrict cell, I apart, T *restrict value,
                             I *restrict at, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const I where = cell[i] + apart;
        const int wins = NAME(wins_anywhere)(x[i], where, value[i], at[i]);
        value[i] = wins ? x[i] : value[i];
        at[i] = wins ? where : at[i];
    }
}

LOOP static void NAME(put_mixed)(const T *restrict a, const I *restrict a_at, const T *restrict b,
                                 const I *restrict b_at, I apart, int64_t from,
                                 int64_t *restrict out, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const I x = a_at[i], y = b_at[i] + apart;
        out[i] = from + (NAME(wins_anywhere)(b[i], y, a[i], x) ? y : x);
    }
}

/* Write the indices of one place, of whose rows each cell is known. */
static void NAME(put_place)(NAME(found) x, ptrdiff_t count, ptrdiff_t by, ptrdiff_t items,
                            int64_t from, int64_t *out)
{
    const ptrdiff_t step = by * items, last = count - 1;
    if (items < SHORT) {
        for (ptrdiff_t i = 0; i < items; i++) {
            T best = x.value[i];
            I where = x.at[i];
            for (ptrdiff_t k = 1; k < count; k++) {
                const T y = x.value[k * step + i];
                const I cell = x.at[k * step + i] + (I)(k * by);
                if (NAME(wins_anywhere)(y, cell, best, where)) best = y, where = cell;
            }
            out[i] = from + where;
        }
        return;
    }
    for (ptrdiff_t k = 1; k < last; k++)
        NAME(mixed)(x.value + k * step, x.at + k * step, (I)(k * by), x.value, x.at, items);
    if (last)
        NAME(put_mixed)(x.value, x.at, x.value + last * step, x.at + last * step, (I)(last * by),
                        from, out, items);
    else
        NAME(put)(x.at, from, out, items);
}

/* Put the same cells of the rows under a window together; indices are those of the rows' beginnings,
 * counted from the first row. */
static void NAME(join_rows)(const T *x, const searched *s, cells_at z, cells_at y, NAME(found) to,
                            ptrdiff_t n)
{
    const ptrdiff_t cells = s->cell.length, width = cells * s->items, step = y.by * width;
    const ptrdiff_t count = (y.end - 1 - y.first) / y.by + 1;
    const I apart = (I)(y.by * cells);
    for (ptrdiff_t plane = z.first; plane < z.end; plane += z.by) {
        const T *a = x + (plane * s->row.length + y.first) * width;
        const I cell = (I)((plane - z.first) * s->row.length * cells);
        ptrdiff_t k = 0;
        if (plane == z.first) {
            k = LEAST(count, 3);
            if (k == 3)
                NAME(first_three)(a, a + step, a + 2 * step, apart, to.value, to.at, n);
            else if (k == 2)
                NAME(first_two)(a, a + step, apart, to.value, to.at, n);
            else
                for (ptrdiff_t i = 0; i < n; i++) to.value[i] = a[i], to.at[i] = 0;
        }
        for (; k + 4 <= count; k += 4)
            NAME(still_four)(a + k * step, step, cell + (I)k * apart, apart, to.value, to.at, n);
        for (; k < count; k++) NAME(still)(a + k * step, cell + (I)k * apart, to.value, to.at, n);
    }
}

/* Write the indices of an image whose windows hardly have a row in common: rows first. */
static void NAME(rows_first)(const T *x, const searched *s, ptrdiff_t most, NAME(found) to,
                             int64_t *out)
{
    const ptrdiff_t items = s->items, count = s->cell.w.count, cells = s->cell.length;
    for (ptrdiff_t p = 0; p < s->plane.w.count; p++)
        for (ptrdiff_t r = 0; r < s->row.w.count; r++) {
            const cells_at z = under(&s->plane, p), y = under(&s->row, r);
            const int64_t from = s->first + (z.first * s->row.length + y.first) * cells;
            for (ptrdiff_t c = 0, stop; c < count; c = stop) {
                const ptrdiff_t first = under(&s->cell, c).first;
                ptrdiff_t end = under(&s->cell, c).end;
                for (stop = c + 1; stop < count; stop++) {
                    const ptrdiff_t next = under(&s->cell, stop).end;
                    if ((next - first) * items > most) break;
                    end = next;
                }
                NAME(join_rows)(x + first * items, s, z, y, to, (end - first) * items);
                for (ptrdiff_t k = c; k < stop; k++, out += items) {
                    const cells_at at = under(&s->cell, k);
                    const ptrdiff_t shift = (at.first - first) * items;
                    const NAME(found) f = {to.value + shift, to.at + shift};
                    NAME(put_place)(f, (at.end - 1 - at.first) / at.by + 1, at.by, items,
                                    from + at.first, out);
                }
            }
        }
}

/* Decide which places of a row are looked at together; return 1 without memory. */
static int NAME(prepare)(NAME(work) *k, const searched *s)
{
    const window *w = &s->cell.w;
    const ptrdiff_t items = s->items;
    ptrdiff_t places, cells;
    k->s = s;
    k->whole = whole_places(&s->cell);
    if (items >= SHORT || w->stride > CLOSE || w->size < 2 || s->cell.spans)
        k->whole.first = k->whole.end = 0;
    if (k->whole.first == k->whole.end) return 0;
    const ptrdiff_t extent = (w->size - 1) * w->dilation + 1;
    places = MOST(PIECE / (w->stride * items), 2 * extent / w->stride);
    k->piece = LEAST(MOST(places, 1), k->whole.end - k->whole.first);
    cells = (k->piece - 1) * w->stride + extent;
    for (int i = 0; i < 2; i++) {
        k->spare[i].value = room(cells, items, sizeof(T));
        k->spare[i].at = room(cells, items, sizeof(I));
        if (!k->spare[i].value || !k->spare[i].at) return 1;
    }
    k->starts = room(w->count, items, sizeof(I));
    if (!k->starts) return 1;
    for (ptrdiff_t p = k->whole.first; p < k->whole.end; p++)
        for (ptrdiff_t i = 0; i < items; i++) k->starts[p * items + i] = (I)(p * w->stride - w->low);
    return 0;
}

static int NAME(search)(const T *x, int64_t *out, const searched *s)
{
    const ptrdiff_t image = s->plane.length * s->row.length * s->cell.length * s->items;
    NAME(work) work = {0};
    NAME(kept) rows = {0}, planes = {0}, one = {0};
    if (stand_apart(s)) {
        const ptrdiff_t piece = MOST(PIECE / s->items, reach_of(&s->cell));
        int none = NAME(keep)(&one, 1, piece, s->items);
        const ptrdiff_t places = s->plane.w.count * s->row.w.count * s->cell.w.count;
        for (ptrdiff_t i = 0; i < s->images && !none; i++, x += image, out += places * s->items)
            NAME(rows_first)(x, s, one.size, one.all, out);
        NAME(drop)(&one);
        return none ? -1 : 0;
    }
    int lost = NAME(prepare)(&work, s);
    lost = lost || NAME(keep)(&rows, reach_of(&s->row), s->cell.w.count, s->items);
    lost = lost || NAME(keep)(&one, 1, s->cell.w.count, s->items);
    if (!lost && s->plane.length > 1)
        lost = TIMES(s->row.w.count, rows.size, &planes.size) ||
               NAME(keep)(&planes, reach_of(&s->plane), planes.size, 1);
    const ptrdiff_t made = s->plane.w.count * s->row.w.count * rows.size;
    for (ptrdiff_t i = 0; i < s->images && !lost; i++, x += image, out += made)
        if (s->plane.length > 1)
            NAME(several_planes)(x, &work, &rows, &planes, one.all, out);
        else
            NAME(one_plane)(x, &work, &rows, one.all, out);
    for (int i = 0; i < 2; i++) free(work.spare[i].value), free(work.spare[i].at);
    free(work.starts);
    NAME(drop)(&rows), NAME(drop)(&planes), NAME(drop)(&one);
    return lost ? -1 : 0;
}

#undef T
#undef I
#undef NAME
#undef IS_NAN
