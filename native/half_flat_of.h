/* The loops of half_flat.c for one type E of numbers, LANES of which are in a vector V. Included by
 * half_flat.c. */

/* Join `n` items of several rows, from `start` on. */
BY_512 static INLINE void NAME(join)(enum joined_as what, int brain, const uint16_t *const *rows,
                                     ptrdiff_t count, ptrdiff_t start, ptrdiff_t n, E *to)
{
    AS_VECTORS
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const ptrdiff_t at = start + i, some = n - i;
        V all = NAME(taken)(brain, rows[0] + at, some);
        for (ptrdiff_t k = 1; k < count; k++)
            all = NAME(joined)(what, all, NAME(taken)(brain, rows[k] + at, some));
        if (some >= LANES)
            STORE(to + i, all);
        else
            STORE_SOME(to + i, all, some);
    }
}

BY_512 static INLINE void NAME(join_rows)(enum joined_as what, int brain, const uint16_t *const *rows,
                                          ptrdiff_t count, ptrdiff_t start, ptrdiff_t n, E *to)
{
    switch (count) { /* loops of known length */
    case 1: NAME(join)(what, brain, rows, 1, start, n, to); return;
    case 2: NAME(join)(what, brain, rows, 2, start, n, to); return;
    case 3: NAME(join)(what, brain, rows, 3, start, n, to); return;
    case 5: NAME(join)(what, brain, rows, 5, start, n, to); return;
    default: NAME(join)(what, brain, rows, count, start, n, to);
    }
}

/* Put 1 to 4 cells together, as runs of cells are in windows_of.h. */
BY_512 static INLINE V NAME(few)(enum joined_as what, const V *v, int size)
{
    if (size == 1) return v[0];
    if (size == 2) return NAME(joined)(what, v[0], v[1]);
    if (size == 3) return NAME(joined)(what, v[0], NAME(joined)(what, v[1], v[2]));
    return NAME(joined)(what, NAME(joined)(what, v[0], v[1]), NAME(joined)(what, v[2], v[3]));
}

/* What is done along a joined row: cells are `step` items apart, and of vectors those at `places` are
 * taken, `group` of them, where the window has a stride. */
typedef struct {
    ptrdiff_t step, group;
    int size, brain;
    NAME(place) places[LANES];
} NAME(way);

/* Make `n` items of an output row from a row that was joined. */
BY_512 static INLINE __mmask16 NAME(along)(enum joined_as what, const NAME(way) *way, int size,
                                           int skips, const E *held, const divisors *d, const E *by,
                                           const E *inverse, ptrdiff_t n, uint16_t *to)
{
    const ptrdiff_t step = way->step, group = skips ? way->group : LANES;
    const __m512i places = _mm512_loadu_si512(way->places);
    __mmask16 bad = 0;
    AS_VECTORS
    for (ptrdiff_t i = 0; i < n; i += group) {
        const E *at = held + (skips ? 2 * i : i);
        V v[CELLS] = {0};
        for (int j = 0; j < size; j++) {
            v[j] = LOAD(at + j * step);
            if (skips) v[j] = PICK(v[j], places, LOAD(at + j * step + LANES));
        }
        V all = size <= 4 ? NAME(few)(what, v, size)
                          : NAME(joined)(what, NAME(few)(what, v, size - 4),
                                         NAME(few)(what, v + size - 4, 4));
        bad |= NAME(put)(what, way->brain, d->how, all, by + i, inverse + i, to + i,
                         LEAST(group, n - i));
    }
    return bad;
}

BY_512 static INLINE __mmask16 NAME(along_row)(enum joined_as what, const NAME(way) *way, int skips,
                                               const E *held, const divisors *d, const E *by,
                                               const E *inverse, ptrdiff_t n, uint16_t *to)
{
    switch (way->size) { /* loops of known length */
    case 1: return NAME(along)(what, way, 1, skips, held, d, by, inverse, n, to);
    case 2: return NAME(along)(what, way, 2, skips, held, d, by, inverse, n, to);
    case 3: return NAME(along)(what, way, 3, skips, held, d, by, inverse, n, to);
    case 4: return NAME(along)(what, way, 4, skips, held, d, by, inverse, n, to);
    case 5: return NAME(along)(what, way, 5, skips, held, d, by, inverse, n, to);
    default: return NAME(along)(what, way, way->size, skips, held, d, by, inverse, n, to);
    }
}

