/* Includes LOOPS, which takes T, BITS, LETTER and LOWEST and undefines T and BITS, once for each type
 * of integers. */
#define T int8_t
#define BITS uint8_t
#define LETTER b
#define LOWEST INT8_MIN
#include LOOPS
#undef LETTER
#undef LOWEST

#define T int16_t
#define BITS uint16_t
#define LETTER h
#define LOWEST INT16_MIN
#include LOOPS
#undef LETTER
#undef LOWEST

#define T int32_t
#define BITS uint32_t
#define LETTER i
#define LOWEST INT32_MIN
#include LOOPS
#undef LETTER
#undef LOWEST

#define T int64_t
#define BITS uint64_t
#define LETTER q
#define LOWEST INT64_MIN
#include LOOPS
#undef LETTER
#undef LOWEST

#define T uint8_t
#define BITS uint8_t
#define LETTER B
#define LOWEST 0
#include LOOPS
#undef LETTER
#undef LOWEST

#define T uint16_t
#define BITS uint16_t
#define LETTER H
#define LOWEST 0
#include LOOPS
#undef LETTER
#undef LOWEST

#define T uint32_t
#define BITS uint32_t
#define LETTER I
#define LOWEST 0
#include LOOPS
#undef LETTER
#undef LOWEST

#define T uint64_t
#define BITS uint64_t
#define LETTER Q
#define LOWEST 0
#include LOOPS
#undef LETTER
#undef LOWEST
#undef LOOPS

/* The case of each of these letters in a switch: `call` is a macro of the letter. */
#define WHOLE_CASES(call) \
    case 'b': call(b);    \
    case 'h': call(h);    \
    case 'i': call(i);    \
    case 'q': call(q);    \
    case '?':             \
    case 'B': call(B);    \
    case 'H': call(H);    \
    case 'I': call(I);    \
    case 'Q': call(Q);
