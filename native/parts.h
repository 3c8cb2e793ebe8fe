/* Loops in parts, for several threads: what follows this header calls them so by their own names. */
#ifndef POOLNORM_PARTS_H
#define POOLNORM_PARTS_H

#include "adaptive.h"
#include "folds.h"
#include "half_poolings.h"
#include "rows.h"
#include "scaling.h"
#include "whole.h"
#include "windows.h"

#define COMMA ,

/* How a loop takes items of float, of double, of two bytes, or of integers: `call` is a macro of its
 * name, the items' type, their bytes, what it is given besides, and how that is held and handed on. */
#define F(call, name) call(name, float, sizeof(float), , , )
#define D(call, name) call(name, double, sizeof(double), , , )
#define H(call, name) \
    call(name, uint16_t, sizeof(uint16_t), const halves *h COMMA, .h = h COMMA, k->h COMMA)
#define I(call, name) call(name, void, size_of_kind(kind), char kind COMMA, .kind = kind COMMA, k->kind COMMA)

#define SHEETS(call)                                                                    \
    F(call, max_windows_f) D(call, max_windows_d) H(call, max_windows_halves)           \
    F(call, min_windows_f) D(call, min_windows_d) H(call, min_windows_halves)           \
    F(call, mean_windows_f) D(call, mean_windows_d) H(call, mean_windows_halves)        \
    F(call, mean_windows_fd) H(call, mean_windows_halves_d)                             \
    F(call, mean_windows_ffd) H(call, mean_windows_halves_fd)                           \
    I(call, max_windows_whole)
#define COVERS(call)                                                                    \
    F(call, adaptive_max_f) D(call, adaptive_max_d) H(call, adaptive_max_halves)        \
    F(call, adaptive_mean_f) D(call, adaptive_mean_d) H(call, adaptive_mean_halves)     \
    I(call, adaptive_max_whole)
#define KEPT(call)                                                                      \
    F(call, fold_max_f) D(call, fold_max_d) H(call, fold_max_halves)                    \
    F(call, fold_min_f) D(call, fold_min_d) H(call, fold_min_halves)                    \
    F(call, fold_mean_f) D(call, fold_mean_d) H(call, fold_mean_halves)                 \
    I(call, fold_max_whole)
#define SUMS(call)                                                                      \
    F(call, fold_sum_f) D(call, fold_sum_d) H(call, fold_sum_halves)                    \
    F(call, fold_squares_f) D(call, fold_squares_d) H(call, fold_squares_halves)
#define MOMENTS(call) F(call, fold_moments_f) D(call, fold_moments_d) H(call, fold_moments_halves)
/* Of these the weights are prepared as those of `letter` before parts are made. */
#define WEIGHED(call, name)                                \
    call(name##_f, f, float, sizeof(float), , , )          \
    call(name##_d, d, double, sizeof(double), , , )        \
    call(name##_halves, f, uint16_t, sizeof(uint16_t), const halves *h COMMA, .h = h COMMA, k->h COMMA)
#define ROWS(call) WEIGHED(call, rows)
#define COLUMNS(call) WEIGHED(call, columns)
#define CENTERS(call) F(call, center_f) D(call, center_d) H(call, center_halves)
#define SCALES(call) F(call, scale_f) D(call, scale_d) H(call, scale_halves)

#define DECLARE_SHEET(name, type, size, GIVEN, HELD, PASSED) \
    int name##_parts(GIVEN const type *x, type *out, const sheet *s);
SHEETS(DECLARE_SHEET)
#define DECLARE_COVER(name, type, size, GIVEN, HELD, PASSED) \
    int name##_parts(GIVEN const type *x, type *out, const covers *s);
COVERS(DECLARE_COVER)
#define DECLARE_KEPT(name, type, size, GIVEN, HELD, PASSED)                              \
    int name##_parts(GIVEN const type *x, type *out, ptrdiff_t before, ptrdiff_t length, \
                     ptrdiff_t after);
KEPT(DECLARE_KEPT)
#define DECLARE_SUM(name, type, size, GIVEN, HELD, PASSED)                                 \
    int name##_parts(GIVEN const type *x, double *out, ptrdiff_t before, ptrdiff_t length, \
                     ptrdiff_t after);
SUMS(DECLARE_SUM)
#define DECLARE_MOMENTS(name, type, size, GIVEN, HELD, PASSED)                             \
    int name##_parts(GIVEN const type *x, double *mean, double *squares, ptrdiff_t before, \
                     ptrdiff_t length, ptrdiff_t last, ptrdiff_t after);
