/* Windows along the columns of a plane that are longer than JOINED, for one type: see windows_of.h.
 *
 * From the last row up, each row begins runs of 2, 4, 8, ... rows, each put together from the run
 * half as long and the same one further down. Of runs of n rows the last 2n are kept, for no row
 * needs more; so all of it stays in the first-level cache. */

/* Where the run of 2^level rows that begins at place `p` is kept. The first row of `memory` is of what
 * stands outside the plane. */
static INLINE A *NAME(run_at)(A *memory, ptrdiff_t p, int level)
{
    ptrdiff_t kept = (ptrdiff_t)2 << level;
    return memory + (kept - 1 + (p & (kept - 1))) * STRIP;
}

static INLINE void NAME(begin)(int average, const A *cells, const A *const *below, A *const *runs,
                               int count, ptrdiff_t n)
{
    INDEPENDENT
    for (ptrdiff_t i = 0; i < n; i++) {
        A run = cells[i];
        for (int k = 0; k < count; k++) {
            run = AVERAGES(average) ? run + below[k][i] : KEPT(run, below[k][i]);
            runs[k][i] = run;
        }
    }
}

static INLINE void NAME(total)(const A *const *runs, int count, A *restrict to, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        A sum = runs[0][i];
        for (int k = 1; k < count; k++) sum += runs[k][i];
        to[i] = sum;
    }
}

static INLINE void NAME(put_together)(const A *const *runs, int count, A *restrict to, ptrdiff_t n)
{
    switch (count) { /* loops of known length */
    case 2: NAME(total)(runs, 2, to, n); return;
    case 3: NAME(total)(runs, 3, to, n); return;
    case 4: NAME(total)(runs, 4, to, n); return;
    case 5: NAME(total)(runs, 5, to, n); return;
    default: NAME(total)(runs, count, to, n);
    }
}

/* Return the cells of a row as they are added: those of `x` itself, or a copy of another type. */
static INLINE const A *NAME(row_at)(const T *x, ptrdiff_t row, ptrdiff_t width, ptrdiff_t n, A *copy)
{
    const T *from = x + row * width;
    for (ptrdiff_t i = 0; i < n && row >= AHEAD; i += LINE / (ptrdiff_t)sizeof(T))
        PREFETCH(from - AHEAD * width + i);
    if (SAME) return (const A *)from;
    for (ptrdiff_t i = 0; i < n; i++) copy[i] = (A)from[i];
    return copy;
}

/* Begin all runs at place `p`. */
static INLINE void NAME(begin_at)(int average, const A *cells, const A *before, ptrdiff_t p,
                                  int levels, A *memory, ptrdiff_t n)
{
    const A *below[LEVELS];
    A *runs[LEVELS];
    below[0] = before;
    for (int k = 0; k < levels; k++) {
        runs[k] = NAME(run_at)(memory, p, k + 1);
        below[k + 1] = NAME(run_at)(memory, p + ((ptrdiff_t)2 << k), k + 1);
    }
    for (int k = 0; k < levels; k += 2, cells = runs[k - 1]) /* loops of known length */
        if (k + 1 < levels)
            NAME(begin)(average, cells, below + k, runs + k, 2, n);
        else
            NAME(begin)(average, cells, below + k, runs + k, 1, n);
}

/* Put a window together: it is one of the longest runs, and before that, or over it, the `rest`. */
static INLINE void NAME(window_at)(int average, const A *cells, ptrdiff_t p, ptrdiff_t rest,
                                   int levels, A *memory, ptrdiff_t n, A *restrict to)
{
    const A *parts[LEVELS], *last = NAME(run_at)(memory, p + rest, levels);
    if (!AVERAGES(average)) {
        const A *first = NAME(run_at)(memory, p, levels);
        for (ptrdiff_t i = 0; i < n; i++) to[i] = KEPT(first[i], last[i]);
        return;
    }
    parts[0] = cells;
    int count = rest & 1; /* runs as long as the powers of two in the rest */
    for (int level = 1; level <= levels; level++) {
        ptrdiff_t length = (ptrdiff_t)1 << level;
        if (rest & length)
            parts[count++] = NAME(run_at)(memory, p + (rest & (length - 1)), level);
    }
    parts[count++] = last;
    NAME(put_together)(parts, count, to, n);
}

/* Join a strip of `n` columns. */
static INLINE void NAME(join_strip_of)(int average, const T *x, const columns *s, int levels,
                                       A *memory, ptrdiff_t n, A *out)
{
    const window *w = &s->row;
    ptrdiff_t width = s->width, rest = w->size - ((ptrdiff_t)1 << levels);
    ptrdiff_t place = w->count - 1;
    const A *before = memory;
    for (ptrdiff_t p = place * w->stride + w->size - 1; p >= 0; p--) {
        ptrdiff_t row = p - w->low;
        const A *cells = memory;
        if (row >= 0 && row < s->rows)
            cells = NAME(row_at)(x, row, width, n, NAME(run_at)(memory, p, 0));
        NAME(begin_at)(average, cells, before, p, levels, memory, n);
        before = cells;
        if (p != place * w->stride) continue;
        NAME(window_at)(average, cells, p, rest, levels, memory, n, out + place-- * s->apart);
    }
}

LOOP static void NAME(join_strip)(int average, const T *x, const columns *s, int levels, A *memory,
                                  ptrdiff_t n, A *out)
{
    if (n == STRIP)
        AVERAGES(average) ? NAME(join_strip_of)(1, x, s, levels, memory, STRIP, out)
                : NAME(join_strip_of)(0, x, s, levels, memory, STRIP, out);
    else
        AVERAGES(average) ? NAME(join_strip_of)(1, x, s, levels, memory, n, out)
                : NAME(join_strip_of)(0, x, s, levels, memory, n, out);
}

/* Join the rows under each place of a window into one, for all places, into `mid`. The rows that are
 * `dilation` apart are a plane of their own, on which the window is without dilation. */
static void NAME(join_columns)(int average, const T *x, const sheet *s, A *memory, A *mid)
{
    const window *w = &s->row;
    ptrdiff_t width = s->cells * s->items, step = LEAST(STRIP, width);
    ptrdiff_t apart = w->dilation / common(w->stride, w->dilation); /* places that see the same rows */
    int levels = 0; /* the longest runs have 2^levels rows: a window is one of them and a rest */
    while ((ptrdiff_t)2 << levels < w->size) levels++;
    for (ptrdiff_t i = 0; i < (((ptrdiff_t)4 << levels) - 1) * STRIP; i++)
        memory[i] = AVERAGES(average) ? 0 : WORST;
    for (ptrdiff_t place = 0; place < LEAST(apart, w->count); place++) {
        ptrdiff_t start = place * w->stride - w->low, first = first_from(start, w->dilation, 0);
        columns plane = {*w, 0, width * w->dilation, width * apart};
        plane.rows = (s->rows - first + w->dilation - 1) / w->dilation;
        plane.row.stride = w->stride / (w->dilation / apart);
        plane.row.count = (w->count - place + apart - 1) / apart;
        plane.row.low = (first - start) / w->dilation;
        for (ptrdiff_t column = 0; column < width; column += step) {
            ptrdiff_t begin = LEAST(column, width - step); /* the last strip laps over the one before */
            NAME(join_strip)(average, x + first * width + begin, &plane, levels, memory, step,
                             mid + place * width + begin);
        }
    }
}
