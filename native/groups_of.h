/* Groups of rows of an image, for several threads: see `group_sizes` in folds.h. Included by folds_of.h. */

/* Join groups of an image, each into its place, and mark those that are odd. */
static INLINE void NAME(groups_of)(const source *x, ptrdiff_t at, const group_sizes *g,
                                   ptrdiff_t first, ptrdiff_t count, A *to, char *odd, ptrdiff_t n,
                                   int few)
{
    for (ptrdiff_t k = first; k < first + count; k++) {
        const ptrdiff_t from = k * g->items, items = LEAST(g->items, g->whole - from);
        BITS lanes[LANES] = {0}, found;
        A none[LANES]; /* for what is joined to the first group: there is no other */
#if OWN_SUMS
        if (SUMS_BY_VECTORS && few && !x->widen) {
            sum_pair((const T *)x->x + at + from, 1, 0, n, items / n, to + k * n);
            continue;
        }
#endif
        found = NAME(image_of)(x, at + from, n, items, none, to + k * n, few ? lanes : 0);
        for (ptrdiff_t i = 0; few && i < n; i++) found |= lanes[i];
        odd[k] = found != 0;
    }
}

LOOP static void NAME(some_groups)(const source *x, ptrdiff_t at, const group_sizes *g,
                                   ptrdiff_t first, ptrdiff_t count, void *to, char *odd)
{
    switch (g->after) { /* loops of known length */
    case 1: NAME(groups_of)(x, at, g, first, count, to, odd, 16, 1); return;
    case 2: NAME(groups_of)(x, at, g, first, count, to, odd, 16, 1); return;
    case 3: NAME(groups_of)(x, at, g, first, count, to, odd, 24, 1); return;
    case 4: NAME(groups_of)(x, at, g, first, count, to, odd, 16, 1); return;
    default: NAME(groups_of)(x, at, g, first, count, to, odd, g->n, 0);
    }
}

/* Join the groups of an image as `image_of` does, and what comes after them. */
static void NAME(join_groups)(const source *x, ptrdiff_t at, const group_sizes *g, void *groups,
                              int odd, void *out)
{
    A *all = groups;
    for (ptrdiff_t k = 1; k < g->count; k++) NAME(join)(all + k * g->n, g->n, all);
    const ptrdiff_t left = g->length * g->after - g->whole;
    const T *rest = taken(x, at + g->whole, left, sizeof(T));
    if (NAME(rest_of)(rest, g->n, left, all, 0) || odd)
        NAME(one_by_one)(x, at, out, g->length, g->after);
    else if (g->after <= 4)
        NAME(halved)(all, g->n, g->after, out);
    else
        NAME(put_together)(all, g->n / g->after, g->after, out);
}

const group_loops NAME(in_groups) = {NAME(some_groups), NAME(join_groups), sizeof(A)};
