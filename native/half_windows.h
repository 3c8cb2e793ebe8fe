/* Windows over items of two bytes that are widened, joined and rounded in vectors: the bytes are those
 * of the loops in half_poolings.h. */
#ifndef POOLNORM_HALF_WINDOWS_H
#define POOLNORM_HALF_WINDOWS_H

#include "adaptive.h"
#include "conversions.h"
#include "windows.h"

enum joined_as { AS_MEANS, AS_WIDE_MEANS, AS_LARGEST, AS_SMALLEST };

#define NOT_SERVED 2 /* nothing is known of the result: there are no vectors, or there is a NaN */

/* Returns what the loops in half_poolings.h do, or NOT_SERVED. */
int windows_in_vectors(const halves *h, enum joined_as what, const uint16_t *x, uint16_t *out,
                       const sheet *s);

/* The same of means, or maxima, under windows of differing sizes. */
int covers_in_vectors(const halves *h, int average, const uint16_t *x, uint16_t *out,
                      const covers *s);

/* Maxima under such windows over cells of one item, in one image, where they fit. Nothing is known where
 * there is a NaN, or a largest number is a zero and there are zeros of either sign. */
int runs_fit(const covers *s);
int runs_in_vectors(const halves *h, const uint16_t *x, uint16_t *out, const covers *s);

#endif
