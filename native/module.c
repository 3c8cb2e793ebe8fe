/* The compiled loops as a Python module, in the part of CPython's interface that all versions from
 * 3.11 on share. Arrays come as C-contiguous buffers; poolnorm_cli/kernels/native.py says who may
 * call what with which. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "adaptive.h"
#include "checked.h"
#include "conversions.h"
#include "folds.h"
#include "rows.h"
#include "scaling.h"
#include "windows.h"

#define SMALL (1 << 16) /* bytes for which letting other threads run is not worth its while */

typedef struct {
    Py_buffer view[5];
    int count;
} buffers;

static void release(buffers *b)
{
    for (int i = 0; i < b->count; i++) PyBuffer_Release(&b->view[i]);
}

/* What is done with an array. */
enum use {
    READ,
    WRITE,
    MAYBE, /* read, if it is not None */
};

/* Put the bytes of an array of `n` sizes into `bytes`; 0 and an error if they leave the range. */
static int count(const Py_ssize_t *sizes, int n, Py_ssize_t *bytes)
{
    if (!product_of(sizes, n, bytes)) return 1;
    PyErr_SetString(PyExc_ValueError, "a size is negative, or their product leaves the range");
    return 0;
}

/* Take objects as buffers of so many bytes; -1 and an error if one is not. */
static int take(buffers *b, PyObject **objects, const enum use *uses, const Py_ssize_t *bytes, int n)
{
    b->count = 0;
    for (int i = 0; i < n; i++) {
        Py_buffer *view = &b->view[i];
        if (uses[i] == MAYBE && objects[i] == Py_None) {
            view->buf = NULL, view->obj = NULL;
            b->count++;
            continue;
        }
        int flags = uses[i] == WRITE ? PyBUF_WRITABLE : PyBUF_SIMPLE;
        if (PyObject_GetBuffer(objects[i], view, flags) < 0) {
            release(b);
            return -1;
        }
        b->count++;
        if (view->len != bytes[i]) {
            PyErr_Format(PyExc_ValueError, "array %d has %zd bytes, not %zd", i, view->len,
                         bytes[i]);
            release(b);
            return -1;
        }
    }
    return 0;
}

/* Whether items are of a type that there are loops for: float or double. */
static int served(int size)
{
    if (size == sizeof(float) || size == sizeof(double)) return 1;
    PyErr_Format(PyExc_ValueError, "no loop is for items of %d bytes", size);
    return 0;
}

/* Run one statement that gives `result`, beside other threads where it takes long enough. No loop is
 * called on an array without items. */
#define RUN(bytes, statement)                             \
    do {                                                  \
        PyThreadState *state = NULL;                      \
        if ((bytes) > SMALL) state = PyEval_SaveThread(); \
        if (bytes) statement;                             \
        if (state) PyEval_RestoreThread(state);           \
    } while (0)

static PyObject *answer(buffers *b, int result)
{
    release(b);
    if (result < 0) return PyErr_NoMemory();
    return PyBool_FromLong(result);
}

/* Read a window: size, stride, count, low, dilation, before, after, divisor. */
static int window_of(PyObject *axis, window *w)
{
    return PyArg_ParseTuple(axis, "nnnnnnnn", &w->size, &w->stride, &w->count, &w->low,
                            &w->dilation, &w->before, &w->after, &w->divisor);
}

