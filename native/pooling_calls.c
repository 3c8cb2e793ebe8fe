#include "calls.h"

#include "adaptive.h"
#include "conversions.h"
#include "folds.h"
#include "half_poolings.h"
#include "indices.h"
#include "powers.h"
#include "unpooling.h"
#include "whole.h"
#include "windows.h"
#include "parts.h" /* last: the loops above are called in parts */

/* What is made of cells; kernels/native.py has the numbers of the first three. */
enum reduction { LARGEST, MEAN, SMALLEST, SUM, SQUARES };

/* Read a window: size, stride, count, low, dilation, before, after, divisor. */
static int window_of(PyObject *axis, window *w)
{
    return PyArg_ParseTuple(axis, "nnnnnnnn", &w->size, &w->stride, &w->count, &w->low,
                            &w->dilation, &w->before, &w->after, &w->divisor);
}

static PyObject *no_loop(void)
{
    PyErr_SetString(PyExc_ValueError, "no loop averages integers, or takes their minima");
    return NULL;
}

PyObject *py_windows(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[2];
    sheet s;
    int reduction, wide;
    type_of_items t;
    window *p = &s.plane, *r = &s.row, *c = &s.cell;
    PyObject *axes[3];
    if (!PyArg_ParseTuple(args, "OOiO&i(nnnnn)O!O!O!", &objects[0], &objects[1], &reduction,
                          number_type, &t, &wide, &s.images, &s.planes, &s.rows, &s.cells, &s.items,
                          &PyTuple_Type, &axes[0], &PyTuple_Type, &axes[1], &PyTuple_Type, &axes[2]))
        return NULL;
    if (!window_of(axes[0], p) || !window_of(axes[1], r) || !window_of(axes[2], c)) return NULL;
    const Py_ssize_t from[6] = {s.images, s.planes, s.rows, s.cells, s.items, t.size};
    const Py_ssize_t to[6] = {s.images, p->count, r->count, c->count, s.items, t.size};
    const enum use uses[2] = {READ, WRITE};
    Py_ssize_t bytes[2];
    buffers b;
    if (!count(from, 6, bytes) || !count(to, 6, bytes + 1)) return NULL;
    if (reduction != LARGEST && is_whole(t.kind)) return no_loop();
    if (bytes[0] && bytes[1] && !windows_fit(&s)) {
        PyErr_SetString(PyExc_ValueError, "windows that do not fit the cells there are");
        return NULL;
    }
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    const Py_ssize_t work = bytes[1] ? bytes[0] : 0;
    const void *x = b.view[0].buf;
    void *out = b.view[1].buf;
    int result = 0;
    const halves *h = halves_of(t.kind);
    if (h && reduction == LARGEST)
        RUN(work, result = max_windows_halves(h, x, out, &s));
    else if (h && reduction == SMALLEST)
        RUN(work, result = min_windows_halves(h, x, out, &s));
    else if (h && wide == 1)
        RUN(work, result = mean_windows_halves_fd(h, x, out, &s));
    else if (h && wide)
        RUN(work, result = mean_windows_halves_d(h, x, out, &s));
    else if (h)
        RUN(work, result = mean_windows_halves(h, x, out, &s));
    else if (is_whole(t.kind))
        RUN(work, result = max_windows_whole(t.kind, x, out, &s));
    else if (t.kind == 'f' && reduction == LARGEST)
        RUN(work, result = max_windows_f(x, out, &s));
    else if (t.kind == 'f' && reduction == SMALLEST)
        RUN(work, result = min_windows_f(x, out, &s));
    else if (t.kind == 'f' && wide == 1)
        RUN(work, result = mean_windows_ffd(x, out, &s));
    else if (t.kind == 'f' && wide)
        RUN(work, result = mean_windows_fd(x, out, &s));
    else if (t.kind == 'f')
        RUN(work, result = mean_windows_f(x, out, &s));
    else if (reduction == LARGEST)
        RUN(work, result = max_windows_d(x, out, &s));
    else if (reduction == SMALLEST)
        RUN(work, result = min_windows_d(x, out, &s));
    else
        RUN(work, result = mean_windows_d(x, out, &s));
    return answer(&b, result);
}

