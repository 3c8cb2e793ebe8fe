/* The loops of windows.h, for one type: T in memory, A in arithmetic; C is that in which columns are
 * joined, by the loop COLUMNS. KEPT is what maxima, or minima, keep of two; any number is kept before
 * WORST. Included by windows.c. */

LOOP static void NAME(copied)(const T *restrict x, A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = (A)x[i];
}

LOOP static void NAME(kept)(const A *restrict a, const A *restrict b, A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = KEPT(a[i], b[i]);
}

LOOP static void NAME(added)(const A *restrict a, const A *restrict b, A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = a[i] + b[i];
}

/* Join the same items of two arrays. */
static void NAME(join)(int average, const A *a, const A *b, A *to, ptrdiff_t n)
{
    if (AVERAGES(average))
        NAME(added)(a, b, to, n);
    else
        NAME(kept)(a, b, to, n);
}

LOOP static void NAME(kept_of_two)(const T *restrict a, const T *restrict b, A *restrict to,
                                     ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = KEPT((A)a[i], (A)b[i]);
}

LOOP static void NAME(sum_of_two)(const T *restrict a, const T *restrict b, A *restrict to,
                                  ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = (A)a[i] + (A)b[i];
}

LOOP static void NAME(kept_of_three)(const T *restrict a, const T *restrict b,
                                        const T *restrict c, A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = KEPT(KEPT((A)a[i], (A)b[i]), (A)c[i]);
}

LOOP static void NAME(sum_of_three)(const T *restrict a, const T *restrict b, const T *restrict c,
                                    A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = ((A)a[i] + (A)b[i]) + (A)c[i];
}

LOOP static void NAME(kept_still)(const T *restrict x, A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = KEPT(to[i], (A)x[i]);
}

LOOP static void NAME(added_up)(const T *restrict x, A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] += (A)x[i];
}

#if AVERAGE
#include "averages_of.h"
#endif

/* Join the same `n` items of several rows, from `start` on. */
static void NAME(join_rows)(int average, const T *const *rows, ptrdiff_t count, ptrdiff_t start,
                            ptrdiff_t n, A *to)
{
    if (count == 1) {
        NAME(copied)(rows[0] + start, to, n);
        return;
    }
    const T *a = rows[0] + start, *b = rows[1] + start;
#if AVERAGE
    if (AVERAGES(average) && count > 3) {
        NAME(sum_of_rows)(rows, count, start, to, n);
        return;
    }
#endif
    if (count == 2)
        (AVERAGES(average) ? NAME(sum_of_two) : NAME(kept_of_two))(a, b, to, n);
    else
        (AVERAGES(average) ? NAME(sum_of_three) : NAME(kept_of_three))(a, b, rows[2] + start, to, n);
    for (ptrdiff_t row = 3; row < count; row++)
        (AVERAGES(average) ? NAME(added_up) : NAME(kept_still))(rows[row] + start, to, n);
}

static A *NAME(unused)(A *const *spare, const A *a, const A *b)
{
    for (int i = 0;; i++)
        if (spare[i] != a && spare[i] != b) return spare[i];
}

static INLINE void NAME(sums_of)(const A *restrict x, ptrdiff_t step, int count, A *restrict to,
                                 ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        A sum = x[i];
        for (int j = 1; j < count; j++) sum += x[i + j * step];
        to[i] = sum;
    }
}

/* Add up 2 to 8 cells, `step` items from one to the next. */
LOOP static void NAME(summed)(const A *x, ptrdiff_t step, ptrdiff_t count, A *to, ptrdiff_t n)
{
    switch (count) { /* loops of known length */
    case 2: NAME(sums_of)(x, step, 2, to, n); return;
    case 3: NAME(sums_of)(x, step, 3, to, n); return;
    case 4: NAME(sums_of)(x, step, 4, to, n); return;
    case 5: NAME(sums_of)(x, step, 5, to, n); return;
    case 6: NAME(sums_of)(x, step, 6, to, n); return;
    case 7: NAME(sums_of)(x, step, 7, to, n); return;
    default: NAME(sums_of)(x, step, 8, to, n);
    }
}

/* The same as `runs` for sums in float64: of groups of cells, and of some of these groups. That
 * takes more additions than doubling, one after another, and writes less. */
static void NAME(groups)(const A *x, ptrdiff_t n, ptrdiff_t size, ptrdiff_t step, A *const *spare,
                         const A **a, const A **b, ptrdiff_t *shift)
{
    ptrdiff_t group = JOINED, best = size;
    for (ptrdiff_t g = 2; g <= JOINED; g++) {
        ptrdiff_t cost = g + size / g + size % g;
        if (size / g <= JOINED && cost < best) group = g, best = cost;
    }
    ptrdiff_t whole = size / group, rest = size % group, left = n - (group - 1) * step;
    ptrdiff_t first = rest ? whole : whole - 1; /* groups in `a` */
    NAME(summed)(x, step, group, spare[0], left);
    *a = *b = spare[0];
    *shift = first * group;
    if (first > 1) {
        NAME(summed)(spare[0], group * step, first, spare[1], left - (first - 1) * group * step);
        *a = spare[1];
    }
    if (rest == 1) *b = x;
    if (rest > 1) {
        NAME(summed)(x, step, rest, spare[2], n - (rest - 1) * step);
        *b = spare[2];
    }
}