static PyObject *py_windows(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[2];
    sheet s;
    int average, size, wide;
    window *p = &s.plane, *r = &s.row, *c = &s.cell;
    PyObject *axes[3];
    if (!PyArg_ParseTuple(args, "OOiii(nnnnn)O!O!O!", &objects[0], &objects[1], &average, &size,
                          &wide, &s.images, &s.planes, &s.rows, &s.cells, &s.items, &PyTuple_Type,
                          &axes[0], &PyTuple_Type, &axes[1], &PyTuple_Type, &axes[2]))
        return NULL;
    if (!window_of(axes[0], p) || !window_of(axes[1], r) || !window_of(axes[2], c)) return NULL;
    const Py_ssize_t from[6] = {s.images, s.planes, s.rows, s.cells, s.items, size};
    const Py_ssize_t to[6] = {s.images, p->count, r->count, c->count, s.items, size};
    const enum use uses[2] = {READ, WRITE};
    Py_ssize_t bytes[2];
    buffers b;
    if (!served(size) || !count(from, 6, bytes) || !count(to, 6, bytes + 1)) return NULL;
    if (bytes[0] && bytes[1] && !windows_fit(&s)) {
        PyErr_SetString(PyExc_ValueError, "windows that do not fit the cells there are");
        return NULL;
    }
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    const Py_ssize_t work = bytes[1] ? bytes[0] : 0;
    const void *x = b.view[0].buf;
    void *out = b.view[1].buf;
    int result = 0;
    if (size == 4 && !average)
        RUN(work, result = max_windows_f(x, out, &s));
    else if (size == 4 && wide == 1)
        RUN(work, result = mean_windows_ffd(x, out, &s));
    else if (size == 4 && wide)
        RUN(work, result = mean_windows_fd(x, out, &s));
    else if (size == 4)
        RUN(work, result = mean_windows_f(x, out, &s));
    else if (average)
        RUN(work, result = mean_windows_d(x, out, &s));
    else
        RUN(work, result = max_windows_d(x, out, &s));
    return answer(&b, result);
}

static PyObject *py_adaptive(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[3];
    covers s;
    int average, size;
    cover *p = &s.plane, *r = &s.row, *c = &s.cell;
    if (!PyArg_ParseTuple(args, "OOOii(nnnnn)(nnn)", &objects[0], &objects[1], &objects[2], &average,
                          &size, &s.images, &p->length, &r->length, &c->length, &s.items, &p->count,
                          &r->count, &c->count))
        return NULL;
    const Py_ssize_t from[6] = {s.images, p->length, r->length, c->length, s.items, size};
    const Py_ssize_t to[6] = {s.images, p->count, r->count, c->count, s.items, size};
    const enum use uses[3] = {READ, WRITE, READ};
    Py_ssize_t bytes[3], spans;
    buffers b;
    if (!served(size) || !count(from, 6, bytes) || !count(to, 6, bytes + 1)) return NULL;
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
    if (size == 4 && average)
        RUN(work, result = adaptive_mean_f(x, out, &s));
    else if (size == 4)
        RUN(work, result = adaptive_max_f(x, out, &s));
    else if (average)
        RUN(work, result = adaptive_mean_d(x, out, &s));
    else
        RUN(work, result = adaptive_max_d(x, out, &s));
    return answer(&b, result);
}

enum fold { SUM, SQUARES, LARGEST };

static int fold(enum fold kind, const void *x, void *out, int size, const Py_ssize_t *n)
{
    if (size == 4) {
        if (kind == SUM) return fold_sum_f(x, out, n[0], n[1], n[2]);
        if (kind == SQUARES) return fold_squares_f(x, out, n[0], n[1], n[2]);
        return fold_max_f(x, out, n[0], n[1], n[2]);
    }
    if (kind == SUM) return fold_sum_d(x, out, n[0], n[1], n[2]);
    if (kind == SQUARES) return fold_squares_d(x, out, n[0], n[1], n[2]);
    return fold_max_d(x, out, n[0], n[1], n[2]);
}

static PyObject *folded(PyObject *args, enum fold kind)
{
    PyObject *objects[2];
    Py_ssize_t n[3];
    int size = sizeof(float);
    if (!PyArg_ParseTuple(args, "OO(nnn)|i", &objects[0], &objects[1], &n[0], &n[1], &n[2], &size))
        return NULL;
    const Py_ssize_t from[4] = {n[0], n[1], n[2], size};
    const Py_ssize_t to[3] = {n[0], n[2], kind == LARGEST ? size : (int)sizeof(double)};
    const enum use uses[2] = {READ, WRITE};
    Py_ssize_t bytes[2];
    buffers b;
    if (!served(size) || !count(from, 4, bytes) || !count(to, 3, bytes + 1)) return NULL;
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    int result = 0;
    RUN(bytes[0], result = fold(kind, b.view[0].buf, b.view[1].buf, size, n));
    return answer(&b, result);
}

