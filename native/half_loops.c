#include "half_loops.h"

#include "checked.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define VECTORS 1
#include <cpuid.h>
#include <immintrin.h>

#define LANES 16
#include "half_vectors.h"
#include "half_loops_of.h"
#include "half_vectors_end.h"

#define LANES 8
#include "half_vectors.h"
#include "half_loops_of.h"
#include "half_vectors_end.h"
#endif

static int used; /* bits of the vectors */

static int most_bits(void)
{
#ifdef VECTORS
    unsigned a, b, c = 0, d;
    const int f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 512;
    if (__builtin_cpu_supports("avx2") && f16c) return 256;
#endif
    return 0;
}

int half_vectors(int bits)
{
    const int most = LEAST(bits, most_bits());
    used = most >= 512 ? 512 : most >= 256 && most_bits() >= 256 ? 256 : 0;
    return used;
}

int half_vector_bits(void) { return used; }

const half_loops *half_loops_of(const halves *h)
{
#ifdef VECTORS
    if (used && h) return (used == 512 ? loops_512 : loops_256) + (h == halves_of('E'));
#endif
    (void)h;
    return NULL;
}
