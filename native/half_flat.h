/* Windows over items of two bytes of few channels, or of channels that come first: whole rows are joined
 * and then put together along themselves, in vectors that do not care where a cell ends. */
#ifndef POOLNORM_HALF_FLAT_H
#define POOLNORM_HALF_FLAT_H

#include "half_windows.h"

/* Returns what the loops in half_poolings.h do, or NOT_SERVED. */
int windows_along_rows(const halves *h, enum joined_as what, const uint16_t *x, uint16_t *out,
                       const sheet *s);

#endif
