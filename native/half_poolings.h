/* Poolings of items of two bytes, by the loops for float: parts of images are converted, pooled, and
 * rounded, in cache. The bytes are those of whole images, wherever these are cut. */
#ifndef POOLNORM_HALF_POOLINGS_H
#define POOLNORM_HALF_POOLINGS_H

#include "adaptive.h"
#include "conversions.h"
#include "windows.h"

/* All return what the loop of that name for float does for any part, and -1 without memory. */
int max_windows_halves(const halves *h, const uint16_t *x, uint16_t *out, const sheet *s);
int min_windows_halves(const halves *h, const uint16_t *x, uint16_t *out, const sheet *s);
int mean_windows_halves(const halves *h, const uint16_t *x, uint16_t *out, const sheet *s);
int mean_windows_halves_d(const halves *h, const uint16_t *x, uint16_t *out, const sheet *s);
int mean_windows_halves_fd(const halves *h, const uint16_t *x, uint16_t *out, const sheet *s);
int adaptive_max_halves(const halves *h, const uint16_t *x, uint16_t *out, const covers *s);
int adaptive_mean_halves(const halves *h, const uint16_t *x, uint16_t *out, const covers *s);

#endif
