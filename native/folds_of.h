/* A reduction of the middle axis for one type: T in memory, A in arithmetic; TERM makes of a cell what
 * is joined, and JOIN one of two. Included by folds.c.
 *
 * Rows of few items are put side by side. Four rows are joined at once, GROUPS of those one after
 * another, and these in turn: so a sum of many cells is rounded a few hundred times, not once for
 * each. Where ODD says so of two cells, an image is reduced again, one cell after another, by EXACT. */

/* Ask for so many items that are to be joined later: what is in no cache near comes in time. */
static INLINE void NAME(ask_for)(const T *x, ptrdiff_t items)
{
    const char *from = (const char *)x + AHEAD;
    for (ptrdiff_t at = 0; at < items * (ptrdiff_t)sizeof(T); at += LINE) PREFETCH(from + at);
}

/* Join four rows of `n` items at one of them. */
static INLINE A NAME(four_at)(const T *x, ptrdiff_t n, ptrdiff_t i)
{
    return JOIN(JOIN(TERM(x[i]), TERM(x[i + n])), JOIN(TERM(x[i + 2 * n]), TERM(x[i + 3 * n])));
}

static INLINE BITS NAME(odd_at)(const T *x, ptrdiff_t n, ptrdiff_t i)
{
    (void)x, (void)n, (void)i;
    return ODD(x[i], x[i + n]) | ODD(x[i + 2 * n], x[i + 3 * n]);
}

/* Join `count` rows of `n` items with what is in `to`, or put them there; say whether some are odd,
 * or where there are few, mark these in `lanes`. */
static INLINE BITS NAME(rows_of)(const T *restrict x, ptrdiff_t n, int count, int begin,
                                 A *restrict to, BITS *restrict lanes)
{
    BITS odd = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        A all = count < 4 ? TERM(x[i]) : NAME(four_at)(x, n, i);
        BITS here = count < 4 ? ODD(x[i], x[i]) : NAME(odd_at)(x, n, i);
        if (!begin) all = JOIN(to[i], all);
        if (count == 8) {
            all = JOIN(all, NAME(four_at)(x + 4 * n, n, i));
            here |= NAME(odd_at)(x + 4 * n, n, i);
        }
        if (lanes)
            lanes[i] |= here;
        else
            odd |= here;
        to[i] = all;
    }
    return odd;
}

/* Join `count` rows, a multiple of four, of so few items that what comes of them stays in registers. */
static INLINE void NAME(few_rows_of)(const T *restrict x, ptrdiff_t n, ptrdiff_t count, int begin,
                                     int asks, A *restrict to, BITS *restrict lanes)
{
    A all[LANES];
    BITS odd[LANES];
    for (ptrdiff_t i = 0; i < n; i++) all[i] = begin ? NAME(four_at)(x, n, i) : to[i];
    for (ptrdiff_t i = 0; i < n; i++) odd[i] = begin ? NAME(odd_at)(x, n, i) : 0;
    for (ptrdiff_t row = begin ? 4 : 0; row < count; row += 4) {
        if (asks) NAME(ask_for)(x + row * n, 4 * n);
        for (ptrdiff_t i = 0; i < n; i++) {
            all[i] = JOIN(all[i], NAME(four_at)(x + row * n, n, i));
            odd[i] |= NAME(odd_at)(x + row * n, n, i);
        }
    }
    for (ptrdiff_t i = 0; i < n; i++) to[i] = all[i], lanes[i] |= odd[i];
}

/* The same of rows of any length. */
static INLINE BITS NAME(long_rows_of)(const T *restrict x, ptrdiff_t n, ptrdiff_t count, int begin,
                                      int asks, A *restrict to)
{
    BITS odd = 0;
    ptrdiff_t row = 0;
    if (begin || count % 8) {
        odd |= begin ? NAME(rows_of)(x, n, 4, 1, to, 0) : NAME(rows_of)(x, n, 4, 0, to, 0);
        row = 4;
    }
    for (; row + 8 <= count; row += 8) {
        if (asks) NAME(ask_for)(x + row * n, 8 * n);
        odd |= NAME(rows_of)(x + row * n, n, 8, 0, to, 0);
    }
    if (row < count) odd |= NAME(rows_of)(x + row * n, n, 4, 0, to, 0);
    return odd;
}

static INLINE void NAME(join)(const A *restrict from, ptrdiff_t n, A *restrict to)
{
    for (ptrdiff_t i = 0; i < n; i++) to[i] = JOIN(to[i], from[i]);
}