MOMENTS(DECLARE_MOMENTS)
#define DECLARE_ROWS(name, letter, type, size, GIVEN, HELD, PASSED)                        \
    int all_##name(GIVEN const type *x, type *y, const double *gamma, const double *beta,  \
                   const size_of *s, const weighing *w, ptrdiff_t rows);
ROWS(DECLARE_ROWS)
#define DECLARE_COLUMNS(name, letter, type, size, GIVEN, HELD, PASSED)                     \
    int all_##name(GIVEN const type *x, type *y, const double *gamma, const double *beta,  \
                   const size_of *s, const columns *c);
COLUMNS(DECLARE_COLUMNS)
#define DECLARE_CENTER(name, type, size, GIVEN, HELD, PASSED)                         \
    int name##_parts(GIVEN const type *x, type *y, const moving *m, ptrdiff_t before, \
                     ptrdiff_t length, ptrdiff_t after);
CENTERS(DECLARE_CENTER)
#define DECLARE_SCALE(name, type, size, GIVEN, HELD, PASSED)                               \
    int name##_parts(GIVEN const type *x, type *y, const void *a, const void *b, const void *c, \
                     ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
SCALES(DECLARE_SCALE)

#ifndef POOLNORM_WHOLE_CALLS
#define max_windows_f max_windows_f_parts
#define max_windows_d max_windows_d_parts
#define max_windows_halves max_windows_halves_parts
#define min_windows_f min_windows_f_parts
#define min_windows_d min_windows_d_parts
#define min_windows_halves min_windows_halves_parts
#define mean_windows_f mean_windows_f_parts
#define mean_windows_d mean_windows_d_parts
#define mean_windows_halves mean_windows_halves_parts
#define mean_windows_fd mean_windows_fd_parts
#define mean_windows_halves_d mean_windows_halves_d_parts
#define mean_windows_ffd mean_windows_ffd_parts
#define mean_windows_halves_fd mean_windows_halves_fd_parts
#define max_windows_whole max_windows_whole_parts
#define adaptive_max_f adaptive_max_f_parts
#define adaptive_max_d adaptive_max_d_parts
#define adaptive_max_halves adaptive_max_halves_parts
#define adaptive_mean_f adaptive_mean_f_parts
#define adaptive_mean_d adaptive_mean_d_parts
#define adaptive_mean_halves adaptive_mean_halves_parts
#define adaptive_max_whole adaptive_max_whole_parts
#define fold_max_f fold_max_f_parts
#define fold_max_d fold_max_d_parts
#define fold_max_halves fold_max_halves_parts
#define fold_min_f fold_min_f_parts
#define fold_min_d fold_min_d_parts
#define fold_min_halves fold_min_halves_parts
#define fold_mean_f fold_mean_f_parts
#define fold_mean_d fold_mean_d_parts
#define fold_mean_halves fold_mean_halves_parts
#define fold_max_whole fold_max_whole_parts
#define fold_sum_f fold_sum_f_parts
#define fold_sum_d fold_sum_d_parts
#define fold_sum_halves fold_sum_halves_parts
#define fold_squares_f fold_squares_f_parts
#define fold_squares_d fold_squares_d_parts
#define fold_squares_halves fold_squares_halves_parts
#define fold_moments_f fold_moments_f_parts
#define fold_moments_d fold_moments_d_parts
#define fold_moments_halves fold_moments_halves_parts
#define center_f center_f_parts
#define center_d center_d_parts
#define center_halves center_halves_parts
#define scale_f scale_f_parts
#define scale_d scale_d_parts
#define scale_halves scale_halves_parts
#endif

#endif
