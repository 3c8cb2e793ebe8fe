#include "unpooling.h"

#define PUT_BACK(T)                                                                             \
    static int put_back_##T(const T *restrict x, const int64_t *restrict at, T *restrict out,   \
                            const scattered *s)                                                 \
    {                                                                                           \
        for (ptrdiff_t image = 0; image < s->images; image++, out += s->cells * s->items)       \
            for (ptrdiff_t place = 0; place < s->places; place++, x += s->items, at += s->items) \
                for (ptrdiff_t i = 0; i < s->items; i++) {                                      \
                    if (at[i] < 0 || at[i] >= s->cells) return 1;                               \
                    out[at[i] * s->items + i] = x[i];                                           \
                }                                                                               \
        return 0;                                                                               \
    }

PUT_BACK(uint8_t)
PUT_BACK(uint16_t)
PUT_BACK(uint32_t)
PUT_BACK(uint64_t)

int put_back(const void *x, const int64_t *at, void *out, int size, const scattered *s)
{
    memset(out, 0, (size_t)(s->images * s->cells * s->items * size));
    switch (size) {
    case 1: return put_back_uint8_t(x, at, out, s);
    case 2: return put_back_uint16_t(x, at, out, s);
    case 4: return put_back_uint32_t(x, at, out, s);
    default: return put_back_uint64_t(x, at, out, s);
    }
}
