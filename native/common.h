/* What all loops share: how they are compiled for the processor they meet, and small helpers. */
#ifndef POOLNORM_COMMON_H
#define POOLNORM_COMMON_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h> /* says which C library there is */
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE inline
#endif

/* A loop that is compiled twice where the linker can choose at load time: for any x86-64 processor,
 * and for those with 256-bit vectors. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define LOOP __attribute__((noinline, target_clones("avx2", "default")))
#else
#define LOOP
#endif
/* The same with 512-bit vectors too, where they were measured to be sooner, and the compiler has a
 * word for such processors. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define LOOP_512 __attribute__((noinline, target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define LOOP_512 LOOP
#endif

/* Before a loop of which no step needs what another has written. */
#if defined(__GNUC__) && !defined(__clang__)
#define INDEPENDENT _Pragma("GCC ivdep")
#elif defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT
#endif

/* Before a short loop of known length, which is to become vectors and not one step after another. */
#if defined(__GNUC__) && !defined(__clang__)
#define AS_VECTORS _Pragma("GCC unroll 1")
#else
#define AS_VECTORS
#endif

#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(address) __builtin_prefetch(address)
#define PREFETCH_TO_WRITE(address) __builtin_prefetch(address, 1)
#else
#define PREFETCH(address) ((void)0)
#define PREFETCH_TO_WRITE(address) ((void)0)
#endif

/* The bytes of an item in the other order. */
#if defined(_MSC_VER) && !defined(__clang__)
#define SWAPPED_32(item) _byteswap_ulong(item)
#define SWAPPED_64(item) _byteswap_uint64(item)
#else
#define SWAPPED_32(item) __builtin_bswap32(item)
#define SWAPPED_64(item) __builtin_bswap64(item)
#endif

#define PASTED(name, letter) PASTED_AS_IT_IS(name, letter)
#define PASTED_AS_IT_IS(name, letter) name##_##letter

#define LEAST(a, b) ((a) < (b) ? (a) : (b))
#define MOST(a, b) ((a) > (b) ? (a) : (b))

/* The larger, or the smaller, of two numbers; NaN is kept before all. Its bits are set by a mask, for
 * that takes a processor less than to choose it. */
#define KEPT_OF_TWO(name, T, BITS, NONE, BEFORE)           \
    static INLINE T name(T a, T b)                         \
    {                                                      \
        T kept = a BEFORE b ? a : b;                       \
        BITS bits;                                         \
        memcpy(&bits, &kept, sizeof bits);                 \
        const BITS odd = isunordered(a, b) ? ~(BITS)0 : 0; \
        bits |= odd & (NONE);                              \
        memcpy(&kept, &bits, sizeof bits);                 \
        return kept;                                       \
    }
KEPT_OF_TWO(larger_f, float, uint32_t, UINT32_C(0x7fc00000), >)
KEPT_OF_TWO(larger_d, double, uint64_t, UINT64_C(0x7ff8000000000000), >)
KEPT_OF_TWO(smaller_f, float, uint32_t, UINT32_C(0x7fc00000), <)
KEPT_OF_TWO(smaller_d, double, uint64_t, UINT64_C(0x7ff8000000000000), <)

#endif
