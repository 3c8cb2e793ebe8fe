/* Weights as a Python program gives them, read and checked at once for a call that takes little time. */
#include "calls.h"

#include <float.h>
#include <math.h>

/* What is left of a sum that rounding in float may take away: then it is looked at more closely. */
#define NEARLY 1e-6

static double item(const Py_buffer *v, char kind, Py_ssize_t i)
{
    return kind == 'f' ? ((const float *)v->buf)[i] : ((const double *)v->buf)[i];
}

/* Copy the items of a weight; 0 where one is not finite, or not positive with `added` to it, which
 * is NaN where any will do. */
static int read_weight(const Py_buffer *v, char kind, Py_ssize_t n, double added, double *to)
{
    double least = DBL_MAX;
    int sound = 1;
    for (Py_ssize_t i = 0; i < n; i++) {
        to[i] = item(v, kind, i);
        sound &= fabs(to[i]) <= DBL_MAX;
        least = LEAST(least, to[i]);
    }
    return sound && !(least + added <= NEARLY * (fabs(least) + fabs(added)));
}

PyObject *py_read_weights(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *out, *arrays, *added;
    type_of_items t;
    if (!PyArg_ParseTuple(args, "OO!O!O&", &out, &PyTuple_Type, &arrays, &PyTuple_Type, &added,
                          float_type, &t))
        return NULL;
    const Py_ssize_t count = PyTuple_Size(arrays);
    if (!served(t.size)) return NULL;
    if (PyTuple_Size(added) != count)
        return PyErr_Format(PyExc_ValueError, "%zd weights and %zd addends", count,
                            PyTuple_Size(added));
    Py_buffer to;
    if (PyObject_GetBuffer(out, &to, PyBUF_WRITABLE) < 0) return NULL;
    double *place = to.buf;
    Py_ssize_t left = to.len / (Py_ssize_t)sizeof(double);
    int sound = 1, fits = 1;
    for (Py_ssize_t i = 0; fits && i < count; i++) {
        const double more = PyFloat_AsDouble(PyTuple_GetItem(added, i));
        Py_buffer from;
        if ((more == -1 && PyErr_Occurred()) ||
            PyObject_GetBuffer(PyTuple_GetItem(arrays, i), &from, PyBUF_SIMPLE) < 0) {
            PyBuffer_Release(&to);
            return NULL;
        }
        const Py_ssize_t n = from.len / t.size;
        fits = n <= left;
        if (fits) sound &= read_weight(&from, t.kind, n, more, place), place += n, left -= n;
        PyBuffer_Release(&from);
    }
    PyBuffer_Release(&to);
    if (!fits || left) return PyErr_Format(PyExc_ValueError, "weights of other sizes than there is room for");
    return PyBool_FromLong(sound);
}
