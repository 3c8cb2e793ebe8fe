#include "cut_folds.h"

#include "checked.h"
#include "spread.h"

#define LARGE (128 << 10) /* bytes of an image that is worth cutting */
#define PIECE (64 << 10)  /* bytes of integers that are a part */

int are_cut(ptrdiff_t images, ptrdiff_t units, ptrdiff_t read)
{
    const ptrdiff_t threads = threads_allowed();
    return units > 1 && read > LARGE && images / 4 < threads && images % threads;
}

/* What is reduced, and where what is made of each group goes. */
typedef struct {
    const group_loops *l;
    const halves *h;
    const void *x;
    group_sizes g;
    char *groups, *odd;
} cut_fold;

static source source_of(const cut_fold *c, float *wide)
{
    return (source){c->x, c->h ? c->h->widen : NULL, wide};
}

static int widening(const cut_fold *c, float **wide)
{
    *wide = c->h ? room(widened_at_once(c->g.length, c->g.after), 1, sizeof(float)) : NULL;
    return c->h && !*wide ? -1 : 0;
}

static int some_of(const void *given, ptrdiff_t first, ptrdiff_t items)
{
    const cut_fold *c = given;
    const group_sizes *g = &c->g;
    float *wide;
    if (widening(c, &wide) < 0) return -1;
    const source x = source_of(c, wide);
    for (ptrdiff_t some; items > 0; first += some, items -= some) {
        const ptrdiff_t image = first / g->count, from = image * g->count;
        some = LEAST(from + g->count - first, items);
        c->l->some(&x, image * g->length * g->after, g, first - from, some,
                   c->groups + from * g->n * (ptrdiff_t)c->l->made, c->odd + from);
    }
    free(wide);
    return 0;
}

static void join(const cut_fold *c, float *wide, ptrdiff_t before, char *out)
{
    const group_sizes *g = &c->g;
    const ptrdiff_t made = (ptrdiff_t)c->l->made;
    const source x = source_of(c, wide);
    for (ptrdiff_t image = 0; image < before; image++) {
        int odd = 0;
        for (ptrdiff_t k = 0; k < g->count; k++) odd |= c->odd[image * g->count + k];
        c->l->join(&x, image * g->length * g->after, g, c->groups + image * g->count * g->n * made,
                   odd, out + image * g->after * made);
    }
}

static int is_cut(ptrdiff_t before, ptrdiff_t length, ptrdiff_t after, size_t size)
{
    return are_cut(before, groups_of_image(length, after).count, length * after * (ptrdiff_t)size);
}

static int cut(const group_loops *l, const halves *h, const void *x, void *out, ptrdiff_t before,
               ptrdiff_t length, ptrdiff_t after, size_t size)
{
    cut_fold c = {l, h, x, groups_of_image(length, after), NULL, NULL};
    if (!is_cut(before, length, after, size)) return NOT_CUT;
    const ptrdiff_t count = before * c.g.count;
    float *wide;
    int result = widening(&c, &wide);
    c.groups = room(count, c.g.n, l->made);
    c.odd = calloc((size_t)count, 1);
    if (!c.groups || !c.odd) result = -1;
    if (!result) result = spread(some_of, &c, count, c.g.items * (ptrdiff_t)size);
    if (!result) join(&c, wide, before, out);
    free(c.groups);
    free(c.odd);
    free(wide);
    return result;
}

