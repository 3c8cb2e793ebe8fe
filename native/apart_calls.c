/* Calls of loops on samples of which each is for itself, and axes need not lie as the loops take them. */
#include "calls.h"

#include "permuting.h"
#include "responses.h"
#include "rows.h"
#include "shares.h"

/* Read the sizes of a sample's axes and their order: two tuples of as many numbers, or of none. */
static int read_permutation(PyObject *sizes, PyObject *order, permutation *p)
{
    const Py_ssize_t axes = PyTuple_Size(sizes);
    if (axes < 0 || axes > MOST_AXES || PyTuple_Size(order) != axes) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "axes that have no such order");
        return 0;
    }
    unsigned seen = 0;
    p->count = (int)axes;
    for (int i = 0; i < p->count; i++) {
        const Py_ssize_t axis = PyLong_AsSsize_t(PyTuple_GetItem(order, i));
        p->sizes[i] = PyLong_AsSsize_t(PyTuple_GetItem(sizes, i));
        if (PyErr_Occurred()) return 0;
        if (axis < 0 || axis >= axes || seen & 1u << axis) {
            PyErr_SetString(PyExc_ValueError, "an order without one of the axes");
            return 0;
        }
        seen |= 1u << axis;
        p->order[i] = (int)axis;
    }
    return 1;
}

/* Whether a sample has as many items as its axes say, if these say any. */
static int agrees(const permutation *p, ptrdiff_t items)
{
    ptrdiff_t own;
    if (!p->count || (!product_of(p->sizes, p->count, &own) && own == items)) return 1;
    PyErr_SetString(PyExc_ValueError, "axes of another sample");
    return 0;
}

typedef struct {
    char kind;
    size_of s;
    weighing w;
    ptrdiff_t rows; /* of a sample */
    affine_f narrow;
    affine_d wide;
} rows_call;

static int rows_of(const void *given, const void *x, void *y, ptrdiff_t samples)
{
    const rows_call *c = given;
    const ptrdiff_t rows = samples * c->rows;
    const halves *h = halves_of(c->kind);
    if (h) return normalize_rows_halves(h, x, y, &c->narrow, &c->s, &c->w, 0, rows);
    if (c->kind == 'f') return normalize_rows_f(x, y, &c->narrow, &c->s, &c->w, 0, rows);
    return normalize_rows_d(x, y, &c->wide, &c->s, &c->w, 0, rows);
}

/* Weights prepared, all samples worked on, weights freed. */
static int all_samples(rows_call *c, Py_buffer *v, int size, ptrdiff_t samples, ptrdiff_t items,
                       const permutation *p)
{
    const ptrdiff_t count = c->w.groups * c->w.channels;
    const int is_wide = c->kind == 'd';
    int result = is_wide ? prepare_d(&c->wide, v[2].buf, v[3].buf, count)
                         : prepare_f(&c->narrow, v[2].buf, v[3].buf, count);
    if (result < 0) return result;
    result = on_permuted(rows_of, c, v[0].buf, v[1].buf, size, samples, items, p);
    free(is_wide ? c->wide.memory : c->narrow.memory);
    return result;
}