/* Write the divisors of some places from `first` on, and their inverses. */
static void NAME(divide_by)(divisors *d, const sheet *s, E *by, E *inverse)
{
    const ptrdiff_t first = MOST(d->first, 0);
    int exact = 1, near = 1;
    for (ptrdiff_t place = 0, i = 0; place < d->count; place++) {
        /* All have the cells of a whole window where it does not matter which they are. */
        const double cells = d->first < 0 ? (double)(s->cell.divisor ? s->cell.divisor : s->cell.size)
                                          : divisor_of(&s->cell, first + place, s->cells);
        const E all = (E)(d->outer * cells);
        int exponent;
        exact &= frexp((double)all, &exponent) == 0.5 && all < (E)LARGE;
        near &= all >= 1 && all < (E)LARGE;
        for (ptrdiff_t k = 0; k < s->items; k++, i++) by[i] = all, inverse[i] = 1 / all;
    }
    d->how = exact ? EXACTLY : near ? CORRECTED : DIVIDED;
}

/* Memory, and how rows are cut: into pieces of so many places, and strips of so many rows. */
typedef struct {
    E *held, *by; /* joined rows, `pitch` from one to the next; and what they are divided by */
    ptrdiff_t pitch, places, rows, made;
    divisors kept[KEPT];
    int next;
    E fill; /* what stands outside */
} NAME(desk);

/* Which of the kept divisors are those of some places. */
static int NAME(divisors_for)(NAME(desk) *d, const sheet *s, double outer, ptrdiff_t first,
                              ptrdiff_t count)
{
    const window *w = &s->cell;
    const ptrdiff_t start = first * w->stride - w->low;
    const int whole = start >= 0 && start + (count - 1) * w->stride + extent_of(w) <= s->cells;
    const ptrdiff_t from = whole ? -1 : first;
    for (int k = 0; k < KEPT; k++)
        if (d->kept[k].outer == outer && d->kept[k].first == from && d->kept[k].count >= count) return k;
    const int k = d->next;
    d->next = (k + 1) % KEPT;
    d->kept[k] = (divisors){outer, from, count, DIVIDED};
    NAME(divide_by)(d->kept + k, s, d->by + 2 * k * d->made, d->by + (2 * k + 1) * d->made);
    return k;
}

/* The rows of a plane and the next ones that are under a place. */
static ptrdiff_t NAME(rows_under)(const sheet *s, const uint16_t *image, ptrdiff_t plane,
                                  ptrdiff_t row, const uint16_t **rows)
{
    const ptrdiff_t width = s->cells * s->items;
    const ptrdiff_t z = plane * s->plane.stride - s->plane.low, y = row * s->row.stride - s->row.low;
    const ptrdiff_t z1 = LEAST(z + extent_of(&s->plane), s->planes);
    const ptrdiff_t y1 = LEAST(y + extent_of(&s->row), s->rows);
    ptrdiff_t count = 0;
    for (ptrdiff_t k = first_from(z, s->plane.dilation, 0); k < z1; k += s->plane.dilation)
        for (ptrdiff_t j = first_from(y, s->row.dilation, 0); j < y1; j += s->row.dilation)
            rows[count++] = image + (k * s->rows + j) * width;
    return count;
}

/* Make places from `first` on of some rows of an output plane. */
BY_512 static INLINE __mmask16 NAME(piece)(enum joined_as what, NAME(desk) *d, const NAME(way) *way,
                                           const sheet *s, const uint16_t *image, ptrdiff_t plane,
                                           ptrdiff_t row, ptrdiff_t rows, ptrdiff_t first, uint16_t *out)
{
    const window *w = &s->cell;
    const ptrdiff_t items = s->items, places = LEAST(d->places, w->count - first);
    const ptrdiff_t start = first * w->stride - w->low, cells = (places - 1) * w->stride + extent_of(w);
    const ptrdiff_t from = MOST(start, 0), to = LEAST(start + cells, s->cells);
    const ptrdiff_t before = (from - start) * items, n = (to - from) * items;
    const int average = what == AS_MEANS || what == AS_WIDE_MEANS, cut = d->places < w->count;
    __mmask16 bad = 0;
    for (ptrdiff_t k = 0; k < rows; k++) {
        const uint16_t *under[JOINED];
        const ptrdiff_t count = NAME(rows_under)(s, image, plane, row + k, under);
        E *held = d->held + k * d->pitch;
        for (ptrdiff_t i = 0; cut && i < before; i++) held[i] = d->fill;
        for (ptrdiff_t i = before + n; cut && i < cells * items; i++) held[i] = d->fill;
        if (way->brain)
            NAME(join_rows)(what, 1, under, count, from * items, n, held + before);
        else
            NAME(join_rows)(what, 0, under, count, from * items, n, held + before);
    }
    const double outer = average ? divisor_of(&s->plane, plane, s->planes) : 1;
    for (ptrdiff_t k = 0; k < rows; k++) {
        const double by = average ? outer * divisor_of(&s->row, row + k, s->rows) : 1;
        const int kept = average ? NAME(divisors_for)(d, s, by, first, places) : 0;
        const E *divisor = d->by + 2 * kept * d->made, *inverse = divisor + d->made;
        const E *held = d->held + k * d->pitch;
        uint16_t *made = out + (k * w->count + first) * items;
        if (w->stride == 1)
            bad |= NAME(along_row)(what, way, 0, held, d->kept + kept, divisor, inverse,
                                   places * items, made);
        else
            bad |= NAME(along_row)(what, way, 1, held, d->kept + kept, divisor, inverse,
                                   places * items, made);
    }
    return bad;
}

