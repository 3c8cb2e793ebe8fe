/* Statistics of channels, and items by them: channels that lie apart in each sample are normalized one
 * after another, while their items are still in the cache of the processor that has read them. */
#define POOLNORM_WHOLE_CALLS
#include "training.h"

#include "checked.h"
#include "conversions.h"
#include "parts.h"
#include "spread.h"

#define CHANNELS_BYTES ((ptrdiff_t)256 << 10) /* of channels that are worked on together */
#define LONG_CHANNEL ((ptrdiff_t)1 << 20)     /* bytes of one that no longer stays in the cache */
#define SHARES 3 /* for each thread, at least, so that none waits long for another */

/* Channels of all samples, cut into blocks of some. */
typedef struct {
    const training *t;
    ptrdiff_t together;
} blocks;

static ptrdiff_t item_of(const training *t) { return size_of_kind(t->kind); }

/* What some channels are normalized by, from their statistics. */
static moving from_statistics(const training *t, ptrdiff_t first, ptrdiff_t channels,
                              double *variance, double *scale, double *shift)
{
    const double cells = (double)(t->before * t->behind);
    for (ptrdiff_t j = 0; j < channels; j++) variance[j] = t->squares[first + j] / cells;
    fold_weights(t->gamma ? t->gamma + first : NULL, t->beta ? t->beta + first : NULL, variance,
                 t->epsilon, scale, shift, channels);
    return (moving){t->mean + first, scale, shift};
}

/* Some channels of all samples, with memory for the moments of each sample and for three vectors. */
static int train_channels(const training *t, ptrdiff_t first, ptrdiff_t channels, double *memory)
{
    const ptrdiff_t apart = t->channels * t->behind, at = first * t->behind * item_of(t);
    const ptrdiff_t units = t->before * channels;
    const grains g = {t->before, t->rows, channels, t->behind, t->behind};
    const halves *h = halves_of(t->kind);
    const void *x = (const char *)t->x + at;
    void *y = (char *)t->y + at;
    double *mean = memory, *squares = mean + units, *vectors = squares + units;
    int result = h ? moments_of_samples_halves(h, x, mean, squares, t->before, channels, t->behind, apart)
                   : moments_of_samples_f(x, mean, squares, t->before, channels, t->behind, apart);
    if (!result) result = merge_grains(mean, squares, t->mean + first, t->squares + first, &g);
    if (result) return result;
    const moving m = from_statistics(t, first, channels, vectors, vectors + channels,
                                     vectors + 2 * channels);
    return h ? center_samples_halves(h, x, y, &m, t->before, channels, t->behind, apart)
             : center_samples_f(x, y, &m, t->before, channels, t->behind, apart);
}

static int train_some(const void *given, ptrdiff_t first, ptrdiff_t items)
{
    const blocks *b = given;
    const ptrdiff_t channels = b->t->channels, stop = LEAST((first + items) * b->together, channels);
    double *memory = room(b->together, 2 * b->t->before + 3, sizeof(double));
    int result = memory ? 0 : -1;
    for (ptrdiff_t k = first * b->together; k < stop && !result; k += b->together)
        result = train_channels(b->t, k, LEAST(b->together, stop - k), memory);
    free(memory);
    return result;
}

/* Into how many blocks channels are cut; 0 where they are not to be worked on one after another. */
static ptrdiff_t cut(const training *t, blocks *b)
{
    const ptrdiff_t each = t->before * t->behind * item_of(t);
    if (t->after != 1 || t->channels == 1 || each > LONG_CHANNEL) return 0;
    if (t->channels < SHARES * threads_allowed()) return 0;
    const ptrdiff_t least = SHARES * threads_allowed(), most = (t->channels - 1) / least + 1;
    b->together = LEAST(MOST(CHANNELS_BYTES / each, 1), most);
    return (t->channels - 1) / b->together + 1;
}

/* One step after another on all items. */
static int train_in_steps(const training *t, double *memory)
{
    const ptrdiff_t all = t->units * t->after;
    const grains g = {all / t->channels, t->rows, t->channels, t->length, t->last};
    const halves *h = halves_of(t->kind);
    double *mean = memory, *squares = mean + all, *vectors = squares + all;
    int result = h ? fold_moments_halves_parts(h, t->x, mean, squares, t->units, t->length, t->last, t->after)
                   : fold_moments_f_parts(t->x, mean, squares, t->units, t->length, t->last, t->after);
    if (!result) result = merge_grains(mean, squares, t->mean, t->squares, &g);
    if (result) return result;
    const moving m = from_statistics(t, 0, t->channels, vectors, vectors + t->channels,
                                     vectors + 2 * t->channels);
    return h ? center_halves_parts(h, t->x, t->y, &m, t->before, t->channels, t->behind)
             : center_f_parts(t->x, t->y, &m, t->before, t->channels, t->behind);
}

int train(const training *t)
{
    blocks b = {t, 0};
    const ptrdiff_t count = cut(t, &b);
    if (count)
        return spread(train_some, &b, count, b.together * t->before * t->behind * item_of(t));
    const ptrdiff_t units = t->units * t->after;
    double *memory = room(2 * units + 3 * t->channels, 1, sizeof(double));
    if (!memory) return -1;
    const int result = train_in_steps(t, memory);
    free(memory);
    return result;
}
