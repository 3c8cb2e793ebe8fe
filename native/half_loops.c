#include "half_loops.h"

#include "checked.h"

#ifdef VECTORS
#include <immintrin.h>

#define LANES 16
#include "half_vectors.h"
#include "half_loops_of.h"
#include "half_vectors_end.h"

#ifdef __has_include
#if __has_include(<avx512bf16intrin.h>)
#define OWN_ROUNDING
#define LANES 16
#include "half_vectors.h"
#include "half_loops_of.h"
#include "half_vectors_end.h"
#undef OWN_ROUNDING
#define ROUNDS 1
#endif
#endif

#define LANES 8
#include "half_vectors.h"
#include "half_loops_of.h"
#include "half_vectors_end.h"
#endif

const half_loops *half_loops_of(const halves *h)
{
#ifdef ROUNDS
    if (vectors_round && h == halves_of('E')) return &loops_own;
#endif
#ifdef VECTORS
    if (vector_bits && h) return (vector_bits == 512 ? loops_512 : loops_256) + (h == halves_of('E'));
#endif
    (void)h;
    return NULL;
}
