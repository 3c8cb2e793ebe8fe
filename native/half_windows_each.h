/* The loops of half_windows_of.h for one KIND of items and vectors of so many BITS. */

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
#define TAKE(x, odd) PASTED(wide, BITS)(LOAD(x))
#define JOIN PASTED(wide_sum, BITS)
#define DIVIDE PASTED(wide_quotient, BITS)
#include "half_windows_of.h"

#define JOB most
#define OUTSIDE LOWEST
#define AVERAGE 0
#define A FLOATS
#define TAKE(x, odd) NAME(noted)(x, odd)
#define JOIN PASTED(larger, BITS)
#define DIVIDE(x, by) (x)
#include "half_windows_of.h"

#define JOB least
#define OUTSIDE HIGHEST
#define AVERAGE 0
#define A FLOATS
#define TAKE(x, odd) NAME(noted)(x, odd)
#define JOIN PASTED(smaller, BITS)
#define DIVIDE(x, by) (x)
#include "half_windows_of.h"

#undef KIND
#undef LOWEST
#undef HIGHEST