/* Join what is left of rows of `n` items, of which the last may be shorter. */
static INLINE BITS NAME(rest_of)(const T *restrict x, ptrdiff_t n, ptrdiff_t left, A *restrict to,
                                 BITS *restrict lanes)
{
    BITS odd = 0;
    for (; left >= n; left -= n, x += n) odd |= NAME(rows_of)(x, n, 1, 0, to, lanes);
    return odd | NAME(rows_of)(x, left, 1, 0, to, lanes);
}

/* Join the rows of `n` items that begin in the `size` items from `at` on, of which the last may be
 * shorter: GROUPS of four rows into `some`, and these into `all`. */
static INLINE BITS NAME(image_of)(const source *x, ptrdiff_t at, ptrdiff_t n, ptrdiff_t size,
                                  A *restrict some, A *restrict all, BITS *restrict lanes)
{
    BITS odd = 0;
    ptrdiff_t i = 0;
    /* Of long rows, what comes so much later is one of the eight that are joined at once. */
    const int asks = !x->widen && 8 * n * (ptrdiff_t)sizeof(T) <= AHEAD;
    const ptrdiff_t most = x->widen ? MOST(WIDENED / (4 * n), 1) * 4 * n : size;
    for (int first = 1; i + 4 * n <= size; first = 0) {
        const ptrdiff_t stop = LEAST(size / (4 * n) * 4 * n, i + GROUPS * 4 * n);
        A *to = first ? all : some;
        for (int begin = 1; i < stop; begin = 0) {
            const ptrdiff_t part = LEAST(stop - i, most);
            const T *cells = taken(x, at + i, part, sizeof(T));
#if OWN_SUMS
            if (SUMS_BY_VECTORS) {
                if (lanes)
                    sum_few(cells, n, part / n, begin, to);
                else
                    sum_apart(cells, n, part / n, begin, asks, to, n);
                i += part;
                continue;
            }
#endif
            if (lanes)
                NAME(few_rows_of)(cells, n, part / n, begin, !x->widen, to, lanes);
            else
                odd |= NAME(long_rows_of)(cells, n, part / n, begin, asks, to);
            i += part;
        }
        if (!first) NAME(join)(some, n, all);
    }
    if (i == size) return odd;
    const T *cells = taken(x, at + i, size - i, sizeof(T)), *rest = cells;
    if (!i) odd |= NAME(rows_of)(cells, n, 1, 1, all, lanes), i = n, rest += n;
    return odd | NAME(rest_of)(rest, n, size - i, all, lanes);
}

static INLINE void NAME(one_by_one)(const source *x, ptrdiff_t at, A *restrict out, ptrdiff_t length,
                                    ptrdiff_t after)
{
    const ptrdiff_t step = x->widen ? MOST(WIDENED / after, 1) : length;
    for (ptrdiff_t first = 0; first < length; first += step) {
        const ptrdiff_t rows = LEAST(step, length - first);
        const T *cells = taken(x, at + first * after, rows * after, sizeof(T));
        if (!first)
            for (ptrdiff_t c = 0; c < after; c++) out[c] = TERM(cells[c]);
        for (ptrdiff_t i = !first; i < rows; i++)
            for (ptrdiff_t c = 0; c < after; c++)
                out[c] = EXACT(out[c], TERM(cells[i * after + c]));
    }
}

/* Join the halves of `n` items until there are so few. */
static INLINE void NAME(halved)(A *restrict all, ptrdiff_t n, ptrdiff_t after, A *restrict out)
{
    for (ptrdiff_t half = n / 2; half >= after; half /= 2)
        for (ptrdiff_t i = 0; i < half; i++) all[i] = JOIN(all[i], all[i + half]);
    for (ptrdiff_t c = 0; c < after; c++) out[c] = all[c];
}

/* Reduce an image of few items, of which `rows` are side by side, a power of two. */
static INLINE void NAME(few)(const source *x, ptrdiff_t at, A *restrict out, ptrdiff_t length,
                             ptrdiff_t after, ptrdiff_t rows)
{
    const ptrdiff_t n = rows * after;
    A some[LANES], all[LANES];
    BITS lanes[LANES] = {0}, odd = 0;
    if (length >= rows) NAME(image_of)(x, at, n, length * after, some, all, lanes);
    for (ptrdiff_t i = 0; i < n; i++) odd |= lanes[i];
    if (length < rows || odd) {
        NAME(one_by_one)(x, at, out, length, after);
        return;
    }
    NAME(halved)(all, n, after, out);
}

