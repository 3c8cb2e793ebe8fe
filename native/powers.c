#include "powers.h"

#include <math.h>

#define TINY 0x1p-900 /* powers from here on have lost no digit */
#define MULTIPLIED 8  /* powers up to which magnitudes are multiplied */

#define T float
#define NAME(name) name##_f
#define MAGNITUDE fabsf
#include "powers_of.h"

#define T double
#define NAME(name) name##_d
#define MAGNITUDE fabs
#include "powers_of.h"
