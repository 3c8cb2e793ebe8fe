#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L /* signals of threads, and clocks */
#endif
#include "spread.h"

static _Thread_local int allowed = 1;

int allow_threads(int threads)
{
    const int before = allowed;
    allowed = threads < 1 ? 1 : threads;
    return before;
}

int threads_allowed(void) { return allowed; }

#define LEAST (128 << 10)     /* bytes that a thread is to have */
#define WAKING 50000.0        /* nanoseconds that it takes to wake a thread */
#define WORTH_WAKING 200000.0 /* nanoseconds of work for which one is woken */

int threads_for(ptrdiff_t items, ptrdiff_t bytes)
{
    const ptrdiff_t some = LEAST / (bytes > 0 ? bytes : 1) + 1; /* items of one thread, at least */
    const ptrdiff_t threads = items / some;
    return threads < allowed ? (int)threads : allowed;
}

int worth_waking(double nanoseconds, int helpers)
{
    if (nanoseconds < WORTH_WAKING) return 0;
    return nanoseconds < WAKING * helpers ? (int)(nanoseconds / WAKING) : helpers;
}

#if defined(_WIN32) || defined(__STDC_NO_ATOMICS__)
int spread(part_of_call part, const void *call, ptrdiff_t items, ptrdiff_t bytes)
{
    (void)bytes;
    return part(call, 0, items);
}
#else
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define MOST (8 * (int)sizeof(size_t)) /* threads: each has a bit */
#define LEAST_PART (64 << 10) /* bytes that are taken at a time */
#define MOST_PART (256 << 10) /* so that a part taken last is still in the cache of a processor */
#define PARTS 4               /* for each thread, so that none waits long for another */
#define LOOKS 32              /* for more to do, before the clock is looked at */
#define SHORT_WAIT 50000      /* nanoseconds that a thread looks for more to do before it sleeps */
#define LONG_WAIT 200000      /* the same where calls have come one after another */
#define LINE 64               /* bytes that processors share among them */

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

/* What is worked on: who takes a seat reads it, and it is not changed before all have left. */
static struct {
    part_of_call part;
    const void *call;
    ptrdiff_t step;
    int threads, backwards;
} job;

/* What each thread begins with: the same items in every call of a shape, so that it finds in its
 * own cache what it has read or written there in the last one. The caller's is the first. Calls take
 * the parts from the first on and from the last on by turns: those that the last call took last are
 * in the cache where not all are. */
static struct {
    _Alignas(LINE) atomic_ptrdiff_t taken;
    ptrdiff_t parts, start, end;
} shares[MOST];

/* Who helps; the caller is none of them. */
static struct helper {
    _Alignas(LINE) atomic_int asleep;
    pthread_mutex_t bed;
    pthread_cond_t bell;
} helpers[MOST];

static _Alignas(LINE) atomic_size_t seats; /* a bit for each helper who may come */
static _Alignas(LINE) atomic_int left_seats;
static atomic_int result_least, result_most;
static atomic_int woken; /* of the helpers, so many are woken where they sleep */
static int begun; /* helpers, changed by who holds the gate, as is when the last call ended */
static int64_t last_end;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* who spreads; others work alone */

#define SEAT(helper) ((size_t)1 << (helper))

static void note(int found)
{
    int seen = atomic_load(&result_least);
    while (found < seen && !atomic_compare_exchange_weak(&result_least, &seen, found)) {}
    seen = atomic_load(&result_most);
    while (found > seen && !atomic_compare_exchange_weak(&result_most, &seen, found)) {}
}

/* Work on the next part of a share; 0 where it has none. */
static int take_part(int share)
{
    const ptrdiff_t parts = shares[share].parts, end = shares[share].end;
    if (atomic_load(&shares[share].taken) >= parts) return 0;
    const ptrdiff_t taken = atomic_fetch_add(&shares[share].taken, 1);
    if (taken >= parts) return 0;
    const ptrdiff_t part = job.backwards ? parts - 1 - taken : taken;
    const ptrdiff_t first = shares[share].start + part * job.step;
    note(job.part(job.call, first, end - first < job.step ? end - first : job.step));
    return 1;
}

/* Work on the parts of a share, and then on those that are left of the others. */
static void take_parts(int share)
{
    for (int past = 0; past < job.threads; past++)
        while (take_part((share + past) % job.threads)) {}
}

static int has_seat(int helper) { return (atomic_load(&seats) & SEAT(helper)) != 0; }