PyObject *py_normalize_apart(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[4], *axes, *order;
    type_of_items t;
    rows_call c;
    permutation p;
    Py_ssize_t samples, whole, weights, items;
    if (!PyArg_ParseTuple(args, "OOOOO&(pddd)(nnnnn)O!O!", &objects[0], &objects[1], &objects[2],
                          &objects[3], float_type, &t, &c.s.centered, &c.s.weight, &c.s.epsilon,
                          &c.s.least, &samples, &c.rows, &c.w.groups, &c.w.channels, &c.w.run,
                          &PyTuple_Type, &axes, &PyTuple_Type, &order))
        return NULL;
    const Py_ssize_t each[3] = {c.rows, c.w.channels, c.w.run};
    const Py_ssize_t own[3] = {c.w.groups, c.w.channels, sizeof(double)};
    buffers b;
    if (!read_permutation(axes, order, &p) || !count(each, 3, &items) || !agrees(&p, items)) return NULL;
    const Py_ssize_t all[3] = {samples, items, t.size};
    if (!count(all, 3, &whole) || !count(own, 3, &weights)) return NULL;
    if (c.w.groups < 1 || c.rows % c.w.groups) {
        PyErr_SetString(PyExc_ValueError, "rows that are not of whole samples");
        return NULL;
    }
    const enum use uses[4] = {READ, WRITE, MAYBE, MAYBE};
    const Py_ssize_t bytes[4] = {whole, whole, weights, weights};
    if (take(&b, objects, uses, bytes, 4) < 0) return NULL;
    c.kind = t.kind;
    int result = 0;
    RUN(whole, result = all_samples(&c, b.view, t.size, samples, items, &p));
    return answer(&b, result);
}

typedef struct {
    int size;
    ptrdiff_t images; /* of a sample */
    norming n;
} norms_call;

static int norms_of(const void *given, const void *x, void *y, ptrdiff_t samples)
{
    const norms_call *c = given;
    const ptrdiff_t images = samples * c->images;
    return c->size == sizeof(float) ? divide_by_norms_f(x, y, &c->n, images)
                                    : divide_by_norms_d(x, y, &c->n, images);
}

PyObject *py_divide_by_norms(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[2], *axes, *order;
    norms_call c;
    permutation p;
    Py_ssize_t samples, whole, items;
    if (!PyArg_ParseTuple(args, "OOidd(nnnn)O!O!", &objects[0], &objects[1], &c.size, &c.n.order,
                          &c.n.least, &samples, &c.images, &c.n.length, &c.n.after, &PyTuple_Type,
                          &axes, &PyTuple_Type, &order))
        return NULL;
    const Py_ssize_t each[3] = {c.images, c.n.length, c.n.after};
    buffers b;
    if (!served(c.size) || !read_permutation(axes, order, &p)) return NULL;
    if (!count(each, 3, &items) || !agrees(&p, items)) return NULL;
    const Py_ssize_t all[3] = {samples, items, c.size};
    if (!count(all, 3, &whole)) return NULL;
    const enum use uses[2] = {READ, WRITE};
    const Py_ssize_t bytes[2] = {whole, whole};
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    int result = 0;
    RUN(whole, result = on_permuted(norms_of, &c, b.view[0].buf, b.view[1].buf, c.size, samples, items, &p));
    return answer(&b, result);
}

typedef struct {
    int size;
    responding r;
} responses_call;

static int responses_of(const void *given, const void *x, void *y, ptrdiff_t images)
{
    const responses_call *c = given;
    return c->size == sizeof(float) ? respond_f(x, y, &c->r, images) : respond_d(x, y, &c->r, images);
}

PyObject *py_respond(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[2];
    responses_call c;
    const permutation none = {0};
    Py_ssize_t images, whole;
    if (!PyArg_ParseTuple(args, "OOi(nnn)(nn)(ddd)", &objects[0], &objects[1], &c.size, &images,
                          &c.r.length, &c.r.after, &c.r.low, &c.r.high, &c.r.alpha, &c.r.beta, &c.r.bias))
        return NULL;
    const Py_ssize_t all[4] = {images, c.r.length, c.r.after, c.size};
    buffers b;
    if (!served(c.size) || !count(all, 4, &whole)) return NULL;
    if (c.r.low < 0 || c.r.high < 0) {
        PyErr_SetString(PyExc_ValueError, "neighbours on no side");
        return NULL;
    }
    const enum use uses[2] = {READ, WRITE};
    const Py_ssize_t bytes[2] = {whole, whole};
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    int result = 0;
    RUN(whole, result = on_permuted(responses_of, &c, b.view[0].buf, b.view[1].buf, c.size, images,
                                    c.r.length * c.r.after, &none));
    return answer(&b, result);
}