static PyObject *py_fold_sum(PyObject *self, PyObject *args)
{
    (void)self;
    return folded(args, SUM);
}

static PyObject *py_fold_squares(PyObject *self, PyObject *args)
{
    (void)self;
    return folded(args, SQUARES);
}

static PyObject *py_fold_max(PyObject *self, PyObject *args)
{
    (void)self;
    return folded(args, LARGEST);
}

static PyObject *py_fold_moments(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[3];
    Py_ssize_t before, length, after;
    int size = sizeof(float);
    if (!PyArg_ParseTuple(args, "OOO(nnn)|i", &objects[0], &objects[1], &objects[2], &before,
                          &length, &after, &size))
        return NULL;
    const Py_ssize_t from[4] = {before, length, after, size};
    const Py_ssize_t to[3] = {before, after, sizeof(double)};
    const enum use uses[3] = {READ, WRITE, WRITE};
    Py_ssize_t bytes[3];
    buffers b;
    if (size != 2 && !served(size)) return NULL;
    if (!count(from, 4, bytes) || !count(to, 3, bytes + 1)) return NULL;
    bytes[2] = bytes[1];
    if (take(&b, objects, uses, bytes, 3) < 0) return NULL;
    const void *x = b.view[0].buf;
    void *mean = b.view[1].buf, *squares = b.view[2].buf;
    int result = 0;
    if (size == 2)
        RUN(bytes[0], result = fold_moments_e(x, mean, squares, before, length, after));
    else if (size == 4)
        RUN(bytes[0], result = fold_moments_f(x, mean, squares, before, length, after));
    else
        RUN(bytes[0], result = fold_moments_d(x, mean, squares, before, length, after));
    return answer(&b, result);
}

/* Take items, results, gamma and beta, the last two of them float64. */
static int take_affine(buffers *b, PyObject **objects, Py_ssize_t whole, Py_ssize_t weights)
{
    const enum use uses[4] = {READ, WRITE, MAYBE, MAYBE};
    const Py_ssize_t bytes[4] = {whole, whole, weights, weights};
    return take(b, objects, uses, bytes, 4);
}

static PyObject *py_normalize_rows(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[4];
    int size;
    size_of s;
    weighing w;
    Py_ssize_t rows, whole, weights;
    if (!PyArg_ParseTuple(args, "OOOOi(pddd)(nnnn)", &objects[0], &objects[1], &objects[2],
                          &objects[3], &size, &s.centered, &s.weight, &s.epsilon, &s.least, &rows,
                          &w.groups, &w.channels, &w.run))
        return NULL;
    const Py_ssize_t sizes[4] = {rows, w.channels, w.run, size};
    const Py_ssize_t own[3] = {w.groups, w.channels, sizeof(double)};
    buffers b;
    if (!served(size) || !count(sizes, 4, &whole) || !count(own, 3, &weights)) return NULL;
    if (take_affine(&b, objects, whole, weights) < 0) return NULL;
    Py_buffer *v = b.view;
    int result = 0;
    if (size == 4)
        RUN(whole, result = all_rows_f(v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &w, rows));
    else
        RUN(whole, result = all_rows_d(v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &w, rows));
    return answer(&b, result);
}

