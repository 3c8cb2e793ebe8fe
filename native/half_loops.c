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

#ifdef __has_include
#if __has_include(<avx512bf16intrin.h>)
#define OWN_ROUNDING
#define LANES 16
#include "half_vectors.h"
#include "half_loops_of.h"
#include "half_vectors_end.h"
#undef OWN_ROUNDING
#define ROUNDS() __builtin_cpu_supports("avx512bf16")
#endif
#endif

#define LANES 8
#include "half_vectors.h"
#include "half_loops_of.h"
#include "half_vectors_end.h"
#endif

static int used;   /* bits of the vectors */
static int rounds; /* the processor's own rounding to bfloat16 is used, too */

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
#ifdef ROUNDS
    rounds = bits > 512 && most == 512 && ROUNDS();
#endif
    used = most >= 512 ? 512 : most >= 256 && most_bits() >= 256 ? 256 : 0;
    return used;
}

int half_vector_bits(void) { return used; }

const half_loops *half_loops_of(const halves *h)
{
#ifdef ROUNDS
    if (rounds && h == halves_of('E')) return &loops_own;
#endif
#ifdef VECTORS
    if (used && h) return (used == 512 ? loops_512 : loops_256) + (h == halves_of('E'));
#endif
    (void)h;
    return NULL;
}
