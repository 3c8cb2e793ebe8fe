#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L /* signals of threads */
#endif
#include "spread.h"

static _Thread_local int allowed = 1;

int allow_threads(int threads)
{
    const int before = allowed;
    allowed = threads < 1 ? 1 : threads;
    return before;
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

#define MOST 64                /* threads */
#define LEAST (512 << 10)      /* bytes that a thread is to have */
#define LEAST_PART (64 << 10)  /* bytes that are taken at a time */
#define PARTS 4                /* for each thread, so that none waits long for another */
#define SPINS 2000             /* looks for more to do before a thread sleeps: some 50 microseconds */

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
    ptrdiff_t items, step;
} job;
static atomic_ptrdiff_t next_item;
static atomic_int seats, left_seats, result_least, result_most;
static atomic_uint round_of_work;
static atomic_int sleepers;
static int begun; /* threads, changed by who holds the gate */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* who spreads; others work alone */
static pthread_mutex_t bed = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bell = PTHREAD_COND_INITIALIZER;

static void note(int found)
{
    int seen = atomic_load(&result_least);
    while (found < seen && !atomic_compare_exchange_weak(&result_least, &seen, found)) {}
    seen = atomic_load(&result_most);
    while (found > seen && !atomic_compare_exchange_weak(&result_most, &seen, found)) {}
}

static void take_parts(void)
{
    for (;;) {
        const ptrdiff_t first = atomic_fetch_add(&next_item, job.step);
        if (first >= job.items) return;
        const ptrdiff_t rest = job.items - first;
        note(job.part(job.call, first, rest < job.step ? rest : job.step));
    }
}

static int take_seat(void)
{
    int free = atomic_load(&seats);
    while (free > 0)
        if (atomic_compare_exchange_weak(&seats, &free, free - 1)) return 1;
    return 0;
}

static void *live(void *unused)
{
    unsigned seen = 0;
    for (;;) {
        if (take_seat()) {
            take_parts();
            atomic_fetch_add(&left_seats, 1);
        }
        seen = atomic_load(&round_of_work);
        if (atomic_load(&seats) > 0) continue;
        for (int spin = 0; spin < SPINS && atomic_load(&round_of_work) == seen; spin++) PAUSE();
        if (atomic_load(&round_of_work) != seen) continue;
        pthread_mutex_lock(&bed);
        atomic_fetch_add(&sleepers, 1);
        while (atomic_load(&round_of_work) == seen) pthread_cond_wait(&bell, &bed);
        atomic_fetch_sub(&sleepers, 1);
        pthread_mutex_unlock(&bed);
    }
    return unused;
}

/* A process that is forked has none of the threads. */
static void forget(void)
{
    begun = 0;
    atomic_store(&sleepers, 0), atomic_store(&seats, 0);
    pthread_mutex_init(&gate, NULL), pthread_mutex_init(&bed, NULL);
    pthread_cond_init(&bell, NULL);
}

/* Begin threads until there are so many, and return how many there are. Signals are for others. */
static int begin(int threads)
{
    static int watched;
    if (!watched) watched = pthread_atfork(NULL, NULL, forget) == 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (watched && begun < threads) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, live, NULL) != 0) break;
        pthread_detach(thread);
        begun++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return begun < threads ? begun : threads;
}

int spread(part_of_call part, const void *call, ptrdiff_t items, ptrdiff_t bytes)
{
    const ptrdiff_t each = bytes > 0 ? bytes : 1;
    const ptrdiff_t some = LEAST / each + 1; /* items of one thread, at least */
    ptrdiff_t threads = items / some;
    if (threads > allowed) threads = allowed;
    if (threads > MOST) threads = MOST;
    if (threads < 2 || pthread_mutex_trylock(&gate) != 0) return part(call, 0, items);
    const int helpers = begin((int)threads - 1);
    ptrdiff_t step = items / (threads * PARTS);
    if (step < LEAST_PART / each) step = LEAST_PART / each;
    if (step < 1) step = 1;
    job.part = part, job.call = call, job.items = items, job.step = step;
    atomic_store(&next_item, 0);
    atomic_store(&left_seats, 0);
    atomic_store(&result_least, 0), atomic_store(&result_most, 0);
    atomic_store(&seats, helpers);
    atomic_fetch_add(&round_of_work, 1);
    if (atomic_load(&sleepers) > 0) {
        pthread_mutex_lock(&bed);
        pthread_cond_broadcast(&bell);
        pthread_mutex_unlock(&bed);
    }
    take_parts();
    const int came = helpers - atomic_exchange(&seats, 0);
    for (int spin = 0; atomic_load(&left_seats) < came; spin++)
        if (spin < SPINS)
            PAUSE();
        else
            sched_yield();
    const int least = atomic_load(&result_least), most = atomic_load(&result_most);
    pthread_mutex_unlock(&gate);
    return least < 0 ? least : most;
}
#endif