PyObject *py_adaptive(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[3];
    covers s;
    int average;
    type_of_items t;
    cover *p = &s.plane, *r = &s.row, *c = &s.cell;
    if (!PyArg_ParseTuple(args, "OOOiO&(nnnnn)(nnn)", &objects[0], &objects[1], &objects[2], &average,
                          number_type, &t, &s.images, &p->length, &r->length, &c->length, &s.items,
                          &p->count, &r->count, &c->count))
        return NULL;
    const Py_ssize_t from[6] = {s.images, p->length, r->length, c->length, s.items, t.size};
    const Py_ssize_t to[6] = {s.images, p->count, r->count, c->count, s.items, t.size};
    const enum use uses[3] = {READ, WRITE, READ};
    Py_ssize_t bytes[3], spans;
    buffers b;
    if (!count(from, 6, bytes) || !count(to, 6, bytes + 1)) return NULL;
    if (average && is_whole(t.kind)) return no_loop();
    if (PLUS(p->count, r->count, &spans) || PLUS(spans, c->count, &spans)) spans = -1;
    const Py_ssize_t pairs[2] = {spans, sizeof(span)};
    if (!count(pairs, 2, bytes + 2) || take(&b, objects, uses, bytes, 3) < 0) return NULL;
    p->spans = b.view[2].buf;
    r->spans = p->spans + p->count, c->spans = r->spans + r->count;
    if (!covers_fit(&s)) {
        release(&b);
        PyErr_SetString(PyExc_ValueError, "windows that do not fit the cells there are");
        return NULL;
    }
    const Py_ssize_t work = bytes[1] ? bytes[0] : 0;
    const void *x = b.view[0].buf;
    void *out = b.view[1].buf;
    int result = 0;
    const halves *h = halves_of(t.kind);
    if (h && average)
        RUN(work, result = adaptive_mean_halves(h, x, out, &s));
    else if (h)
        RUN(work, result = adaptive_max_halves(h, x, out, &s));
    else if (is_whole(t.kind))
        RUN(work, result = adaptive_max_whole(t.kind, x, out, &s));
    else if (t.kind == 'f' && average)
        RUN(work, result = adaptive_mean_f(x, out, &s));
    else if (t.kind == 'f')
        RUN(work, result = adaptive_max_f(x, out, &s));
    else if (average)
        RUN(work, result = adaptive_mean_d(x, out, &s));
    else
        RUN(work, result = adaptive_max_d(x, out, &s));
    return answer(&b, result);
}

PyObject *py_max_indices(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[3], *windows[3];
    searched s;
    axis *p = &s.plane, *r = &s.row, *c = &s.cell;
    const char *kind;
    if (!PyArg_ParseTuple(args, "OOOs(nnnnn)O!O!O!n", &objects[0], &objects[1], &objects[2], &kind,
                          &s.images, &p->length, &r->length, &c->length, &s.items, &PyTuple_Type,
                          &windows[0], &PyTuple_Type, &windows[1], &PyTuple_Type, &windows[2],
                          &s.first))
        return NULL;
    if (!window_of(windows[0], &p->w) || !window_of(windows[1], &r->w)) return NULL;
    if (!window_of(windows[2], &c->w)) return NULL;
    if (*kind != 'f' && *kind != 'd' && *kind != 'q')
        return PyErr_Format(PyExc_ValueError, "no loop is for items of kind %s", kind);
    const Py_ssize_t from[6] = {s.images, p->length, r->length, c->length, s.items,
                                size_of_kind(*kind)};
    const Py_ssize_t to[6] = {s.images, p->w.count, r->w.count, c->w.count, s.items,
                              sizeof(int64_t)};
    const enum use uses[3] = {READ, WRITE, MAYBE};
    Py_ssize_t bytes[3], spans;
    buffers b;
    if (!count(from, 6, bytes) || !count(to, 6, bytes + 1)) return NULL;
    if (PLUS(p->w.count, r->w.count, &spans) || PLUS(spans, c->w.count, &spans)) spans = -1;
    const Py_ssize_t pairs[2] = {spans, sizeof(span)};
    if (!count(pairs, 2, bytes + 2) || take(&b, objects, uses, bytes, 3) < 0) return NULL;
    p->spans = b.view[2].buf;
    r->spans = p->spans ? p->spans + p->w.count : NULL;
    c->spans = p->spans ? r->spans + r->w.count : NULL;
    if (bytes[0] && bytes[1] && !searched_fit(&s)) {
        release(&b);
        PyErr_SetString(PyExc_ValueError, "windows that do not fit the cells there are");
        return NULL;
    }
    const Py_ssize_t work = bytes[1] ? bytes[0] : 0;
    const void *x = b.view[0].buf;
    void *out = b.view[1].buf;
    int result = 0;
    if (*kind == 'f')
        RUN(work, result = max_indices_f(x, out, &s));
    else if (*kind == 'd')
        RUN(work, result = max_indices_d(x, out, &s));
    else
        RUN(work, result = max_indices_q(x, out, &s));
    return answer(&b, result);
}