#if OWN_SUMS
/* Add up one or two images of few items at once, each as it is alone: memory gives more to who asks for
 * both. */
static INLINE void NAME(few_of_pair)(const T *x, int images, A *restrict out, ptrdiff_t length,
                                     ptrdiff_t after, ptrdiff_t rows)
{
    const ptrdiff_t n = rows * after, size = length * after, whole = size / (4 * n) * 4 * n;
    A all[PAIR * LANES];
    sum_pair(x, images, size, n, whole / n, all);
    for (int m = 0; m < images; m++) {
        NAME(rest_of)(x + m * size + whole, n, size - whole, all + m * n, 0);
        NAME(halved)(all + m * n, n, after, out + m * after);
    }
}
#endif

static INLINE void NAME(all_few)(const source *x, A *out, ptrdiff_t before, ptrdiff_t length,
                                 ptrdiff_t after, ptrdiff_t rows)
{
    ptrdiff_t k = 0;
#if OWN_SUMS
    const int in_pairs = SUMS_BY_VECTORS && !x->widen && length >= 4 * rows;
    for (; in_pairs && k < before; k += PAIR)
        NAME(few_of_pair)((const T *)x->x + k * length * after, (int)LEAST(PAIR, before - k),
                          out + k * after, length, after, rows);
#endif
    for (; k < before; k++)
        NAME(few)(x, k * length * after, out + k * after, length, after, rows);
}

/* Reduce `count` short rows of 8 items or more beside each other, each in four lanes. */
static INLINE void NAME(short_of)(const T *restrict x, A *restrict out, ptrdiff_t length, int count)
{
    A all[4][4];
    BITS lanes[4][4] = {{0}};
    for (int k = 0; k < count; k++)
        for (int j = 0; j < 4; j++) all[k][j] = TERM(x[k * length + j]);
    ptrdiff_t i = 4;
    for (; i + 4 <= length; i += 4)
        for (int k = 0; k < count; k++)
            for (int j = 0; j < 4; j++) {
                all[k][j] = JOIN(all[k][j], TERM(x[k * length + i + j]));
                lanes[k][j] |= ODD(x[k * length + i + j], x[k * length + i + j - 4]);
            }
    for (int k = 0; k < count; k++) {
        A one = JOIN(JOIN(all[k][0], all[k][2]), JOIN(all[k][1], all[k][3]));
        BITS odd = lanes[k][0] | lanes[k][1] | lanes[k][2] | lanes[k][3];
        for (ptrdiff_t j = i; j < length; j++) {
            one = JOIN(one, TERM(x[k * length + j]));
            odd |= ODD(x[k * length + j], x[k * length + j]);
        }
        out[k] = one;
        const source own = {x, NULL, NULL};
        if (odd) NAME(one_by_one)(&own, k * length, out + k, length, 1);
    }
}

#if KEEPS
/* Keep one item of a row of 16 or more: to see some of them twice does no harm. */
static INLINE BITS NAME(kept_of_row)(const T *restrict x, A *restrict out, ptrdiff_t length)
{
    A all[16];
    BITS lanes[16], odd = 0;
    AS_VECTORS
    for (int j = 0; j < 16; j++) all[j] = x[j], lanes[j] = ODD(x[j], x[length - 16 + j]);
    for (ptrdiff_t i = 16; i + 16 <= length; i += 16) {
        AS_VECTORS
        for (int j = 0; j < 16; j++)
            all[j] = JOIN(all[j], x[i + j]), lanes[j] |= ODD(x[i + j], x[i + j]);
    }
    AS_VECTORS
    for (int j = 0; j < 16; j++) all[j] = JOIN(all[j], x[length - 16 + j]), odd |= lanes[j];
    AS_VECTORS
    for (int j = 0; j < 8; j++) all[j] = JOIN(all[j], all[j + 8]);
    AS_VECTORS
    for (int j = 0; j < 4; j++) all[j] = JOIN(all[j], all[j + 4]);
    *out = JOIN(JOIN(all[0], all[2]), JOIN(all[1], all[3]));
    return odd;
}
#endif

