/* The compiled loops as a Python module, in the part of CPython's interface that all versions from
 * 3.11 on share. */
#include "calls.h"
#include "vectors.h"

static PyMethodDef methods[] = {
    {"windows", py_windows, METH_VARARGS, NULL},
    {"adaptive", py_adaptive, METH_VARARGS, NULL},
    {"max_indices", py_max_indices, METH_VARARGS, NULL},
    {"put_back", py_put_back, METH_VARARGS, NULL},
    {"fold_sum", py_fold_sum, METH_VARARGS, NULL},
    {"fold_mean", py_fold_mean, METH_VARARGS, NULL},
    {"fold_squares", py_fold_squares, METH_VARARGS, NULL},
    {"fold_max", py_fold_max, METH_VARARGS, NULL},
    {"fold_min", py_fold_min, METH_VARARGS, NULL},
    {"merge_grains", py_merge_grains, METH_VARARGS, NULL},
    {"fold_moments", py_fold_moments, METH_VARARGS, NULL},
    {"normalize_rows", py_normalize_rows, METH_VARARGS, NULL},
    {"normalize_columns", py_normalize_columns, METH_VARARGS, NULL},
    {"normalize_apart", py_normalize_apart, METH_VARARGS, NULL},
    {"divide_by_norms", py_divide_by_norms, METH_VARARGS, NULL},
    {"respond", py_respond, METH_VARARGS, NULL},
    {"center", py_center, METH_VARARGS, NULL},
    {"train", py_train, METH_VARARGS, NULL},
    {"fold_weights", py_fold_weights, METH_VARARGS, NULL},
    {"read_weights", py_read_weights, METH_VARARGS, NULL},
    {"scale", py_scale, METH_VARARGS, NULL},
    {"divide", py_divide, METH_VARARGS, NULL},
    {"powers", py_powers, METH_VARARGS, NULL},
    {"roots", py_roots, METH_VARARGS, NULL},
    {"swap", py_swap, METH_VARARGS, NULL},
    {"convert", py_convert, METH_VARARGS, NULL},
    {"use_vectors", py_use_vectors, METH_O, NULL},
    {"allow_threads", py_allow_threads, METH_VARARGS, NULL},
    {"threads_for", py_threads_for, METH_VARARGS, NULL},
    {"in_memory", py_in_memory, METH_VARARGS, NULL},
    {"store", py_store, METH_VARARGS, NULL},
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
    use_vectors(1024);
    return PyModuleDef_Init(&definition);
}