static void wake(int helper)
{
    if (!atomic_load(&helpers[helper].asleep)) return;
    pthread_mutex_lock(&helpers[helper].bed);
    pthread_cond_signal(&helpers[helper].bell);
    pthread_mutex_unlock(&helpers[helper].bed);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Wait for a seat, awake at first: while calls come one after another, for longer, but then others
 * who want the processor have it. Return when it was there. */
static int64_t wait_for_seat(int helper, int64_t since, int64_t patience)
{
    struct helper *h = &helpers[helper];
    int64_t time = since;
    for (int look = 1; !has_seat(helper); look++) {
        PAUSE();
        if (look % LOOKS) continue;
        time = now();
        if (time - since > patience) break;
        if (time - since > SHORT_WAIT) sched_yield();
    }
    if (has_seat(helper)) return time;
    pthread_mutex_lock(&h->bed);
    atomic_store(&h->asleep, 1);
    while (!has_seat(helper)) pthread_cond_wait(&h->bell, &h->bed);
    atomic_store(&h->asleep, 0);
    pthread_mutex_unlock(&h->bed);
    return now();
}

static void *live(void *self)
{
    const int helper = (int)((struct helper *)self - helpers);
    int64_t patience = SHORT_WAIT, since = now();
    for (;;) {
        const int64_t came = wait_for_seat(helper, since, patience);
        patience = came - since < LONG_WAIT ? LONG_WAIT : SHORT_WAIT;
        if (atomic_fetch_and(&seats, ~SEAT(helper)) & SEAT(helper)) {
            for (int next = 2 * helper + 1; next <= 2 * helper + 2; next++)
                if (next < atomic_load(&woken)) wake(next);
            take_parts(helper + 1);
            atomic_fetch_add(&left_seats, 1);
        }
        since = now();
    }
    return self;
}

/* Who sleeps is woken where calls come one after another, or where there is much to do, as the first
 * part tells, and then no more than come in time; each helper wakes others. */
static void wake_first(ptrdiff_t items)
{
    if (!atomic_load(&woken)) {
        const int64_t start = now();
        take_part(0);
        const double all = (double)(now() - start) * ((double)items / (double)job.step);
        atomic_store(&woken, worth_waking(all, job.threads - 1));
        if (!atomic_load(&woken)) return;
    }
    wake(0);
}

/* A process that is forked has none of the threads. */
static void forget(void)
{
    begun = 0;
    atomic_store(&seats, 0);
    pthread_mutex_init(&gate, NULL);
}

/* Begin helpers until there are so many, and return how many there are. Signals are for others. */
static int begin(int wanted)
{
    static int watched;
    if (!watched) watched = pthread_atfork(NULL, NULL, forget) == 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (watched && begun < wanted) {
        struct helper *h = &helpers[begun];
        pthread_t thread;
        atomic_store(&h->asleep, 0);
        pthread_mutex_init(&h->bed, NULL), pthread_cond_init(&h->bell, NULL);
        if (pthread_create(&thread, NULL, live, h) != 0) break;
        pthread_detach(thread);
        begun++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return begun < wanted ? begun : wanted;
}

/* Wait until so many helpers have left. */
static void wait_for(int came)
{
    for (int look = 1; atomic_load(&left_seats) < came; look++)
        if (look < LOOKS * LOOKS)
            PAUSE();
        else
            sched_yield();
}

static void share_out(ptrdiff_t items)
{
    for (ptrdiff_t at = 0, first = 0; at < job.threads; at++) {
        const ptrdiff_t count = (items - first) / (job.threads - at);
        shares[at].start = first, shares[at].end = first += count;
        shares[at].parts = count ? (count - 1) / job.step + 1 : 0;
        atomic_store_explicit(&shares[at].taken, 0, memory_order_relaxed);
    }
}

int spread(part_of_call part, const void *call, ptrdiff_t items, ptrdiff_t bytes)
{
    const ptrdiff_t each = bytes > 0 ? bytes : 1;
    ptrdiff_t threads = threads_for(items, each);
    if (threads > MOST) threads = MOST;
    if (threads < 2 || pthread_mutex_trylock(&gate) != 0) return part(call, 0, items);
    if (begun < threads - 1) threads = 1 + begin((int)threads - 1);
    ptrdiff_t step = items / (threads * PARTS);
    if (step > MOST_PART / each) step = MOST_PART / each;
    if (step < LEAST_PART / each) step = LEAST_PART / each;
    if (step < 1) step = 1;
    job.part = part, job.call = call, job.step = step, job.threads = (int)threads;
    job.backwards = !job.backwards;
    share_out(items);
    atomic_store(&left_seats, 0);
    atomic_store(&result_least, 0), atomic_store(&result_most, 0);
    const int follows = !atomic_load(&helpers[0].asleep) || now() - last_end <= LONG_WAIT;
    atomic_store(&woken, follows ? job.threads - 1 : 0); /* before anyone comes who wakes others */
    atomic_store(&seats, SEAT(threads - 1) - 1);
    if (threads > 1) wake_first(items);
    take_parts(0);
    size_t empty = atomic_exchange(&seats, 0);
    int came = (int)threads - 1;
    for (; empty; empty &= empty - 1) came--;
    wait_for(came);
    const int least = atomic_load(&result_least), most = atomic_load(&result_most);
    last_end = now();
    pthread_mutex_unlock(&gate);
    return least < 0 ? least : most;
}
#endif
