/* A training call of batch normalization on items in memory: statistics of each channel, and then all
 * items by them. What comes out has the bytes of fold_moments, merge_grains and center one after
 * another. */
#ifndef POOLNORM_TRAINING_H
#define POOLNORM_TRAINING_H

#include "grains.h"

typedef struct {
    char kind; /* of the items: f, e or E */
    const void *x;
    void *y;
    const double *gamma, *beta; /* may be null */
    double *mean, *squares;     /* of each channel, made here */
    double epsilon;
    ptrdiff_t before, channels, behind; /* sizes of `x` */
    ptrdiff_t units, length, after, last; /* of whose moments those of channels are made */
    ptrdiff_t rows;                       /* of units that make a grain */
} training;

/* Return 1 where float64 does not hold a statistic: then `y` is not made; -1 without memory. */
int train(const training *t);

#endif
