#include "calls.h"

#include <stdint.h>
#include <string.h>

#include "common.h"
#include "conversions.h"
#include "half_loops.h"
#include "sums.h"

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
            item = SWAPPED_32(item);
            memcpy(bytes + i, &item, 4);
        }
    else
        for (ptrdiff_t i = 0; i < length; i += 8) {
            uint64_t item;
            memcpy(&item, bytes + i, 8);
            item = SWAPPED_64(item);
            memcpy(bytes + i, &item, 8);
        }
}

PyObject *py_swap(PyObject *self, PyObject *args)
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

PyObject *py_convert(PyObject *self, PyObject *args)
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

PyObject *py_use_vectors(PyObject *self, PyObject *bits)
{
    (void)self;
    const long wanted = PyLong_AsLong(bits);
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    return PyLong_FromLong(use_vectors((int)MOST(LEAST(wanted, 1024), 0)));
}
