#include "half_rows.h"

#include "checked.h"

typedef struct {
    const half_loops *l;
    const halves *h;
    const affine_f *a;
    const size_of *s;
    const weighing *w;
    const float *gamma, *beta; /* for each item, as far as there are any */
    float *wide;
} rows_call;

/* A row of which float32 may have lost something, as one of float32. */
static int normalize_widely(const rows_call *c, const uint16_t *x, uint16_t *y, ptrdiff_t row)
{
    const ptrdiff_t items = c->w->channels * c->w->run;
    float *wide = room(items, 2, sizeof(float)), *made = wide + items;
    if (!wide) return -1;
    c->h->widen(x, wide, items);
    normalize_rows_f(wide, made, c->a, c->s, c->w, row, 1);
    c->h->narrow(made, y, items);
    free(wide);
    return 0;
}

static void write(const rows_call *c, const uint16_t *x, uint16_t *y, const float *wide,
                  const row_values *values, ptrdiff_t row)
{
    const weighing *w = c->w;
    const ptrdiff_t at = row % w->groups * w->channels;
    if (w->run == 1 && (c->gamma || c->beta)) {
        c->l->write_row(x, y, wide, c->gamma + at, c->beta + at, values, w->channels);
        return;
    }
    const float *gamma = c->a->gamma, *beta = c->a->beta; /* -0 as an addend changes no number */
    const ptrdiff_t runs = gamma || beta ? w->channels : 1, run = w->channels * w->run / runs;
    for (ptrdiff_t k = 0; k < runs; k++, x += run, y += run, wide = wide ? wide + run : NULL)
        c->l->write_run(x, y, wide, gamma ? gamma[at + k] : 1, beta ? beta[at + k] : -0.0f, values,
                        run);
}

static int normalize(const rows_call *c, const uint16_t *x, uint16_t *y, ptrdiff_t first, int rows)
{
    const size_of *s = c->s;
    const ptrdiff_t items = c->w->channels * c->w->run;
    row_values values[TOGETHER_ROWS];
    double squares[TOGETHER_ROWS], power[TOGETHER_ROWS];
    c->l->moments_of_rows(x, y, items, rows, s->centered, c->wide, values, squares);
    for (int r = 0; r < rows; r++) {
        power[r] = squares[r] * s->weight + s->epsilon;
        power[r] = power[r] < s->least ? s->least : power[r];
        values[r].inverse = (float)(1.0 / sqrt(power[r]));
    }
    for (int r = 0; r < rows; r++, x += items, y += items) {
        const float *wide = items > KEPT_ITEMS ? NULL : c->wide + r * (KEPT_ITEMS + LANES_BEYOND);
        if (squares[r] < LARGE_F && power[r] > SMALL_F && power[r] < GREAT_F)
            write(c, x, y, wide, values + r, first + r);
        else if (normalize_widely(c, x, y, first + r) < 0)
            return -1;
    }
    return 0;
}

/* Weights of each item: those that lack, where there are others, are such that they change nothing. */
static float *fill_up(rows_call *c)
{
    const ptrdiff_t n = c->w->groups * c->w->channels;
    c->gamma = c->a->gamma, c->beta = c->a->beta;
    float *memory = room(n, 1, sizeof(float));
    for (ptrdiff_t i = 0; memory && i < n; i++) memory[i] = c->gamma ? -0.0f : 1;
    if (!c->gamma && c->beta) c->gamma = memory;
    if (c->gamma && !c->beta) c->beta = memory;
    return memory;
}

int rows_by_vectors(const half_loops *l, const halves *h, const uint16_t *x, uint16_t *y,
                    const affine_f *a, const size_of *s, const weighing *w, ptrdiff_t first,
                    ptrdiff_t rows)
{
    const ptrdiff_t items = w->channels * w->run;
    rows_call c = {l, h, a, s, w, NULL, NULL, NULL};
    float *memory = fill_up(&c);
    float *wide = room(KEPT_ITEMS + LANES_BEYOND, TOGETHER_ROWS + 1, sizeof(float));
    int result = memory && wide ? 0 : -1;
    c.wide = from_line(wide);
    for (ptrdiff_t r = 0; r < rows && !result;) {
        const int some = r + TOGETHER_ROWS <= rows ? TOGETHER_ROWS : 1;
        result = normalize(&c, x + r * items, y + r * items, first + r, some);
        r += some;
    }
    free(wide);
    free(memory);
    return result;
}
