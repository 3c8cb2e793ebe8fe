/* What the functions of the module share: arrays come as C-contiguous buffers, whose sizes are
 * checked before a loop runs on them. */
#ifndef POOLNORM_ARGUMENTS_H
#define POOLNORM_ARGUMENTS_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000 /* what all versions of CPython from 3.11 on share */
#include <Python.h>

#include "checked.h"

#define SMALL (1 << 16) /* bytes for which letting other threads run is not worth its while */

typedef struct {
    Py_buffer view[5];
    int count;
} buffers;

/* What is done with an array. */
enum use {
    READ,
    WRITE,
    MAYBE, /* read, if it is not None */
};

void release(buffers *b);

/* Put the bytes of an array of `n` sizes into `bytes`; 0 and an error if they leave the range. */
int count(const Py_ssize_t *sizes, int n, Py_ssize_t *bytes);

/* Take objects as buffers of so many bytes; -1 and an error if one is not. */
int take(buffers *b, PyObject **objects, const enum use *uses, const Py_ssize_t *bytes, int n);

/* Whether items are of a type that there are loops for: float or double. */
int served(int size);

/* The type of items: a letter of conversions.h, and their bytes. */
typedef struct {
    char kind;
    int size;
} type_of_items;

/* Read a type for PyArg_ParseTuple, from its letter, or from 4 for float32 and 8 for float64; 0 and
 * an error if it is none of those in `letters`. */
int read_type(PyObject *given, type_of_items *type, const char *letters);

/* The same as a converter of "O&": of floats alone, and of integers, too. */
int float_type(PyObject *given, void *type);
int number_type(PyObject *given, void *type);

/* Release the buffers; return what a loop found as a bool, or an error for a negative result. */
PyObject *answer(buffers *b, int result);

/* Run one statement that gives `result`, beside other threads where it takes long enough. No loop is
 * called on an array without items. */
#define RUN(bytes, statement)                             \
    do {                                                  \
        PyThreadState *state = NULL;                      \
        if ((bytes) > SMALL) state = PyEval_SaveThread(); \
        if (bytes) statement;                             \
        if (state) PyEval_RestoreThread(state);           \
    } while (0)

#endif
