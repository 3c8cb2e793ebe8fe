#include "checked.h"
#include "rows.h"

#include <float.h>
#include <math.h>

#define LANES 48            /* items of a row in which short ones are put side by side */
#define CACHE (1 << 20)     /* bytes of columns that are read again from the cache */

/* Float64 holds what float32 items are: squares are taken of distances from the first of a column,
 * which vary as the others do. Float64 items need their mean first. */
#define T float
#define W double
#define NAME(name) name##_f
#define ROOT sqrt
#define TWICE 0
#define HEAVY 1e30
#define LIGHT ((double)FLT_MIN)
#define LARGE 1e60
#define SMALL 1e-60
#define GREAT 1e60
#include "joined_of.h"
#undef T
#undef W
#undef NAME
#undef ROOT
#undef TWICE
#undef HEAVY
#undef LIGHT
#undef LARGE
#undef SMALL
#undef GREAT

#define T double
#define W long double
#define NAME(name) name##_d
#define ROOT sqrtl
#define TWICE 1
#define HEAVY 1e290
#define LIGHT DBL_MIN
#define LARGE 1e300
#define SMALL 1e-270
#define GREAT 1e300
#include "joined_of.h"
