/* Two bytes to a number, as they are stored: float16, and bfloat16, the upper half of a float32.
 *
 * To float32 they become exactly; from it they are rounded once, to nearest, ties to even. A NaN
 * keeps its sign and as much of its payload as there is room for, as in NumPy. */
#ifndef POOLNORM_HALVES_H
#define POOLNORM_HALVES_H

#include "common.h"

#include <stdint.h>

enum half { FLOAT16, BFLOAT16 };

void widen_halves(enum half kind, const uint16_t *x, float *to, ptrdiff_t n);
void narrow_halves(enum half kind, const float *x, uint16_t *to, ptrdiff_t n);

/* Whether the processor's own conversion is used, for which `allowed` may be 0 to prevent it. */
int own_conversion(int allowed);

#endif
