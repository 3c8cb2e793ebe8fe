/* Poolings of items of two bytes, by the loops for float: parts of images are converted, pooled, and
 * rounded, in cache. The bytes are those of whole images, wherever these are cut. */
#ifndef POOLNORM_HALF_POOLINGS_H
#define POOLNORM_HALF_POOLINGS_H

#include "adaptive.h"
#include "conversions.h"
#include "windows.h"

typedef int (*window_loop)(const float *x, float *out, const sheet *s);
typedef int (*cover_loop)(const float *x, float *out, const covers *s);

/* Both return what the loop does for any part, and -1 without memory. */
int windows_of_halves(const halves *h, window_loop loop, const uint16_t *x, uint16_t *out,
                      const sheet *s);
int adaptive_of_halves(const halves *h, cover_loop loop, const uint16_t *x, uint16_t *out,
                       const covers *s);

#endif