/* Runs `a` and `b` such that a window is `a` joined with what stands `shift` cells further in `b`;
 * `b` is null for a window of one cell. The first three of `spare` are as long as `x`. */
static void NAME(runs)(int average, const A *x, ptrdiff_t n, ptrdiff_t size, ptrdiff_t step,
                       A *const *spare, const A **a, const A **b, ptrdiff_t *shift)
{
    const A *run = x, *rest = 0; /* rest: the cells that are no whole run of a power of two */
    ptrdiff_t length = 1, cells = 0;
    *a = x, *b = 0, *shift = 0;
    if (size == 1) return;
    if (AVERAGES(average) && sizeof(A) > sizeof(float) && size > JOINED && size <= JOINED * JOINED) {
        NAME(groups)(x, n, size, step, spare, a, b, shift);
        return;
    }
    for (; 2 * length < size; length *= 2) {
        if (AVERAGES(average) && (size & length)) {
            A *to = NAME(unused)(spare, rest, run);
            if (rest) NAME(added)(rest, run + cells * step, to, n - cells * step);
            rest = rest ? to : run;
            cells += length;
        }
        A *to = NAME(unused)(spare, rest, run);
        NAME(join)(average, run, run + length * step, to, n - length * step);
        run = to;
    }
    *a = rest ? rest : run;
    *b = run;
    *shift = rest ? cells : size - length;
}

static INLINE void NAME(picked)(const A *restrict x, ptrdiff_t places, ptrdiff_t stride,
                                ptrdiff_t items, A *restrict to)
{
    for (ptrdiff_t place = 0; place < places; place++)
        for (ptrdiff_t i = 0; i < items; i++) to[place * items + i] = x[place * stride * items + i];
}

/* Take the cells at the places of a window: few items at a time in loops of known length. */
LOOP static void NAME(pick)(const A *x, ptrdiff_t places, ptrdiff_t stride, ptrdiff_t items, A *to)
{
    switch (items) {
    case 1: NAME(picked)(x, places, stride, 1, to); return;
    case 2: NAME(picked)(x, places, stride, 2, to); return;
    case 3: NAME(picked)(x, places, stride, 3, to); return;
    case 4: NAME(picked)(x, places, stride, 4, to); return;
    default: NAME(picked)(x, places, stride, items, to);
    }
}

LOOP static void NAME(kept_places)(const A *restrict a, const A *restrict b, ptrdiff_t places,
                                     ptrdiff_t step, ptrdiff_t items, A *restrict to)
{
    for (ptrdiff_t place = 0; place < places; place++, a += step, b += step, to += items)
        for (ptrdiff_t i = 0; i < items; i++) to[i] = KEPT(a[i], b[i]);
}

LOOP static void NAME(added_places)(const A *restrict a, const A *restrict b, ptrdiff_t places,
                                    ptrdiff_t step, ptrdiff_t items, A *restrict to)
{
    for (ptrdiff_t place = 0; place < places; place++, a += step, b += step, to += items)
        for (ptrdiff_t i = 0; i < items; i++) to[i] = a[i] + b[i];
}

/* Keep one of each two neighbours. */
LOOP static void NAME(kept_pairs)(const A *restrict x, A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = KEPT(x[2 * i], x[2 * i + 1]);
}

/* Join along one row of `n` items in spare[3], at `places` places. */
static void NAME(join_cells)(int average, A *const *spare, ptrdiff_t n, ptrdiff_t places,
                             const window *w, ptrdiff_t items, A *to)
{
    const A *a, *b;
    ptrdiff_t shift;
    NAME(runs)(average, spare[3], n, w->size, items * w->dilation, spare, &a, &b, &shift);
    shift *= items * w->dilation;
    if (!b) {
        NAME(pick)(a, places, w->stride, items, to);
        return;
    }
    b += shift;
    if (w->stride == 1 || places == 1) {
        NAME(join)(average, a, b, to, places * items);
    } else if (items < SHORT) { /* No vector holds them: join at all cells, and pick. */
        A *all = NAME(unused)(spare, a, b - shift);
        NAME(join)(average, a, b, all, n - shift);
        NAME(pick)(all, places, w->stride, items, to);
    } else {
        (AVERAGES(average) ? NAME(added_places) : NAME(kept_places))(a, b, places, w->stride * items, items,
                                                              to);
    }
}

