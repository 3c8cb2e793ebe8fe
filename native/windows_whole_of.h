/* The loops of windows.h for integers, of which maxima are taken. Included by each_whole.h. */
#define A T
#define C T
#define NAME(name) PASTED(name, LETTER)
#define COLUMNS NAME(join_columns)
#define FROM_COLUMNS NAME(copied)
#define OWN_COLUMNS 1
#define KEPT MOST
#define WORST LOWEST
#define SAME 1
#define AVERAGE 0
#include "windows_of.h"
#undef WORST
