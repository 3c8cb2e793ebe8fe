#include "calls.h"

#include "conversions.h"
#include "grains.h"
#include "rows.h"
#include "scaling.h"
#include "training.h"
#include "parts.h" /* last: the loops above are called in parts */

/* Take items, results, gamma and beta, the last two of them float64. */
static int take_affine(buffers *b, PyObject **objects, Py_ssize_t whole, Py_ssize_t weights)
{
    const enum use uses[4] = {READ, WRITE, MAYBE, MAYBE};
    const Py_ssize_t bytes[4] = {whole, whole, weights, weights};
    return take(b, objects, uses, bytes, 4);
}

PyObject *py_normalize_rows(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[4];
    type_of_items t;
    size_of s;
    weighing w;
    Py_ssize_t rows, whole, weights;
    if (!PyArg_ParseTuple(args, "OOOOO&(pddd)(nnnn)", &objects[0], &objects[1], &objects[2],
                          &objects[3], float_type, &t, &s.centered, &s.weight, &s.epsilon, &s.least, &rows,
                          &w.groups, &w.channels, &w.run))
        return NULL;
    const Py_ssize_t sizes[4] = {rows, w.channels, w.run, t.size};
    const Py_ssize_t own[3] = {w.groups, w.channels, sizeof(double)};
    buffers b;
    if (!count(sizes, 4, &whole) || !count(own, 3, &weights)) return NULL;
    if (take_affine(&b, objects, whole, weights) < 0) return NULL;
    Py_buffer *v = b.view;
    int result = 0;
    const halves *h = halves_of(t.kind);
    if (h)
        RUN(whole, result = all_rows_halves(h, v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &w, rows));
    else if (t.kind == 'f')
        RUN(whole, result = all_rows_f(v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &w, rows));
    else
        RUN(whole, result = all_rows_d(v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &w, rows));
    return answer(&b, result);
}

PyObject *py_normalize_columns(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[4];
    type_of_items t;
    size_of s;
    columns c;
    Py_ssize_t whole, weights;
    if (!PyArg_ParseTuple(args, "OOOOO&(pddd)(nnnn)p", &objects[0], &objects[1], &objects[2],
                          &objects[3], float_type, &t, &s.centered, &s.weight, &s.epsilon, &s.least,
                          &c.before, &c.length, &c.width, &c.joined, &c.along))
        return NULL;
    const Py_ssize_t sizes[4] = {c.before, c.length, c.width, t.size};
    const Py_ssize_t own[2] = {c.along ? c.length : c.width, sizeof(double)};
    buffers b;
    if (!count(sizes, 4, &whole) || !count(own, 2, &weights)) return NULL;
    if (c.joined < 1 || c.width % c.joined) {
        PyErr_SetString(PyExc_ValueError, "columns that cannot be joined so");
        return NULL;
    }
    if (take_affine(&b, objects, whole, weights) < 0) return NULL;
    Py_buffer *v = b.view;
    int result = 0;
    const halves *h = halves_of(t.kind);
    if (h)
        RUN(whole, result = all_columns_halves(h, v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &c));
    else if (t.kind == 'f')
        RUN(whole, result = all_columns_f(v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &c));
    else
        RUN(whole, result = all_columns_d(v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &c));
    return answer(&b, result);
}

PyObject *py_center(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[5];
    type_of_items t;
    Py_ssize_t before, length, after;
    if (!PyArg_ParseTuple(args, "OOOOOO&(nnn)", &objects[0], &objects[1], &objects[2], &objects[3],
                          &objects[4], float_type, &t, &before, &length, &after))
        return NULL;
    const Py_ssize_t sizes[4] = {before, after, length, t.size};
    const Py_ssize_t own[2] = {length, sizeof(double)};
    const enum use uses[5] = {READ, WRITE, READ, READ, MAYBE};
    Py_ssize_t whole, vector;
    buffers b;
    if (!count(sizes, 4, &whole) || !count(own, 2, &vector)) return NULL;
    const Py_ssize_t bytes[5] = {whole, whole, vector, vector, vector};
    if (take(&b, objects, uses, bytes, 5) < 0) return NULL;
    Py_buffer *v = b.view;
    const moving m = {v[2].buf, v[3].buf, v[4].buf};
    int result = 0;
    const halves *h = halves_of(t.kind);
    if (h)
        RUN(whole, result = center_halves(h, v[0].buf, v[1].buf, &m, before, length, after));
    else if (t.kind == 'f')
        RUN(whole, result = center_f(v[0].buf, v[1].buf, &m, before, length, after));
    else
        RUN(whole, result = center_d(v[0].buf, v[1].buf, &m, before, length, after));
    return answer(&b, result);
}

/* Whether units of a training call are made of its items, channel by channel or all of them. */
static int are_units(const training *t, Py_ssize_t items)
{
    if (t->units < 1 || t->length < 1 || t->last < 1 || t->last > t->length || t->rows < 1) return 0;
    if (t->after == t->channels) { /* all channels of a cell lie together */
        const Py_ssize_t whole[3] = {t->units - 1, t->length, t->after};
        Py_ssize_t most;
        if (product_of(whole, 3, &most) || most > items) return 0;
        return (items - most) % t->after == 0 && (items - most) / t->after == t->last;
    }
    return t->after == 1 && t->length == t->behind && t->last == t->length &&
           t->units == t->before * t->channels;
}