#define CUT(name, T, A, of)                                                                          \
    int name##_cut(const T *x, A *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)          \
    {                                                                                                \
        return cut(&in_groups_##of, NULL, x, out, before, length, after, sizeof(T));                 \
    }
CUT(fold_sum_f, float, double, sum_f)
CUT(fold_sum_d, double, double, sum_d)
CUT(fold_squares_f, float, double, squares_f)
CUT(fold_squares_d, double, double, squares_d)
CUT(fold_max_f, float, float, max_f)
CUT(fold_max_d, double, double, max_d)
CUT(fold_min_f, float, float, min_f)
CUT(fold_min_d, double, double, min_d)

#define CUT_SUMS(name, of)                                                                           \
    int name##_cut(const halves *h, const uint16_t *x, double *out, ptrdiff_t before,                \
                   ptrdiff_t length, ptrdiff_t after)                                                \
    {                                                                                                \
        return cut(&in_groups_##of, h, x, out, before, length, after, sizeof(uint16_t));             \
    }
CUT_SUMS(fold_sum_halves, sum_f)
CUT_SUMS(fold_squares_halves, squares_f)

#define CUT_KEPT(name, of)                                                                           \
    int name##_cut(const halves *h, const uint16_t *x, uint16_t *out, ptrdiff_t before,              \
                   ptrdiff_t length, ptrdiff_t after)                                                \
    {                                                                                                \
        if (!is_cut(before, length, after, sizeof(uint16_t))) return NOT_CUT;                        \
        float *kept = room(before, after, sizeof(float));                                            \
        const int result =                                                                           \
            kept ? cut(&in_groups_##of, h, x, kept, before, length, after, sizeof(uint16_t)) : -1;   \
        if (!result) h->narrow(kept, out, before * after);                                           \
        free(kept);                                                                                  \
        return result;                                                                               \
    }
static CUT_KEPT(keep_max_halves, max_f)
CUT_KEPT(fold_min_halves, min_f)

int fold_max_halves_cut(const halves *h, const uint16_t *x, uint16_t *out, ptrdiff_t before,
                        ptrdiff_t length, ptrdiff_t after)
{
    return are_widened(length, after) ? keep_max_halves_cut(h, x, out, before, length, after) : NOT_CUT;
}

#define CUT_MEANS(name, T, sum, divide, GIVEN, HANDED)                                               \
    int name##_cut(GIVEN const T *x, T *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after)    \
    {                                                                                                \
        if (!is_cut(before, length, after, sizeof(T))) return NOT_CUT;                               \
        double *sums = room(before, after, sizeof(double));                                          \
        int result = sums ? sum##_cut(HANDED x, sums, before, length, after) : -1;                   \
        if (!result) result = divide(HANDED sums, out, (double)length, before * after);              \
        free(sums);                                                                                  \
        return result;                                                                               \
    }
#define AND ,
CUT_MEANS(fold_mean_f, float, fold_sum_f, divide_f, , )
CUT_MEANS(fold_mean_d, double, fold_sum_d, divide_d, , )
CUT_MEANS(fold_mean_halves, uint16_t, fold_sum_halves, divide_halves, const halves *h AND, h AND)

/* Integers, of which some cells after others are a piece: it is all the same in which order they come. */
typedef struct {
    char kind;
    const char *x;
    char *pieces;
    ptrdiff_t length, after, size, count;
} cut_whole;

static int some_pieces_of(const void *given, ptrdiff_t first, ptrdiff_t items)
{
    const cut_whole *c = given;
    for (ptrdiff_t k = first; k < first + items; k++) {
        const ptrdiff_t image = k / c->count, piece = k % c->count;
        const ptrdiff_t each = c->length / c->count, from = piece * each;
        const ptrdiff_t rows = piece + 1 < c->count ? each : c->length - from;
        fold_max_whole(c->kind, c->x + (image * c->length + from) * c->after * c->size,
                       c->pieces + k * c->after * c->size, 1, rows, c->after);
    }
    return 0;
}

int fold_max_whole_cut(char kind, const void *x, void *out, ptrdiff_t before, ptrdiff_t length,
                       ptrdiff_t after)
{
    const ptrdiff_t size = size_of_kind(kind), read = length * after * size;
    cut_whole c = {kind, x, NULL, length, after, size, LEAST(read / PIECE, length)};
    if (!are_cut(before, c.count, read)) return NOT_CUT;
    c.pieces = room(before * c.count, after, (size_t)size);
    if (!c.pieces) return -1;
    int result = spread(some_pieces_of, &c, before * c.count, read / c.count);
    if (!result) result = fold_max_whole(kind, c.pieces, out, before, c.count, after);
    free(c.pieces);
    return result;
}
