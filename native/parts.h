/* Loops in parts, for several threads: what follows this header calls them so by their own names. */
#ifndef POOLNORM_PARTS_H
#define POOLNORM_PARTS_H

#include "adaptive.h"
#include "folds.h"
#include "rows.h"
#include "scaling.h"
#include "windows.h"

#define SHEETS(call, f, d)                           \
    call(max_windows_f, f) call(max_windows_d, d)    \
    call(mean_windows_f, f) call(mean_windows_d, d)  \
    call(mean_windows_fd, f) call(mean_windows_ffd, f)
#define COVERS(call, f, d)                           \
    call(adaptive_max_f, f) call(adaptive_max_d, d)  \
    call(adaptive_mean_f, f) call(adaptive_mean_d, d)

#define DECLARE(name, type) int name##_parts(const type *x, type *out, const sheet *s);
SHEETS(DECLARE, float, double)
#undef DECLARE
#define DECLARE(name, type) int name##_parts(const type *x, type *out, const covers *s);
COVERS(DECLARE, float, double)
#undef DECLARE

int fold_max_f_parts(const float *x, float *out, ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int fold_max_d_parts(const double *x, double *out, ptrdiff_t before, ptrdiff_t length,
                     ptrdiff_t after);
int fold_sum_f_parts(const float *x, double *out, ptrdiff_t before, ptrdiff_t length,
                     ptrdiff_t after);
int fold_sum_d_parts(const double *x, double *out, ptrdiff_t before, ptrdiff_t length,
                     ptrdiff_t after);
int all_rows_f_parts(const float *x, float *y, const double *gamma, const double *beta,
                     const size_of *s, const weighing *w, ptrdiff_t rows);
int all_rows_d_parts(const double *x, double *y, const double *gamma, const double *beta,
                     const size_of *s, const weighing *w, ptrdiff_t rows);
int all_columns_f_parts(const float *x, float *y, const double *gamma, const double *beta,
                        const size_of *s, const columns *c);
int all_columns_d_parts(const double *x, double *y, const double *gamma, const double *beta,
                        const size_of *s, const columns *c);
int center_f_parts(const float *x, float *y, const moving *m, ptrdiff_t before, ptrdiff_t length,
                   ptrdiff_t after);
int center_d_parts(const double *x, double *y, const moving *m, ptrdiff_t before, ptrdiff_t length,
                   ptrdiff_t after);
int scale_f_parts(const float *x, float *y, const float *a, const float *b, const float *c,
                  ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);
int scale_d_parts(const double *x, double *y, const double *a, const double *b, const double *c,
                  ptrdiff_t before, ptrdiff_t length, ptrdiff_t after);

#ifndef POOLNORM_WHOLE_CALLS
#define max_windows_f max_windows_f_parts
#define max_windows_d max_windows_d_parts
#define mean_windows_f mean_windows_f_parts
#define mean_windows_d mean_windows_d_parts
#define mean_windows_fd mean_windows_fd_parts
#define mean_windows_ffd mean_windows_ffd_parts
#define adaptive_max_f adaptive_max_f_parts
#define adaptive_max_d adaptive_max_d_parts
#define adaptive_mean_f adaptive_mean_f_parts
#define adaptive_mean_d adaptive_mean_d_parts
#define fold_max_f fold_max_f_parts
#define fold_max_d fold_max_d_parts
#define fold_sum_f fold_sum_f_parts
#define fold_sum_d fold_sum_d_parts
#define all_rows_f all_rows_f_parts
#define all_rows_d all_rows_d_parts
#define all_columns_f all_columns_f_parts
#define all_columns_d all_columns_d_parts
#define center_f center_f_parts
#define center_d center_d_parts
#define scale_f scale_f_parts
#define scale_d scale_d_parts
#endif

#endif
