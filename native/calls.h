/* The functions of the module, each a method of its table: what they take is read and checked here,
 * poolnorm_cli/kernels/native.py says who may call what with which. */
#ifndef POOLNORM_CALLS_H
#define POOLNORM_CALLS_H

#include "arguments.h"

PyObject *py_windows(PyObject *self, PyObject *args);
PyObject *py_adaptive(PyObject *self, PyObject *args);
PyObject *py_max_indices(PyObject *self, PyObject *args);
PyObject *py_put_back(PyObject *self, PyObject *args);
PyObject *py_fold_sum(PyObject *self, PyObject *args);
PyObject *py_fold_mean(PyObject *self, PyObject *args);
PyObject *py_fold_squares(PyObject *self, PyObject *args);
PyObject *py_fold_max(PyObject *self, PyObject *args);
PyObject *py_fold_min(PyObject *self, PyObject *args);
PyObject *py_fold_moments(PyObject *self, PyObject *args);
PyObject *py_merge_grains(PyObject *self, PyObject *args);
PyObject *py_normalize_rows(PyObject *self, PyObject *args);
PyObject *py_normalize_columns(PyObject *self, PyObject *args);
PyObject *py_normalize_apart(PyObject *self, PyObject *args);
PyObject *py_divide_by_norms(PyObject *self, PyObject *args);
PyObject *py_respond(PyObject *self, PyObject *args);
PyObject *py_center(PyObject *self, PyObject *args);
PyObject *py_train(PyObject *self, PyObject *args);
PyObject *py_fold_weights(PyObject *self, PyObject *args);
PyObject *py_read_weights(PyObject *self, PyObject *args);
PyObject *py_scale(PyObject *self, PyObject *args);
PyObject *py_divide(PyObject *self, PyObject *args);
PyObject *py_powers(PyObject *self, PyObject *args);
PyObject *py_roots(PyObject *self, PyObject *args);
PyObject *py_swap(PyObject *self, PyObject *args);
PyObject *py_convert(PyObject *self, PyObject *args);
PyObject *py_use_vectors(PyObject *self, PyObject *bits);
PyObject *py_allow_threads(PyObject *self, PyObject *args);
PyObject *py_threads_for(PyObject *self, PyObject *args);
PyObject *py_in_memory(PyObject *self, PyObject *args);
PyObject *py_store(PyObject *self, PyObject *args);

#endif
