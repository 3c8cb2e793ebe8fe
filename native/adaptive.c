#include "adaptive.h"

#include "checked.h"
#include "sums.h"
#include "transposed.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define PIECE 1024 /* items of rows that are joined together */
#define LANES 24   /* items of a row in which short ones are put side by side */
#define WIDE 64    /* items of a cell from which cells are joined one after another */
#define SHORT 8    /* items that no vector holds */
#define NEAR 1024  /* items of a cell of which the sums stay in the first-level cache */
#define ADDED(a, b) ((a) + (b))

static int cover_fits(const cover *c)
{
    const span *s = c->spans;
    for (ptrdiff_t i = 0; i < c->count; i++) {
        if (s[i].first < 0 || s[i].first >= s[i].end || s[i].end > c->length) return 0;
        if (i && (s[i].first < s[i - 1].first || s[i].end < s[i - 1].end)) return 0;
    }
    return 1;
}

int covers_fit(const covers *s)
{
    return cover_fits(&s->plane) && cover_fits(&s->row) && cover_fits(&s->cell);
}

#define T float
#define A float
#define BITS uint32_t
#define NAME(name) name##_max_f
#define JOIN larger_f
#define SUM 0
#define OWN_SUMS 0
#include "adaptive_of.h"

#define T double
#define A double
#define BITS uint64_t
#define NAME(name) name##_max_d
#define JOIN larger_d
#define SUM 0
#define OWN_SUMS 0
#include "adaptive_of.h"

#define T float
#define A double
#define BITS uint32_t
#define NAME(name) name##_mean_f
#define JOIN ADDED
#define SUM 1
#define OWN_SUMS 1
#include "adaptive_of.h"

#define T double
#define A double
#define BITS uint64_t
#define NAME(name) name##_mean_d
#define JOIN ADDED
#define SUM 1
#define OWN_SUMS 0
#include "adaptive_of.h"