static PyObject *py_normalize_columns(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[4];
    int size;
    size_of s;
    columns c;
    Py_ssize_t whole, weights;
    if (!PyArg_ParseTuple(args, "OOOOi(pddd)(nnnn)p", &objects[0], &objects[1], &objects[2],
                          &objects[3], &size, &s.centered, &s.weight, &s.epsilon, &s.least,
                          &c.before, &c.length, &c.width, &c.joined, &c.along))
        return NULL;
    const Py_ssize_t sizes[4] = {c.before, c.length, c.width, size};
    const Py_ssize_t own[2] = {c.along ? c.length : c.width, sizeof(double)};
    buffers b;
    if (!served(size) || !count(sizes, 4, &whole) || !count(own, 2, &weights)) return NULL;
    if (c.joined < 1 || c.width % c.joined) {
        PyErr_SetString(PyExc_ValueError, "columns that cannot be joined so");
        return NULL;
    }
    if (take_affine(&b, objects, whole, weights) < 0) return NULL;
    Py_buffer *v = b.view;
    int result = 0;
    if (size == 4)
        RUN(whole, result = all_columns_f(v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &c));
    else
        RUN(whole, result = all_columns_d(v[0].buf, v[1].buf, v[2].buf, v[3].buf, &s, &c));
    return answer(&b, result);
}

static PyObject *py_center(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[5];
    int size;
    Py_ssize_t before, length, after;
    if (!PyArg_ParseTuple(args, "OOOOOi(nnn)", &objects[0], &objects[1], &objects[2], &objects[3],
                          &objects[4], &size, &before, &length, &after))
        return NULL;
    const Py_ssize_t sizes[4] = {before, after, length, size};
    const Py_ssize_t own[2] = {length, sizeof(double)};
    const enum use uses[5] = {READ, WRITE, READ, READ, MAYBE};
    Py_ssize_t whole, vector;
    buffers b;
    if (!served(size) || !count(sizes, 4, &whole) || !count(own, 2, &vector)) return NULL;
    const Py_ssize_t bytes[5] = {whole, whole, vector, vector, vector};
    if (take(&b, objects, uses, bytes, 5) < 0) return NULL;
    Py_buffer *v = b.view;
    const moving m = {v[2].buf, v[3].buf, v[4].buf};
    int result = 0;
    if (size == 4)
        RUN(whole, result = center_f(v[0].buf, v[1].buf, &m, before, length, after));
    else
        RUN(whole, result = center_d(v[0].buf, v[1].buf, &m, before, length, after));
    return answer(&b, result);
}

static PyObject *py_fold_weights(PyObject *self, PyObject *args)
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

static PyObject *py_scale(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[5];
    int size;
    Py_ssize_t before, length, after;
    if (!PyArg_ParseTuple(args, "OOOOOi(nnn)", &objects[0], &objects[1], &objects[2], &objects[3],
                          &objects[4], &size, &before, &length, &after))
        return NULL;
    const Py_ssize_t sizes[4] = {before, after, length, size};
    const enum use uses[5] = {READ, WRITE, MAYBE, READ, MAYBE};
    Py_ssize_t whole, vector;
    buffers b;
    if (!served(size) || !count(sizes, 4, &whole) || !count(sizes + 2, 2, &vector)) return NULL;
    const Py_ssize_t bytes[5] = {whole, whole, vector, vector, vector};
    if (take(&b, objects, uses, bytes, 5) < 0) return NULL;
    Py_buffer *v = b.view;
    int result = 0;
    if (size == 4)
        RUN(whole, result = scale_f(v[0].buf, v[1].buf, v[2].buf, v[3].buf, v[4].buf, before, length,
                                    after));
    else
        RUN(whole, result = scale_d(v[0].buf, v[1].buf, v[2].buf, v[3].buf, v[4].buf, before, length,
                                    after));
    return answer(&b, result);
}

static PyObject *py_divide(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[2];
    double by;
    int size;
    if (!PyArg_ParseTuple(args, "OOdi", &objects[0], &objects[1], &by, &size) || !served(size))
        return NULL;
    buffers b = {.count = 1};
    if (PyObject_GetBuffer(objects[0], &b.view[0], PyBUF_SIMPLE) < 0) return NULL;
    const Py_ssize_t items = b.view[0].len / (Py_ssize_t)sizeof(double);
    release(&b);
    const Py_ssize_t bytes[2] = {items * (Py_ssize_t)sizeof(double), items * size};
    const enum use uses[2] = {READ, WRITE};
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    int result = 0;
    if (size == 4)
        RUN(bytes[0], result = divide_f(b.view[0].buf, b.view[1].buf, by, items));
    else
        RUN(bytes[0], result = divide_d(b.view[0].buf, b.view[1].buf, by, items));
    return answer(&b, result);
}

