#include "half_poolings.h"

#include "checked.h"
#include "half_flat.h"
#include "half_windows.h"

typedef int (*window_loop)(const float *x, float *out, const sheet *s);
typedef int (*cover_loop)(const float *x, float *out, const covers *s);

#define PART (4 * WIDENED) /* items of a part, if it is not to be larger */
#define HALO 4             /* cells of a part for each that it shares with the next, at least */

/* A part: so many items from `from` on make so many from `to` on. */
typedef struct {
    ptrdiff_t from, items, to, made;
} part;

/* Memory in which a part is converted, and what is made of it. */
typedef struct {
    const halves *h;
    const uint16_t *x;
    uint16_t *out;
    float *wide, *made;
    ptrdiff_t room;
} desk;

/* Convert a part; 0 without memory. */
static int lay_out(desk *d, const part *p)
{
    ptrdiff_t all;
    if (PLUS(p->items, p->made, &all)) return 0;
    if (all > d->room) {
        free(d->wide);
        d->wide = room(all, 1, sizeof(float));
        d->room = d->wide ? all : 0;
    }
    if (!d->wide) return 0;
    d->made = d->wide + p->items;
    d->h->widen(d->x + p->from, d->wide, p->items);
    return 1;
}

/* Round what was made of it, and return what is known of all parts: -1, or whether one is lost. */
static int put_away(const desk *d, const part *p, int lost, int before)
{
    if (lost < 0) return lost;
    d->h->narrow(d->made, d->out + p->to, p->made);
    return before | lost;
}

/* Places of a window that make a part of cells of so many items. */
static ptrdiff_t places_of(const window *w, ptrdiff_t cell)
{
    const ptrdiff_t extent = (w->size - 1) * w->dilation + 1, shared = MOST(extent - w->stride, 0);
    const ptrdiff_t fit = PART / cell - shared, least = LEAST(shared, PART) * HALO;
    return LEAST(MOST(MOST(fit, least) / w->stride, 1), w->count);
}

/* The window at `count` places from `first` on, on the cells that are under these: `start` says which
 * is the first of them, and `cells` how many there are. */
static window window_at(const window *w, ptrdiff_t length, ptrdiff_t first, ptrdiff_t count,
                        ptrdiff_t *start, ptrdiff_t *cells)
{
    window some = *w;
    const ptrdiff_t begin = first * w->stride - w->low;
    const ptrdiff_t end = begin + (count - 1) * w->stride + (w->size - 1) * w->dilation + 1;
    *start = MOST(begin, 0), *cells = LEAST(end, length) - *start;
    some.count = count, some.low = *start - begin;
    some.before += *start, some.after += length - (*start + *cells);
    return some;
}

static int windows_of_halves(const halves *h, window_loop loop, const uint16_t *x, uint16_t *out,
                             const sheet *s)
{
    const ptrdiff_t image = s->planes * s->rows * s->cells * s->items;
    const ptrdiff_t result = s->plane.count * s->row.count * s->cell.count * s->items;
    desk d = {h, x, out, NULL, NULL, 0};
    sheet some = *s;
    int bad = 0;
    if (image <= PART) {
        const ptrdiff_t step = PART / image;
        for (ptrdiff_t i = 0; i < s->images && bad >= 0; i += step) {
            some.images = LEAST(step, s->images - i);
            const part p = {i * image, some.images * image, i * result, some.images * result};
            const int lost = lay_out(&d, &p) ? loop(d.wide, d.made, &some) : -1;
            bad = put_away(&d, &p, lost, bad);
        }
        free(d.wide);
        return bad;
    }
    /* An image is cut along the first axis that has several cells. */
    const int axis = s->planes > 1 || s->plane.count > 1 ? 0 : s->rows > 1 || s->row.count > 1 ? 1 : 2;
    const window *w = axis == 0 ? &s->plane : axis == 1 ? &s->row : &s->cell;
    window *own = axis == 0 ? &some.plane : axis == 1 ? &some.row : &some.cell;
    ptrdiff_t *length = axis == 0 ? &some.planes : axis == 1 ? &some.rows : &some.cells;
    const ptrdiff_t whole = *length, cell = image / whole, place = result / w->count;
    const ptrdiff_t step = places_of(w, cell);
    some.images = 1;
    for (ptrdiff_t i = 0; i < s->images && bad >= 0; i++)
        for (ptrdiff_t first = 0; first < w->count && bad >= 0; first += step) {
            ptrdiff_t start, count = LEAST(step, w->count - first);
            *own = window_at(w, whole, first, count, &start, length);
            const part p = {i * image + start * cell, *length * cell, i * result + first * place,
                            count * place};
            const int lost = lay_out(&d, &p) ? loop(d.wide, d.made, &some) : -1;
            bad = put_away(&d, &p, lost, bad);
        }
    free(d.wide);
    return bad;
}

