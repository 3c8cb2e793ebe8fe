#include "whole.h"

#include <stdint.h>
#include <string.h>

#define VECTOR 32 /* bytes */
#define LANES 64 /* items of a row in which short ones are put side by side */

#define LOOPS "whole_of.h"
#include "each_whole.h"

int is_whole(char kind)
{
    return kind && strchr("?bhiqBHIQ", kind) != NULL;
}

int fold_max_whole(char kind, const void *x, void *out, ptrdiff_t before, ptrdiff_t length,
                   ptrdiff_t after)
{
#define FOLD(letter) return fold_max_##letter(x, out, before, length, after)
    switch (kind) {
        WHOLE_CASES(FOLD)
    default: return 0;
    }
}

int adaptive_max_whole(char kind, const void *x, void *out, const covers *s)
{
#define ADAPTIVE(letter) return adaptive_max_##letter(x, out, s)
    switch (kind) {
        WHOLE_CASES(ADAPTIVE)
    default: return 0;
    }
}