/* Reverse the bytes of each item. */
static void swap(unsigned char *bytes, ptrdiff_t length, int size)
{
    if (size == 2)
        for (ptrdiff_t i = 0; i < length; i += 2) {
            unsigned char first = bytes[i];
            bytes[i] = bytes[i + 1], bytes[i + 1] = first;
        }
    else if (size == 4)
        for (ptrdiff_t i = 0; i < length; i += 4) {
            uint32_t item;
            memcpy(&item, bytes + i, 4);
            item = __builtin_bswap32(item);
            memcpy(bytes + i, &item, 4);
        }
    else
        for (ptrdiff_t i = 0; i < length; i += 8) {
            uint64_t item;
            memcpy(&item, bytes + i, 8);
            item = __builtin_bswap64(item);
            memcpy(bytes + i, &item, 8);
        }
}

static PyObject *py_swap(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *object;
    int size;
    if (!PyArg_ParseTuple(args, "Oi", &object, &size)) return NULL;
    if (size != 2 && !served(size)) return NULL;
    buffers b = {.count = 1};
    if (PyObject_GetBuffer(object, &b.view[0], PyBUF_WRITABLE) < 0) return NULL;
    if (b.view[0].len % size) {
        release(&b);
        return PyErr_Format(PyExc_ValueError, "no whole items of %d bytes", size);
    }
    RUN(b.view[0].len, swap(b.view[0].buf, b.view[0].len, size));
    return answer(&b, 0);
}

static PyObject *py_convert(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[2];
    const char *from, *to;
    Py_ssize_t items;
    if (!PyArg_ParseTuple(args, "OOssn", &objects[0], &objects[1], &from, &to, &items)) return NULL;
    const converter loop = conversion(*from, *to);
    if (!loop) return PyErr_Format(PyExc_ValueError, "no loop converts %s to %s", from, to);
    const Py_ssize_t read[2] = {items, size_of_kind(*from)}, made[2] = {items, size_of_kind(*to)};
    const enum use uses[2] = {READ, WRITE};
    Py_ssize_t bytes[2];
    buffers b;
    if (!count(read, 2, bytes) || !count(made, 2, bytes + 1)) return NULL;
    if (take(&b, objects, uses, bytes, 2) < 0) return NULL;
    RUN(bytes[0], loop(b.view[0].buf, b.view[1].buf, items));
    return answer(&b, 0);
}

static PyObject *py_own_conversion(PyObject *self, PyObject *allowed)
{
    (void)self;
    int wanted = PyObject_IsTrue(allowed);
    return wanted < 0 ? NULL : PyBool_FromLong(own_conversion(wanted));
}

static PyMethodDef methods[] = {
    {"windows", py_windows, METH_VARARGS, NULL},
    {"adaptive", py_adaptive, METH_VARARGS, NULL},
    {"fold_sum", py_fold_sum, METH_VARARGS, NULL},
    {"fold_squares", py_fold_squares, METH_VARARGS, NULL},
    {"fold_max", py_fold_max, METH_VARARGS, NULL},
    {"fold_moments", py_fold_moments, METH_VARARGS, NULL},
    {"normalize_rows", py_normalize_rows, METH_VARARGS, NULL},
    {"normalize_columns", py_normalize_columns, METH_VARARGS, NULL},
    {"center", py_center, METH_VARARGS, NULL},
    {"fold_weights", py_fold_weights, METH_VARARGS, NULL},
    {"scale", py_scale, METH_VARARGS, NULL},
    {"divide", py_divide, METH_VARARGS, NULL},
    {"swap", py_swap, METH_VARARGS, NULL},
    {"convert", py_convert, METH_VARARGS, NULL},
    {"own_conversion", py_own_conversion, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_native", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void)
{
    own_conversion(1);
    return PyModuleDef_Init(&definition);
}
