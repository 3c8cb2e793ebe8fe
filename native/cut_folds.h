/* The reductions of folds.h for few large images, of which several threads reduce groups of rows.
 *
 * What comes out has the bytes that one thread makes: see `group_sizes`. Return as they do, or NOT_CUT
 * where threads would not have parts of their own. */
#ifndef POOLNORM_CUT_FOLDS_H
#define POOLNORM_CUT_FOLDS_H

#include "folds.h"
#include "whole.h"

#define NOT_CUT 2

/* Whether threads would have unequally many images, and these be worth cutting into so many units. */
int are_cut(ptrdiff_t images, ptrdiff_t units, ptrdiff_t read);

#define CUT(name, T, A) \
    int name##_cut(const T *x, A *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
#define CUT_HALVES(name, A)                                                                   \
    int name##_cut(const halves *h, const uint16_t *x, A *out, ptrdiff_t before, ptrdiff_t length, \
                   ptrdiff_t after);
CUT(fold_sum_f, float, double)
CUT(fold_sum_d, double, double)
CUT(fold_squares_f, float, double)
CUT(fold_squares_d, double, double)
CUT(fold_max_f, float, float)
CUT(fold_max_d, double, double)
CUT(fold_min_f, float, float)
CUT(fold_min_d, double, double)
CUT(fold_mean_f, float, float)
CUT(fold_mean_d, double, double)
CUT_HALVES(fold_sum_halves, double)
CUT_HALVES(fold_squares_halves, double)
CUT_HALVES(fold_max_halves, uint16_t)
CUT_HALVES(fold_min_halves, uint16_t)
CUT_HALVES(fold_mean_halves, uint16_t)
#undef CUT
#undef CUT_HALVES

int fold_max_whole_cut(char kind, const void *x, void *out, ptrdiff_t before, ptrdiff_t length,
                       ptrdiff_t after);

#endif
