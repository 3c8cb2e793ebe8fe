#include "permuting.h"

#include "spread.h"

#define TILE (128 << 10) /* bytes of samples that are put in order at once */

/* How to go through items: sizes, and items from one to the next, in the order of what is written. */
typedef struct {
    int count;
    ptrdiff_t sizes[MOST_AXES], from[MOST_AXES], to[MOST_AXES];
} walk;

static walk walk_of(const permutation *p, int back)
{
    walk w = {.count = p->count};
    ptrdiff_t apart[MOST_AXES], step = 1;
    for (int axis = p->count - 1; axis >= 0; axis--) apart[axis] = step, step *= p->sizes[axis];
    step = 1;
    for (int i = p->count - 1; i >= 0; i--) {
        const int axis = p->order[i];
        w.sizes[i] = p->sizes[axis];
        w.from[i] = back ? step : apart[axis];
        w.to[i] = back ? apart[axis] : step;
        step *= p->sizes[axis];
    }
    return w;
}

#define ALONG(T)                                                                              \
    static void along_##T(const T *restrict x, T *restrict out, const walk *w)                \
    {                                                                                         \
        const int last = w->count - 1;                                                        \
        const ptrdiff_t n = w->sizes[last], from = w->from[last], to = w->to[last];           \
        if (from == 1 && to == 1)                                                             \
            memcpy(out, x, (size_t)n * sizeof(T));                                            \
        else                                                                                  \
            for (ptrdiff_t i = 0; i < n; i++) out[i * to] = x[i * from];                      \
    }                                                                                         \
    static void through_##T(const T *restrict x, T *restrict out, const walk *w)              \
    {                                                                                         \
        ptrdiff_t at[MOST_AXES] = {0};                                                        \
        for (;;) {                                                                            \
            along_##T(x, out, w);                                                             \
            int axis = w->count - 2;                                                          \
            for (; axis >= 0; axis--) {                                                       \
                x += w->from[axis], out += w->to[axis];                                       \
                if (++at[axis] < w->sizes[axis]) break;                                       \
                x -= at[axis] * w->from[axis], out -= at[axis] * w->to[axis];                 \
                at[axis] = 0;                                                                 \
            }                                                                                 \
            if (axis < 0) return;                                                             \
        }                                                                                     \
    }

ALONG(uint8_t)
ALONG(uint16_t)
ALONG(uint32_t)
ALONG(uint64_t)

void permute(const void *x, void *out, int size, ptrdiff_t samples, const permutation *p, int back)
{
    const walk w = walk_of(p, back);
    ptrdiff_t bytes = size;
    for (int axis = 0; axis < p->count; axis++) bytes *= p->sizes[axis];
    if (!bytes) return;
    for (ptrdiff_t i = 0; i < samples; i++) {
        const void *from = (const char *)x + i * bytes;
        void *to = (char *)out + i * bytes;
        switch (size) {
        case 1: through_uint8_t(from, to, &w); break;
        case 2: through_uint16_t(from, to, &w); break;
        case 4: through_uint32_t(from, to, &w); break;
        default: through_uint64_t(from, to, &w);
        }
    }
}

typedef struct {
    work_on_samples loop;
    const void *call, *x;
    void *y;
    int size;
    ptrdiff_t items;
    const permutation *p;
} samples_of;

static int some_samples(const void *given, ptrdiff_t first, ptrdiff_t count)
{
    const samples_of *s = given;
    const ptrdiff_t each = s->items * s->size;
    const char *x = (const char *)s->x + first * each;
    char *y = (char *)s->y + first * each;
    if (!s->p->count) return s->loop(s->call, x, y, count);
    const ptrdiff_t most = LEAST(MOST(TILE / each, 1), count);
    char *before = room(most, each, 2), *after = before + most * each;
    if (!before) return -1;
    int found = 0;
    for (ptrdiff_t some; found >= 0 && count > 0; count -= some, x += some * each, y += some * each) {
        some = LEAST(most, count);
        permute(x, before, s->size, some, s->p, 0);
        const int result = s->loop(s->call, before, after, some);
        if (result >= 0) permute(after, y, s->size, some, s->p, 1);
        found = result < 0 ? result : MOST(found, result);
    }
    free(before);
    return found;
}

int on_permuted(work_on_samples loop, const void *call, const void *x, void *y, int size,
                ptrdiff_t samples, ptrdiff_t items, const permutation *p)
{
    const samples_of all = {loop, call, x, y, size, items, p};
    return spread(some_samples, &all, samples, items * size);
}