LOOP static void NAME(short_rows)(const T *x, A *out, ptrdiff_t before, ptrdiff_t length)
{
    ptrdiff_t k = 0;
#if KEEPS
    for (; length >= 16 && k < before; k++) {
        const source own = {x, NULL, NULL};
        if (NAME(kept_of_row)(x + k * length, out + k, length))
            NAME(one_by_one)(&own, k * length, out + k, length, 1);
    }
#endif
    for (; k + 4 <= before; k += 4) NAME(short_of)(x + k * length, out + k, length, 4);
    for (; k < before; k++) NAME(short_of)(x + k * length, out + k, length, 1);
}

LOOP static void NAME(few_items)(const source *x, A *out, ptrdiff_t before, ptrdiff_t length,
                                 ptrdiff_t after)
{
    switch (after) { /* loops of known length */
    case 1: NAME(all_few)(x, out, before, length, 1, 16); return;
    case 2: NAME(all_few)(x, out, before, length, 2, 8); return;
    case 3: NAME(all_few)(x, out, before, length, 3, 8); return;
    default: NAME(all_few)(x, out, before, length, 4, 4);
    }
}

/* Join rows of an image that are side by side. */
static INLINE void NAME(put_together)(const A *restrict all, ptrdiff_t rows, ptrdiff_t after,
                                      A *restrict out)
{
    for (ptrdiff_t c = 0; c < after; c++) {
        A one = all[c];
        for (ptrdiff_t r = 1; r < rows; r++) one = JOIN(one, all[r * after + c]);
        out[c] = one;
    }
}

#if OWN_SUMS
/* Add images up at once, each as it is alone, into the second half of its part of `memory`. */
static INLINE void NAME(images_abreast)(const T *x, ptrdiff_t n, ptrdiff_t size, A *memory)
{
    const ptrdiff_t whole = size / (4 * n) * 4 * n;
    for (ptrdiff_t i = 0, first = 1; i < whole; first = 0) {
        const ptrdiff_t stop = LEAST(whole, i + GROUPS * 4 * n);
        for (int begin = 1; i < stop; begin = 0, i += 4 * n)
            sum_abreast(x + i, size, n, begin, memory + first * n, 2 * n);
        for (int m = 0; m < ABREAST && !first; m++)
            NAME(join)(memory + 2 * m * n, n, memory + (2 * m + 1) * n);
    }
    for (int m = 0; m < ABREAST; m++) {
        A *all = memory + (2 * m + 1) * n;
        const T *image = x + m * size;
        NAME(rest_of)(image + whole, n, size - whole, all, 0);
    }
}
#endif

LOOP static void NAME(many_items)(const source *x, A *out, ptrdiff_t before, ptrdiff_t length,
                                  ptrdiff_t after, A *memory)
{
    const ptrdiff_t rows = side_by_side(after, length), n = rows * after, size = length * after;
    ptrdiff_t k = 0;
#if OWN_SUMS
    const int abreast = SUMS_BY_VECTORS && !x->widen && n % 4 == 0 && size >= MOST(FAR, 4 * n);
    for (; abreast && k + ABREAST <= before; k += ABREAST) {
        NAME(images_abreast)((const T *)x->x + k * size, n, size, memory);
        for (int m = 0; m < ABREAST; m++, out += after)
            NAME(put_together)(memory + (2 * m + 1) * n, rows, after, out);
    }
#endif
    for (; k < before; k++, out += after) {
        A *all = rows == 1 ? out : memory + n;
        if (NAME(image_of)(x, k * size, n, size, memory, all, 0))
            NAME(one_by_one)(x, k * size, out, length, after);
        else if (rows > 1)
            NAME(put_together)(all, rows, after, out);
    }
}

static int NAME(fold_as)(const source *x, A *out, ptrdiff_t before, ptrdiff_t length,
                         ptrdiff_t after)
{
    if (after == 1 && length >= 8 && length <= SHORT) {
        NAME(short_rows)(x->x, out, before, length);
        return 0;
    }
    if (after <= 4) {
        NAME(few_items)(x, out, before, length, after);
        return 0;
    }
    A *memory = room(side_by_side(after, length) * after, OWN_SUMS ? 2 * ABREAST : 2, sizeof(A));
    if (!memory) return -1;
    NAME(many_items)(x, out, before, length, after, memory);
    free(memory);
    return 0;
}

#include "groups_of.h"

int NAME(fold)(const T *x, A *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)
{
    const source own = {x, NULL, NULL};
    return NAME(fold_as)(&own, out, before, length, after);
}

#undef T
#undef A
#undef NAME
#undef TERM
#undef JOIN
#undef ODD
#undef EXACT
#undef BITS
#undef OWN_SUMS
#undef KEEPS
