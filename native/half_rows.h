/* Rows of rows.h, of items of two bytes, by the loops of half_loops.h. */
#ifndef POOLNORM_HALF_ROWS_H
#define POOLNORM_HALF_ROWS_H

#include "half_loops.h"
#include "rows.h"

/* Rows of which the first is row `first` of a tensor; weights are not `wide`. Return -1 without memory. */
int rows_by_vectors(const half_loops *l, const halves *h, const uint16_t *x, uint16_t *y,
                    const affine_f *a, const size_of *s, const weighing *w, ptrdiff_t first,
                    ptrdiff_t rows);

#endif
