#include "indices.h"

#include "checked.h"

#define PIECE 1024  /* items of a row that are worked on together */
#define SHORT 8     /* items of a cell that a vector holds */
#define CLOSE 8     /* strides up to which all cells are looked at as if each were a place */

/* The cells under one place of a window: every `by`th from the first to before the end. */
typedef struct {
    ptrdiff_t first, end, by;
} cells_at;

static INLINE cells_at under(const axis *a, ptrdiff_t place)
{
    const window *w = &a->w;
    if (a->spans) return (cells_at){a->spans[place].first, a->spans[place].end, 1};
    ptrdiff_t start = place * w->stride - w->low, end = start + (w->size - 1) * w->dilation + 1;
    if (start < 0) start += (w->dilation - 1 - start) / w->dilation * w->dilation;
    return (cells_at){start, LEAST(end, a->length), w->dilation};
}

/* The most cells from the first under a place to the last, both included. */
static ptrdiff_t reach_of(const axis *a)
{
    ptrdiff_t most = 1;
    if (!a->spans) return LEAST((a->w.size - 1) * a->w.dilation + 1, a->length);
    for (ptrdiff_t p = 0; p < a->w.count; p++)
        most = MOST(most, a->spans[p].end - a->spans[p].first);
    return most;
}

/* The places of a sliding window, all of whose cells are on the axis. */
static span whole_places(const axis *a)
{
    const window *w = &a->w;
    const ptrdiff_t room = a->length - ((w->size - 1) * w->dilation + 1) + w->low;
    span p = {w->low ? (w->low - 1) / w->stride + 1 : 0, room < 0 ? 0 : room / w->stride + 1};
    p.end = LEAST(p.end, w->count);
    if (a->spans || p.first >= p.end) p.first = p.end = 0;
    return p;
}

static int spans_fit(const axis *a)
{
    const span *s = a->spans;
    if (!s) return window_fits(&a->w, a->length);
    for (ptrdiff_t i = 0; i < a->w.count; i++) {
        if (s[i].first < 0 || s[i].first >= s[i].end || s[i].end > a->length) return 0;
        if (i && (s[i].first < s[i - 1].first || s[i].end < s[i - 1].end)) return 0;
    }
    return 1;
}

/* Whether windows have no row in common, or hardly one, and so many cells or items that rows are put
 * together before cells are. */
static int stand_apart(const searched *s)
{
    const window *z = &s->plane.w, *y = &s->row.w;
    if (s->cell.spans) return 1;
    if (z->stride < z->size || y->stride < y->size || z->size * y->size == 1) return 0;
    return s->items >= SHORT || s->cell.w.stride > CLOSE;
}

int searched_fit(const searched *s)
{
    const ptrdiff_t sizes[3] = {s->plane.length, s->row.length, s->cell.length};
    ptrdiff_t cells, end;
    if (product_of(sizes, 3, &cells) || cells > INT32_MAX || s->first < 0) return 0;
    if (PLUS(cells, s->first, &end)) return 0;
    return spans_fit(&s->plane) && spans_fit(&s->row) && spans_fit(&s->cell);
}

#define T float
#define I int32_t
#define NAME(name) name##_indices_f
#define IS_NAN(x) ((x) != (x))
#include "indices_of.h"

#define T double
#define I int64_t
#define NAME(name) name##_indices_d
#define IS_NAN(x) ((x) != (x))
#include "indices_of.h"

#define T int64_t
#define I int64_t
#define NAME(name) name##_indices_q
#define IS_NAN(x) 0
#include "indices_of.h"

int max_indices_f(const float *x, int64_t *out, const searched *s)
{
    return search_indices_f(x, out, s);
}

int max_indices_d(const double *x, int64_t *out, const searched *s)
{
    return search_indices_d(x, out, s);
}

int max_indices_q(const int64_t *x, int64_t *out, const searched *s)
{
    return search_indices_q(x, out, s);
}