PyObject *py_train(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[5];
    type_of_items type;
    training t;
    if (!PyArg_ParseTuple(args, "OOOOOO&d(nnn)(nnnn)n", &objects[0], &objects[1], &objects[2],
                          &objects[3], &objects[4], float_type, &type, &t.epsilon, &t.before,
                          &t.channels, &t.behind, &t.units, &t.length, &t.after, &t.last, &t.rows))
        return NULL;
    const Py_ssize_t sizes[4] = {t.before, t.channels, t.behind, type.size};
    const Py_ssize_t own[2] = {t.channels, sizeof(double)}, both[3] = {2, t.channels, sizeof(double)};
    const enum use uses[5] = {READ, WRITE, MAYBE, MAYBE, WRITE};
    Py_ssize_t whole, vector, found;
    buffers b;
    if (!count(sizes, 4, &whole) || !count(own, 2, &vector) || !count(both, 3, &found)) return NULL;
    if (type.kind == 'd' || !whole || !are_units(&t, whole / type.size)) {
        PyErr_SetString(PyExc_ValueError, "no such units, or not of float32, float16 or bfloat16");
        return NULL;
    }
    const Py_ssize_t bytes[5] = {whole, whole, vector, vector, found};
    if (take(&b, objects, uses, bytes, 5) < 0) return NULL;
    t.kind = type.kind, t.x = b.view[0].buf, t.y = b.view[1].buf;
    t.gamma = b.view[2].buf, t.beta = b.view[3].buf;
    t.mean = b.view[4].buf, t.squares = t.mean + t.channels;
    int result = 0;
    RUN(whole, result = train(&t));
    return answer(&b, result);
}

PyObject *py_fold_weights(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[5];
    double epsilon;
    Py_ssize_t length, bytes;
    if (!PyArg_ParseTuple(args, "OOOOOdn", &objects[0], &objects[1], &objects[2], &objects[3],
                          &objects[4], &epsilon, &length))
        return NULL;
    const Py_ssize_t own[2] = {length, sizeof(double)};
    const enum use uses[5] = {MAYBE, MAYBE, READ, WRITE, WRITE};
    buffers b;
    if (!count(own, 2, &bytes)) return NULL;
    const Py_ssize_t all[5] = {bytes, bytes, bytes, bytes, bytes};
    if (take(&b, objects, uses, all, 5) < 0) return NULL;
    Py_buffer *v = b.view;
    int result = 0;
    RUN(bytes, result = fold_weights(v[0].buf, v[1].buf, v[2].buf, epsilon, v[3].buf, v[4].buf, length));
    return answer(&b, result);
}

PyObject *py_scale(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[5];
    type_of_items t;
    Py_ssize_t before, length, after;
    if (!PyArg_ParseTuple(args, "OOOOOO&(nnn)", &objects[0], &objects[1], &objects[2], &objects[3],
                          &objects[4], float_type, &t, &before, &length, &after))
        return NULL;
    const Py_ssize_t sizes[4] = {before, after, length, t.size};
    const Py_ssize_t own[2] = {length, t.kind == 'd' ? sizeof(double) : sizeof(float)};
    const enum use uses[5] = {READ, WRITE, MAYBE, READ, MAYBE};
    Py_ssize_t whole, vector;
    buffers b;
    if (!count(sizes, 4, &whole) || !count(own, 2, &vector)) return NULL;
    const Py_ssize_t bytes[5] = {whole, whole, vector, vector, vector};
    if (take(&b, objects, uses, bytes, 5) < 0) return NULL;
    Py_buffer *v = b.view;
    int result = 0;
    const halves *h = halves_of(t.kind);
    if (h)
        RUN(whole, result = scale_halves(h, v[0].buf, v[1].buf, v[2].buf, v[3].buf, v[4].buf, before,
                                         length, after));
    else if (t.kind == 'f')
        RUN(whole, result = scale_f(v[0].buf, v[1].buf, v[2].buf, v[3].buf, v[4].buf, before, length,
                                    after));
    else
        RUN(whole, result = scale_d(v[0].buf, v[1].buf, v[2].buf, v[3].buf, v[4].buf, before, length,
                                    after));
    return answer(&b, result);
}

PyObject *py_merge_grains(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[4];
    grains g;
    if (!PyArg_ParseTuple(args, "OOOO(nnnnn)", &objects[0], &objects[1], &objects[2], &objects[3],
                          &g.units, &g.rows, &g.after, &g.cells, &g.last))
        return NULL;
    const Py_ssize_t from[3] = {g.units, g.after, sizeof(double)}, to[2] = {g.after, sizeof(double)};
    const Py_ssize_t most[3] = {g.rows, g.cells, 1};
    const enum use uses[4] = {READ, READ, WRITE, WRITE};
    Py_ssize_t bytes[4], all;
    buffers b;
    if (!count(from, 3, bytes) || !count(to, 2, bytes + 2) || !count(most, 3, &all)) return NULL;
    bytes[1] = bytes[0], bytes[3] = bytes[2];
    if (g.units < 1 || g.rows < 1 || g.cells < 1 || g.last < 1)
        return PyErr_Format(PyExc_ValueError, "%zd parts, %zd to a grain", g.units, g.rows);
    if (take(&b, objects, uses, bytes, 4) < 0) return NULL;
    Py_buffer *v = b.view;
    int result = 0;
    RUN(bytes[0], result = merge_grains(v[0].buf, v[1].buf, v[2].buf, v[3].buf, &g));
    return answer(&b, result);
}