/* Cut rows, and make room; 0 without memory. */
static int NAME(lay_out)(NAME(desk) *d, const sheet *s)
{
    const window *w = &s->cell;
    const ptrdiff_t reach = MOST((PIECE / s->items - extent_of(w)) / w->stride + 1, 1);
    d->places = w->count <= reach + reach / 2 ? w->count : reach;
    d->pitch = ((d->places - 1) * w->stride + extent_of(w)) * s->items;
    d->rows = MOST(LEAST(LEAST(STRIP / (ptrdiff_t)sizeof(E) / d->pitch, ROWS), s->row.count), 1);
    d->made = d->places * s->items + LANES;
    const ptrdiff_t held = d->rows * d->pitch + 2 * LANES, all = held + 2 * KEPT * d->made;
    d->held = room(all, 1, sizeof(E));
    if (!d->held) return 0;
    d->by = d->held + held;
    for (ptrdiff_t i = 0; i < held; i++) d->held[i] = d->fill;
    for (ptrdiff_t i = held; i < all; i++) d->held[i] = 1;
    return 1;
}

BY_512 static INLINE int NAME(flat_as)(enum joined_as what, int brain, const uint16_t *x,
                                       uint16_t *out, const sheet *s)
{
    const int average = what == AS_MEANS || what == AS_WIDE_MEANS;
    const ptrdiff_t image = s->planes * s->rows * s->cells * s->items, group = LANES / s->items * s->items;
    NAME(desk) d = {.fill = average ? 0 : what == AS_LARGEST ? -(E)INFINITY : (E)INFINITY};
    NAME(way) way = {.step = s->items * s->cell.dilation, .group = MOST(group, 1),
                     .size = (int)s->cell.size, .brain = brain};
    for (ptrdiff_t i = 0; i < group; i++)
        way.places[i] = (NAME(place))(i / s->items * 2 * s->items + i % s->items);
    if (!NAME(lay_out)(&d, s)) return -1;
    __mmask16 bad = 0;
    int odd = 0;
    for (ptrdiff_t k = 0; k < s->images && !odd; k++, x += image) {
        odd = !average && any_odd(brain, x, image);
        for (ptrdiff_t p = 0; p < s->plane.count && !odd; p++)
            for (ptrdiff_t r = 0, some; r < s->row.count; r += some) {
                some = LEAST(d.rows, s->row.count - r);
                for (ptrdiff_t first = 0; first < s->cell.count; first += d.places)
                    bad |= NAME(piece)(what, &d, &way, s, x, p, r, some, first, out);
                out += some * s->cell.count * s->items;
            }
    }
    free(d.held);
    return odd ? NOT_SERVED : bad != 0;
}

BY_512 static int NAME(flat)(enum joined_as what, int brain, const uint16_t *x, uint16_t *out,
                             const sheet *s)
{
#if LANES == 16
    if (what == AS_LARGEST) return NAME(flat_as)(AS_LARGEST, brain, x, out, s);
    if (what == AS_SMALLEST) return NAME(flat_as)(AS_SMALLEST, brain, x, out, s);
    return NAME(flat_as)(AS_MEANS, brain, x, out, s);
#else
    (void)what;
    return NAME(flat_as)(AS_WIDE_MEANS, brain, x, out, s);
#endif
}

#undef E
#undef V
#undef LANES
#undef NAME
#undef LOAD
#undef STORE
#undef STORE_SOME
#undef PICK
