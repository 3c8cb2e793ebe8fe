/* Which vectors are used by loops that are written for a processor; compilers choose those of the
 * others when the module is loaded. What comes out has the same bytes with any. */
#ifndef POOLNORM_VECTORS_H
#define POOLNORM_VECTORS_H

/* Whether there are such loops. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define VECTORS 1
#endif

/* Bits of the vectors that are used: 512, 256 (AVX2, and conversions of float16), or 0 for none. */
extern int vector_bits;

/* Whether the processor's own rounding to bfloat16 is used, too. */
extern int vectors_round;

/* Use vectors of so many bits at most, as far as the processor has them; returns how many are used. More
 * than 512 ask for instructions that only some processors of 512 bits have, besides. */
int use_vectors(int bits);

#endif