PyObject *py_put_back(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[3];
    scattered s;
    int size;
    if (!PyArg_ParseTuple(args, "OOOi(nnn)n", &objects[0], &objects[1], &objects[2], &size,
                          &s.images, &s.places, &s.items, &s.cells))
        return NULL;
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return PyErr_Format(PyExc_ValueError, "no loop is for items of %d bytes", size);
    const Py_ssize_t from[4] = {s.images, s.places, s.items, size};
    const Py_ssize_t at[4] = {s.images, s.places, s.items, sizeof(int64_t)};
    const Py_ssize_t to[4] = {s.images, s.cells, s.items, size};
    const enum use uses[3] = {READ, READ, WRITE};
    Py_ssize_t bytes[3];
    buffers b;
    if (!count(from, 4, bytes) || !count(at, 4, bytes + 1) || !count(to, 4, bytes + 2)) return NULL;
    if (take(&b, objects, uses, bytes, 3) < 0) return NULL;
    int result = 0;
    RUN(bytes[2], result = put_back(b.view[0].buf, b.view[1].buf, b.view[2].buf, size, &s));
    return answer(&b, result);
}

static int fold(enum reduction kind, const void *x, void *out, char type, const Py_ssize_t *n)
{
    const halves *h = halves_of(type);
    if (is_whole(type)) return fold_max_whole(type, x, out, n[0], n[1], n[2]);
    if (h) {
        if (kind == SUM) return fold_sum_halves(h, x, out, n[0], n[1], n[2]);
        if (kind == SQUARES) return fold_squares_halves(h, x, out, n[0], n[1], n[2]);
        if (kind == MEAN) return fold_mean_halves(h, x, out, n[0], n[1], n[2]);
        if (kind == SMALLEST) return fold_min_halves(h, x, out, n[0], n[1], n[2]);
        return fold_max_halves(h, x, out, n[0], n[1], n[2]);
    }
    if (type == 'f') {
        if (kind == SUM) return fold_sum_f(x, out, n[0], n[1], n[2]);
        if (kind == SQUARES) return fold_squares_f(x, out, n[0], n[1], n[2]);
        if (kind == MEAN) return fold_mean_f(x, out, n[0], n[1], n[2]);
        if (kind == SMALLEST) return fold_min_f(x, out, n[0], n[1], n[2]);
        return fold_max_f(x, out, n[0], n[1], n[2]);
    }
    if (kind == SUM) return fold_sum_d(x, out, n[0], n[1], n[2]);
    if (kind == SQUARES) return fold_squares_d(x, out, n[0], n[1], n[2]);
    if (kind == MEAN) return fold_mean_d(x, out, n[0], n[1], n[2]);
    if (kind == SMALLEST) return fold_min_d(x, out, n[0], n[1], n[2]);
    return fold_max_d(x, out, n[0], n[1], n[2]);
}

static PyObject *folded(PyObject *args, enum reduction kind)
{
    PyObject *objects[2];
    Py_ssize_t n[3];
    type_of_items t = {'f', sizeof(float)};
    if (!PyArg_ParseTuple(args, "OO(nnn)|O&", &objects[0], &objects[1], &n[0], &n[1], &n[2],
                          number_type, &t))
        return NULL;
    const Py_ssize_t from[4] = {n[0], n[1], n[2], t.size};
    const int sums = kind == SUM || kind == SQUARES;
    const Py_ssize_t to[3] = {n[0], n[2], sums ? (int)sizeof(double) : t.size};
    const enum use uses[2] = {READ, WRITE};
    Py_ssize_t bytes[2];
    buffers b;
    if (!count(from, 4, bytes) || !count(to, 3, bytes + 1)) return NULL;
    if (kind != LARGEST && is_whole(t.kind)) return no_loop();
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    int result = 0;
    RUN(bytes[0], result = fold(kind, b.view[0].buf, b.view[1].buf, t.kind, n));
    return answer(&b, result);
}

PyObject *py_fold_sum(PyObject *self, PyObject *args)
{
    (void)self;
    return folded(args, SUM);
}

PyObject *py_fold_mean(PyObject *self, PyObject *args)
{
    (void)self;
    return folded(args, MEAN);
}

PyObject *py_fold_squares(PyObject *self, PyObject *args)
{
    (void)self;
    return folded(args, SQUARES);
}