static INLINE int NAME(divided)(const A *restrict sums, A by, T *restrict out, ptrdiff_t n)
{
    const A inverse = 1 / by; /* what float64 loses by it is nothing to float32 */
    BITS bad = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        T mean = SAME ? (T)(sums[i] / by) : (T)(sums[i] * inverse);
        T none = mean - mean; /* 0, of which no bit is set, or NaN */
        BITS bits;
        memcpy(&bits, &none, sizeof bits);
        bad |= bits;
        out[i] = mean;
    }
    return bad != 0;
}

/* Divide sums at places of a row by its divisors, times `outer`, that of the other axes. */
LOOP static int NAME(divide)(const A *sums, ptrdiff_t places, ptrdiff_t first, double outer,
                             const sheet *s, T *out)
{
    int bad = 0;
    const window *w = &s->cell;
    const ptrdiff_t items = s->items, end = whole_until(s) - first;
    for (ptrdiff_t place = 0, stop; place < places; place = stop) {
        ptrdiff_t i = place * items;
        A by = (A)(outer * divisor_of(w, first + place, s->cells));
        int border = first + place < whole_from(w) || place >= end;
        stop = border ? place + 1 : LEAST(end, places);
        if (stop == place + 1 && items < SHORT) /* no vector holds them */
            for (; i < stop * items; i++) bad |= NAME(divided)(sums + i, by, out + i, 1);
        else
            bad |= NAME(divided)(sums + i, by, out + i, stop * items - i);
    }
    return bad;
}

/* Make the places from `first` to before `end` of an output row from the input rows under its windows,
 * or from what they were joined to, in pieces of `step`. */
static int NAME(make_places)(int average, const T *const *rows, ptrdiff_t count, double divisor,
                             const C *joined, const sheet *s, ptrdiff_t step, A *const *spare,
                             ptrdiff_t first, ptrdiff_t end, T *out)
{
    const window *w = &s->cell;
    const ptrdiff_t extent = extent_of(w);
    const A fill = AVERAGES(average) ? 0 : WORST;
    int bad = 0;
    for (; first < end; first += step) {
        ptrdiff_t places = LEAST(step, end - first);
        ptrdiff_t start = first * w->stride - w->low, cells = (places - 1) * w->stride + extent;
        ptrdiff_t from = MOST(start, 0), to = LEAST(start + cells, s->cells);
        ptrdiff_t before = (from - start) * s->items, n = (to - from) * s->items;
        A *row = spare[3];
        for (ptrdiff_t i = 0; i < before; i++) row[i] = fill;
        if (joined)
            FROM_COLUMNS(joined + from * s->items, row + before, n);
        else
            NAME(join_rows)(average, rows, count, from * s->items, n, row + before);
        for (ptrdiff_t i = before + n; i < cells * s->items; i++) row[i] = fill;
#if AVERAGE
        if (AVERAGES(average) && few_cells(s)) {
            bad |= NAME(average_row)(row, places, first, divisor, s, out + first * s->items);
            continue;
        }
#endif
        if (SAME && !AVERAGES(average) && are_pairs(s)) {
            NAME(kept_pairs)(row, (A *)out + first, places);
            continue;
        }
        A *result = SAME && !AVERAGES(average) ? (A *)(out + first * s->items) : spare[4];
        NAME(join_cells)(average, spare, cells * s->items, places, w, s->items, result);
        if (AVERAGES(average)) bad |= NAME(divide)(result, places, first, divisor, s, out + first * s->items);
    }
    return bad;
}

/* Make one output row. */
static int NAME(make_row)(int average, const T *const *rows, ptrdiff_t count, double divisor,
                          const C *joined, const sheet *s, ptrdiff_t step, A *const *spare, T *out)
{
    const window *w = &s->cell;
    const ptrdiff_t from = LEAST(whole_from(w), w->count), until = MOST(whole_until(s), from);
    const int at_once = !joined && count <= 4 && until > from;
    ptrdiff_t first = 0;
    int bad = 0;
#if AVERAGE
    if (AVERAGES(average) && at_once && few_apart(s)) {
        bad |= NAME(make_places)(1, rows, count, divisor, 0, s, step, spare, 0, from, out);
        bad |= NAME(average_inside)(rows, count, divisor, s, from, until, out);
        first = until;
    }
#endif
    if (SAME && !AVERAGES(average) && at_once && count == 1 && are_pairs(s)) {
        NAME(make_places)(0, rows, count, 1, 0, s, step, spare, 0, from, out);
        NAME(kept_pairs)((const A *)rows[0] + from * 2 - w->low, (A *)out + from, until - from);
        first = until;
    }
    return bad | NAME(make_places)(average, rows, count, divisor, joined, s, step, spare, first,
                                   s->cell.count, out);
}

#if OWN_COLUMNS
#include "columns_of.h"
#endif

#include "images_of.h"

#undef T
#undef A
#undef NAME
#undef KEPT
#undef SAME
#undef BITS
#undef C
#undef COLUMNS
#undef FROM_COLUMNS
#undef OWN_COLUMNS
#undef AVERAGE
