#include "arguments.h"

#include "conversions.h"

#include <string.h>

void release(buffers *b)
{
    for (int i = 0; i < b->count; i++) PyBuffer_Release(&b->view[i]);
}

int count(const Py_ssize_t *sizes, int n, Py_ssize_t *bytes)
{
    if (!product_of(sizes, n, bytes)) return 1;
    PyErr_SetString(PyExc_ValueError, "a size is negative, or their product leaves the range");
    return 0;
}

int take(buffers *b, PyObject **objects, const enum use *uses, const Py_ssize_t *bytes, int n)
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

int served(int size)
{
    if (size == sizeof(float) || size == sizeof(double)) return 1;
    PyErr_Format(PyExc_ValueError, "no loop is for items of %d bytes", size);
    return 0;
}

int read_type(PyObject *given, type_of_items *type, const char *letters)
{
    if (PyLong_Check(given)) {
        const long size = PyLong_AsLong(given);
        type->kind = size == sizeof(float) ? 'f' : size == sizeof(double) ? 'd' : '\0';
    } else {
        const char *letter = PyUnicode_Check(given) ? PyUnicode_AsUTF8AndSize(given, NULL) : "";
        if (!letter) return 0;
        type->kind = letter[0] && !letter[1] ? letter[0] : '\0';
    }
    if (!type->kind || !strchr(letters, type->kind)) {
        PyErr_Format(PyExc_ValueError, "no loop is for items of type %R", given);
        return 0;
    }
    type->size = (int)size_of_kind(type->kind);
    return 1;
}

int float_type(PyObject *given, void *type) { return read_type(given, type, "fdeE"); }

int number_type(PyObject *given, void *type) { return read_type(given, type, "fdeE?bhiqBHIQ"); }

PyObject *answer(buffers *b, int result)
{
    release(b);
    if (result < 0) return PyErr_NoMemory();
    return PyBool_FromLong(result);
}