PyObject *py_fold_max(PyObject *self, PyObject *args)
{
    (void)self;
    return folded(args, LARGEST);
}

PyObject *py_fold_min(PyObject *self, PyObject *args)
{
    (void)self;
    return folded(args, SMALLEST);
}

PyObject *py_fold_moments(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[3];
    Py_ssize_t before, length, after, last = -1;
    type_of_items t = {'f', sizeof(float)};
    if (!PyArg_ParseTuple(args, "OOO(nnn)|O&n", &objects[0], &objects[1], &objects[2], &before,
                          &length, &after, float_type, &t, &last))
        return NULL;
    const Py_ssize_t from[4] = {before, length, after, t.size};
    const Py_ssize_t to[3] = {before, after, sizeof(double)};
    const enum use uses[3] = {READ, WRITE, WRITE};
    Py_ssize_t bytes[3];
    buffers b;
    if (!count(from, 4, bytes) || !count(to, 3, bytes + 1)) return NULL;
    bytes[2] = bytes[1];
    if (last == -1) last = length;
    if (last != length && (last < 1 || last > length || before < 1))
        return PyErr_Format(PyExc_ValueError, "a last image of %zd rows", last);
    bytes[0] -= (length - last) * after * t.size;
    if (take(&b, objects, uses, bytes, 3) < 0) return NULL;
    const void *x = b.view[0].buf;
    void *mean = b.view[1].buf, *squares = b.view[2].buf;
    int result = 0;
    const halves *h = halves_of(t.kind);
    if (h)
        RUN(bytes[0], result = fold_moments_halves(h, x, mean, squares, before, length, last, after));
    else if (t.kind == 'f')
        RUN(bytes[0], result = fold_moments_f(x, mean, squares, before, length, last, after));
    else
        RUN(bytes[0], result = fold_moments_d(x, mean, squares, before, length, last, after));
    return answer(&b, result);
}

PyObject *py_divide(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[2];
    double by;
    type_of_items t;
    if (!PyArg_ParseTuple(args, "OOdO&", &objects[0], &objects[1], &by, float_type, &t))
        return NULL;
    buffers b = {.count = 1};
    if (PyObject_GetBuffer(objects[0], &b.view[0], PyBUF_SIMPLE) < 0) return NULL;
    const Py_ssize_t items = b.view[0].len / (Py_ssize_t)sizeof(double);
    release(&b);
    const Py_ssize_t bytes[2] = {items * (Py_ssize_t)sizeof(double), items * t.size};
    const enum use uses[2] = {READ, WRITE};
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    int result = 0;
    const halves *h = halves_of(t.kind);
    if (h)
        RUN(bytes[0], result = divide_halves(h, b.view[0].buf, b.view[1].buf, by, items));
    else if (t.kind == 'f')
        RUN(bytes[0], result = divide_f(b.view[0].buf, b.view[1].buf, by, items));
    else
        RUN(bytes[0], result = divide_d(b.view[0].buf, b.view[1].buf, by, items));
    return answer(&b, result);
}

/* Take powers of items, or roots of sums of powers. */
static PyObject *powered(PyObject *args, int roots)
{
    PyObject *objects[2];
    Py_ssize_t items;
    double p;
    int size;
    if (!PyArg_ParseTuple(args, "OOnid", &objects[0], &objects[1], &items, &size, &p)) return NULL;
    const Py_ssize_t wide = !roots && isinf(p) ? size : (int)sizeof(double);
    const Py_ssize_t read[2] = {items, roots ? wide : size}, made[2] = {items, roots ? size : wide};
    const enum use uses[2] = {READ, WRITE};
    Py_ssize_t bytes[2];
    buffers b;
    if (!served(size) || !count(read, 2, bytes) || !count(made, 2, bytes + 1)) return NULL;
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    const void *x = b.view[0].buf;
    void *out = b.view[1].buf;
    int result = 0;
    if (roots && size == 4)
        RUN(bytes[0], result = roots_f(x, out, items, p));
    else if (roots)
        RUN(bytes[0], result = roots_d(x, out, items, p));
    else if (size == 4)
        RUN(bytes[0], result = powers_f(x, out, items, p));
    else
        RUN(bytes[0], result = powers_d(x, out, items, p));
    return answer(&b, result);
}

PyObject *py_powers(PyObject *self, PyObject *args)
{
    (void)self;
    return powered(args, 0);
}

PyObject *py_roots(PyObject *self, PyObject *args)
{
    (void)self;
    return powered(args, 1);
}
