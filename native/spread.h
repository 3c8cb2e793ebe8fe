/* Several threads on the parts of one call, for which Python's would wait for each other at the
 * interpreter's lock, and to be woken.
 *
 * Which thread works on which part decides nothing: parts are items that do not depend on each
 * other. */
#ifndef POOLNORM_SPREAD_H
#define POOLNORM_SPREAD_H

#include <stddef.h>

/* Works on items from `first` on; returns a negative number without memory, else 0 or 1. */
typedef int (*part_of_call)(const void *call, ptrdiff_t first, ptrdiff_t items);

/* Say how many threads calls of this thread may take from now on; returns how many that were. */
int allow_threads(int threads);

/* How many they may take. */
int threads_allowed(void);

/* How many threads a call on items of so many bytes may take: each is to have enough of them. */
int threads_for(ptrdiff_t items, ptrdiff_t bytes);

/* How many helpers that sleep are woken for work of so many nanoseconds by one thread: each that wakes
 * wakes two more, so the last ones come when what there is to do has been done by the first. */
int worth_waking(double nanoseconds, int helpers);

/* Work on all items of so many bytes each, in as many threads as are allowed and worth waking.
 * Returns the least of what parts returned if that is negative, else the largest. */
int spread(part_of_call part, const void *call, ptrdiff_t items, ptrdiff_t bytes);

#endif