static int adaptive_of_halves(const halves *h, cover_loop loop, const uint16_t *x, uint16_t *out,
                              const covers *s)
{
    const ptrdiff_t image = s->plane.length * s->row.length * s->cell.length * s->items;
    const ptrdiff_t result = s->plane.count * s->row.count * s->cell.count * s->items;
    desk d = {h, x, out, NULL, NULL, 0};
    covers some = *s;
    int bad = 0;
    if (image <= PART) {
        const ptrdiff_t step = PART / image;
        for (ptrdiff_t i = 0; i < s->images && bad >= 0; i += step) {
            some.images = LEAST(step, s->images - i);
            const part p = {i * image, some.images * image, i * result, some.images * result};
            const int lost = lay_out(&d, &p) ? loop(d.wide, d.made, &some) : -1;
            bad = put_away(&d, &p, lost, bad);
        }
        free(d.wide);
        return bad;
    }
    /* Of a large image, what is under one place of the first axis that has several cells. */
    const int axis = s->plane.length > 1 || s->plane.count > 1 ? 0
                     : s->row.length > 1 || s->row.count > 1   ? 1
                                                               : 2;
    const cover *w = axis == 0 ? &s->plane : axis == 1 ? &s->row : &s->cell;
    cover *own = axis == 0 ? &some.plane : axis == 1 ? &some.row : &some.cell;
    const ptrdiff_t cell = image / w->length, place = result / w->count;
    some.images = 1;
    for (ptrdiff_t i = 0; i < s->images && bad >= 0; i++)
        for (ptrdiff_t k = 0; k < w->count && bad >= 0; k++) {
            const span *under = w->spans + k, moved = {0, under->end - under->first};
            *own = (cover){moved.end, 1, &moved};
            const part p = {i * image + under->first * cell, moved.end * cell,
                            i * result + k * place, place};
            const int lost = lay_out(&d, &p) ? loop(d.wide, d.made, &some) : -1;
            bad = put_away(&d, &p, lost, bad);
        }
    free(d.wide);
    return bad;
}

#define WINDOWS(name, loop, what)                                                       \
    int name(const halves *h, const uint16_t *x, uint16_t *out, const sheet *s)         \
    {                                                                                   \
        int result = windows_in_vectors(h, what, x, out, s);                            \
        if (result == NOT_SERVED) result = windows_along_rows(h, what, x, out, s);      \
        return result == NOT_SERVED ? windows_of_halves(h, loop, x, out, s) : result;   \
    }
WINDOWS(max_windows_halves, max_windows_f, AS_LARGEST)
WINDOWS(min_windows_halves, min_windows_f, AS_SMALLEST)
WINDOWS(mean_windows_halves, mean_windows_f, AS_MEANS)
WINDOWS(mean_windows_halves_d, mean_windows_fd, AS_WIDE_MEANS)

int mean_windows_halves_fd(const halves *h, const uint16_t *x, uint16_t *out, const sheet *s)
{
    return windows_of_halves(h, mean_windows_ffd, x, out, s);
}

/* Maxima of cells of one item, image by image. */
static int largest_of_runs(const halves *h, const uint16_t *x, uint16_t *out, const covers *s)
{
    const ptrdiff_t image = s->row.length * s->cell.length, result = s->row.count * s->cell.count;
    covers one = *s;
    int bad = 0;
    one.images = 1;
    for (ptrdiff_t k = 0; k < s->images && bad >= 0; k++, x += image, out += result) {
        int found = runs_in_vectors(h, x, out, &one);
        if (found == NOT_SERVED) found = adaptive_of_halves(h, adaptive_max_f, x, out, &one);
        bad = found < 0 ? found : bad | found;
    }
    return bad;
}

int adaptive_max_halves(const halves *h, const uint16_t *x, uint16_t *out, const covers *s)
{
    if (runs_fit(s)) return largest_of_runs(h, x, out, s);
    const int result = covers_in_vectors(h, 0, x, out, s);
    return result == NOT_SERVED ? adaptive_of_halves(h, adaptive_max_f, x, out, s) : result;
}

int adaptive_mean_halves(const halves *h, const uint16_t *x, uint16_t *out, const covers *s)
{
    const int result = covers_in_vectors(h, 1, x, out, s);
    return result == NOT_SERVED ? adaptive_of_halves(h, adaptive_mean_f, x, out, s) : result;
}
