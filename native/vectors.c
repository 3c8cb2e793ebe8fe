#include "vectors.h"

#ifdef VECTORS
#include <cpuid.h>
#endif

int vector_bits, vectors_round;

static int most_bits(void)
{
#ifdef VECTORS
    unsigned a, b, c = 0, d;
    if (!__builtin_cpu_supports("avx2")) return 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_F16C)) return 0;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? 512
               : 256;
#else
    return 0;
#endif
}

int use_vectors(int bits)
{
    const int most = most_bits();
    vector_bits = bits < 256 ? 0 : bits < 512 && most == 512 ? 256 : most;
    vectors_round = 0;
#if defined(VECTORS) && defined(__has_include)
#if __has_include(<avx512bf16intrin.h>)
    vectors_round = bits > 512 && vector_bits == 512 && __builtin_cpu_supports("avx512bf16");
#endif
#endif
    return vector_bits;
}
