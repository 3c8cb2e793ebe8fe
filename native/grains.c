#include "grains.h"

#include "checked.h"

#include <string.h>

#define LEVELS 64 /* of a binary tree over as many parts as there can be */
#define EXACT ((ptrdiff_t)1 << 26) /* cells whose number by another one float64 holds */

/* Moments of so many cells, which are a subtree of 2^level grains. */
typedef struct {
    double *mean, *squares;
    ptrdiff_t cells;
    int level;
} part;

/* What units of the same number of cells have together. */
LOOP static void merge_units(const double *restrict mean, const double *restrict squares,
                             ptrdiff_t units, ptrdiff_t after, double cells, double *restrict whole,
                             double *restrict within, double *restrict between)
{
    for (ptrdiff_t j = 0; j < after; j++) whole[j] = mean[j], within[j] = squares[j];
    for (ptrdiff_t u = 1; u < units; u++)
        for (ptrdiff_t j = 0; j < after; j++)
            whole[j] += mean[u * after + j], within[j] += squares[u * after + j];
    if (units == 1) return;
    for (ptrdiff_t j = 0; j < after; j++) whole[j] /= (double)units, between[j] = 0;
    for (ptrdiff_t u = 0; u < units; u++)
        for (ptrdiff_t j = 0; j < after; j++) {
            const double away = mean[u * after + j] - whole[j];
            between[j] += away * away;
        }
    for (ptrdiff_t j = 0; j < after; j++) within[j] += cells * between[j];
}

/* Those that come first, and those that follow them: Chan, Golub and LeVeque (1979). */
LOOP static void merge_two(double *restrict mean, double *restrict squares,
                           const double *restrict next, const double *restrict more,
                           ptrdiff_t after, double share, double weight)
{
    for (ptrdiff_t j = 0; j < after; j++) {
        const double step = next[j] - mean[j];
        mean[j] += step * share;
        squares[j] = squares[j] + more[j] + step * step * weight;
    }
}

/* Merge a part into the one before it; 1 where that cannot be exact. */
static int merge(part *a, const part *b, ptrdiff_t after)
{
    if (a->cells >= EXACT || b->cells >= EXACT) return 1;
    const double first = (double)a->cells, next = (double)b->cells, total = first + next;
    merge_two(a->mean, a->squares, b->mean, b->squares, after, next / total, first * next / total);
    a->cells += b->cells;
    a->level++;
    return 0;
}

static int merge_all(const double *mean, const double *squares, const grains *g, double *memory,
                     part *held)
{
    const ptrdiff_t after = g->after;
    double *between = memory;
    int count = 0;
    for (ptrdiff_t u = 0; u < g->units; u += g->rows) {
        const ptrdiff_t some = LEAST(g->rows, g->units - u);
        double *own = memory + (1 + 2 * (ptrdiff_t)count) * after;
        const ptrdiff_t cells = u + some == g->units && g->rows == 1 ? g->last : g->cells;
        held[count] = (part){own, own + after, some * cells, 0};
        merge_units(mean + u * after, squares + u * after, some, after, (double)cells,
                    own, own + after, between);
        for (; count && held[count - 1].level == held[count].level; count--)
            if (merge(held + count - 1, held + count, after)) return 1;
        count++;
    }
    for (; count > 1; count--)
        if (merge(held + count - 2, held + count - 1, after)) return 1;
    return 0;
}

int merge_grains(const double *mean, const double *squares, double *to_mean, double *to_squares,
                 const grains *g)
{
    int levels = 3; /* a place for each that is held, and for the next two */
    while (levels < LEVELS && ((g->units - 1) / g->rows + 1) >> (levels - 2)) levels++;
    double *memory = room(g->after, 2 * levels + 1, sizeof(double));
    if (!memory) return -1;
    part held[LEVELS + 1];
    int lost = merge_all(mean, squares, g, memory, held);
    for (ptrdiff_t j = 0; j < g->after && !lost; j++) {
        to_mean[j] = held->mean[j], to_squares[j] = held->squares[j];
        lost = !isfinite(to_mean[j]) || !isfinite(to_squares[j]);
    }
    free(memory);
    return lost;
}
