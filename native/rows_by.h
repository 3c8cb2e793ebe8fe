/* The loops over rows for one processor: with vectors of BITS bits, or, where that is 0, as the
 * compiler makes them. Included by rows.c. */
#if BITS == 512
#define FOR __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#elif BITS == 256
#define FOR __attribute__((target("avx2")))
#else
#define FOR
#endif

#if BITS
#define MANY 4 /* rows of which sums are taken together: a sum waits for the last number added to it */
#define LANES_D (BITS / 64)
#define LANES_F (BITS / 32)
#define D PASTED(doubles, BITS)
#define F PASTED(floats, BITS)
#define HALF PASTED(half_as_many, BITS)
#define PLACES_D PASTED(places_of_doubles, BITS)
#define PLACES_F PASTED(places_of_floats, BITS)
typedef double D __attribute__((vector_size(BITS / 8), aligned(8), may_alias));
typedef float F __attribute__((vector_size(BITS / 8), aligned(4), may_alias));
typedef float HALF __attribute__((vector_size(BITS / 16), aligned(4), may_alias));
typedef int64_t PLACES_D __attribute__((vector_size(BITS / 8)));
typedef int32_t PLACES_F __attribute__((vector_size(BITS / 8)));
#define WIDENED_AT(from) __builtin_convertvector(*(const HALF *)(const void *)(from), D)
#else
#define MANY 1
#define LANES_D 1
#define LANES_F 1
#define D double
#define F float
#define WIDENED_AT(from) ((double)*(from))
#endif
#define D_AT(from) (*(const D *)(const void *)(from))
#define F_AT(from) (*(const F *)(const void *)(from))
#define PUT(to, v) memcpy(to, &(v), sizeof(v))

#if BITS
#include "row_folds.h"
#define FOLD_D PASTED(fold_d, BITS)
#define FOLD_F PASTED(fold_f, BITS)
#define IN_PARTS PASTED(in_parts, BITS)
#else
#define FOLD_D(sums, rows, to) (*(to) = folded(*(sums)))
#define FOLD_F(sums, rows, to) (*(to) = folded_f(*(sums)))
#define IN_PARTS(total, rows, items, high, low) in_parts(*(total) / (items), high, low)
#endif

#define T float
#define NAME(name) name##_f
#define BY(name) PASTED(name##_f, BITS)
#define CENTERINGS 1
#define V F
#define LANES LANES_F
#define LARGE LARGE_F
#define SMALL SMALL_F
#define GREAT GREAT_F
#include "row_sums_f.h"
#include "rows_of.h"
#undef T
#undef NAME
#undef BY
#undef CENTERINGS
#undef V
#undef LANES
#undef LARGE
#undef SMALL
#undef GREAT

#define T double
#define NAME(name) name##_d
#define BY(name) PASTED(name##_d, BITS)
#define CENTERINGS 2
#define V D
#define LANES LANES_D
#define LARGE 1e300
#define SMALL 1e-270
#define GREAT 1e300
#include "row_sums_d.h"
#include "rows_of.h"
#undef T
#undef NAME
#undef BY
#undef CENTERINGS
#undef V
#undef LANES
#undef LARGE
#undef SMALL
#undef GREAT

#undef FOR
#undef MANY
#undef LANES_D
#undef LANES_F
#undef D
#undef F
#undef HALF
#undef FOLD_D
#undef FOLD_F
#undef IN_PARTS
#undef PLACES_D
#undef PLACES_F
#undef WIDENED_AT
#undef D_AT
#undef F_AT
#undef PUT
#undef BITS
