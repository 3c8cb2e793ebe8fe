/* The loops of half_windows_of.h and half_covers_of.h for one KIND of items and vectors of so many
 * BITS. */

/* Items, of which it is noted whether any is no number. */
TARGET static INLINE FLOATS NOTED(const uint16_t *x, ODD *odd)
{
    const FLOATS cells = LOAD(x);
    NOTE(odd, cells);
    return cells;
}

#define JOB mean
#define OUTSIDE 0
#define AVERAGE 1
#define A FLOATS
#define TAKE(x, odd) LOAD(x)
#define JOIN PASTED(sum, BITS)
#define DIVIDE PASTED(quotient, BITS)
#include "half_windows_of.h"

#define JOB wide
#define OUTSIDE 0
#define AVERAGE 1
#define A PASTED(doubles, BITS)
#define TAKE(x, odd) PASTED(PASTED(load_wide, KIND), BITS)(x)
#define JOIN PASTED(wide_sum, BITS)
#define DIVIDE PASTED(wide_quotient, BITS)
#include "half_windows_of.h"

#define JOB most
#define OUTSIDE LOWEST
#define AVERAGE 0
#define A FLOATS
#define TAKE NOTED
#define JOIN PASTED(larger, BITS)
#define DIVIDE(x, by) (x)
#include "half_windows_of.h"

#define JOB least
#define OUTSIDE HIGHEST
#define AVERAGE 0
#define A FLOATS
#define TAKE NOTED
#define JOIN PASTED(smaller, BITS)
#define DIVIDE(x, by) (x)
#include "half_windows_of.h"

#define JOB mean_of
#define A PASTED(doubles, BITS)
#define NEUTRAL PASTED(all_doubles, BITS)(-0.0)
#define TAKE(x, odd) PASTED(PASTED(load_wide, KIND), BITS)(x)
#define JOIN PASTED(wide_sum, BITS)
#define DIVIDE PASTED(divided, BITS)
#include "half_covers_of.h"

#define JOB most_of
#define A FLOATS
#define NEUTRAL PASTED(all_floats, BITS)(-INFINITY)
#define TAKE NOTED
#define JOIN PASTED(larger, BITS)
#define DIVIDE(x, by) ((void)(by), (x))
#include "half_covers_of.h"

#undef KIND
#undef LOWEST
#undef HIGHEST
