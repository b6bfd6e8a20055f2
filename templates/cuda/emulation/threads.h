/* The threads of a block: who runs, who waits at what, and what they give each other when all have come. */
#ifndef GRAPHC_THREADS_H
#define GRAPHC_THREADS_H

enum { EM_MOST_THREADS = 1024, EM_LANES = 32, EM_MOST_WARPS = EM_MOST_THREADS / EM_LANES, EM_MOST_SHARED = 233472 };

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
};

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = EM_LANES;

/* ---- who runs ---- */

/* What a thread is at, and between the lanes of a warp what it brings and what it gets. */
struct em_thread {
    void *context; /* where it goes on; null before its first instruction */
    const char *at;
    int line;
    unsigned mask;
    int source;
    uint64_t given[2], got[2];
};

struct em_warp {
    unsigned alive;   /* lanes that have not ended */
    unsigned ready;   /* lanes that may run */
    unsigned waiting; /* lanes that wait for others of the warp */
};

typedef void em_body(const void *call);

static struct {
    const char *kernel;
    em_body *body;
    const void *call;
    unsigned count, ended;
    bool backwards; /* of threads that may run the last is chosen, not the first */
    em_thread threads[EM_MOST_THREADS];
    em_warp warps[EM_MOST_WARPS];
    unsigned ready_warps;
    unsigned current;
    /* the barrier of the block */
    unsigned arrived;
    int64_t votes, result;
    /* fibers */
    void *main;
    unsigned char *stacks;
    unsigned made, idle_count;
    void *idle[EM_MOST_THREADS];
    bool failed;
    char *message;
    size_t message_bytes;
} em;

/* Dynamic shared memory: a declaration `extern __shared__ T name[]` becomes a name of it. */
alignas(1024) static unsigned char em_dynamic_shared[EM_MOST_SHARED];

static inline uint3 em_place(unsigned thread)
{
    return uint3{thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / blockDim.x / blockDim.y};
}

static inline int em_told(char *text, size_t bytes, unsigned thread)
{
    const uint3 place = em_place(thread);
    const em_thread &t = em.threads[thread];
    int length = snprintf(text, bytes, "thread (%u, %u, %u) ", place.x, place.y, place.z);
    if (t.at)
        length += snprintf(text + length, bytes - length, "waits at %s of line %d", t.at, t.line);
    else
        length += snprintf(text + length, bytes - length, "has ended");
    return length;
}

/* End the launch with a message. Comes back from nowhere: all fibers are abandoned. */
__attribute__((noinline, unused)) static void em_fail(const char *what, const char *more)
{
    snprintf(em.message, em.message_bytes, "%s in kernel %s, block (%u, %u, %u): %s", what, em.kernel, blockIdx.x,
        blockIdx.y, blockIdx.z, more);
    em.failed = true;
    void *abandoned;
    em_switch(&abandoned, em.main);
}

static inline void em_fail_at(const char *what, unsigned thread, const char *more)
{
    char text[300];
    const uint3 place = em_place(thread);
    snprintf(text, sizeof text, "thread (%u, %u, %u) %s", place.x, place.y, place.z, more);
    em_fail(what, text);
}

static inline void em_make_ready(unsigned thread)
{
    em.warps[thread / EM_LANES].ready |= 1u << thread % EM_LANES;
    em.ready_warps |= 1u << thread / EM_LANES;
}

static inline unsigned em_first(unsigned mask)
{
    return em.backwards ? 31u - (unsigned)__builtin_clz(mask) : (unsigned)__builtin_ctz(mask);
}

/* No thread can go on: tell one that waits, and one that is elsewhere. */
static inline void em_stuck(void)
{
    unsigned first = 0;
    while (!em.threads[first].at)
        ++first;
    unsigned other = 0;
    const em_thread &waits = em.threads[first];
    while (other < em.count && em.threads[other].at && em.threads[other].line == waits.line
        && !strcmp(em.threads[other].at, waits.at) && em.threads[other].mask == waits.mask)
        ++other;
    char text[300];
    int length = em_told(text, sizeof text, first);
    if (other < em.count) {
        length += snprintf(text + length, sizeof text - length, ", ");
        length += em_told(text + length, sizeof text - length, other);
    }
    if (waits.mask && other < em.count && em.threads[other].mask && em.threads[other].mask != waits.mask)
        snprintf(text + length, sizeof text - length, "; their masks are %#x and %#x", waits.mask,
            em.threads[other].mask);
    em_fail(em.arrived ? "divergent barrier" : "divergent warp", text);
}

/* The thread that runs next; it is not ready any more. */
static inline unsigned em_choose(void)
{
    unsigned warp = em.current / EM_LANES;
    if (!em.warps[warp].ready) {
        if (!em.ready_warps)
            em_stuck();
        warp = em_first(em.ready_warps);
    }
    em_warp &w = em.warps[warp];
    const unsigned lane = em_first(w.ready);
    w.ready &= ~(1u << lane);
    if (!w.ready)
        em.ready_warps &= ~(1u << warp);
    return warp * EM_LANES + lane;
}

static inline void em_enter(unsigned thread)
{
    em.current = thread;
    threadIdx = em_place(thread);
}

static inline void em_fiber_main(void);

/* Go from a fiber whose place is kept in `from` to a thread. */
static inline void em_go(void **from, unsigned thread)
{
    void *to = em.threads[thread].context;
    em_enter(thread);
    if (!to) {
        if (em.idle_count)
            to = em.idle[--em.idle_count];
        else {
            const unsigned number = em.made++;
            /* Begun at other cache lines, so that the stacks do not all fall on one set of the cache. */
            const size_t bytes = EM_STACK_BYTES - number * 320u % 16384u;
            to = em_new_fiber(em.stacks + (size_t)number * EM_STACK_BYTES, bytes, em_fiber_main);
        }
    }
    em_switch(from, to);
}

/* The current thread waits; returns when it may go on. */
__attribute__((noinline, unused)) static void em_wait(void)
{
    const unsigned me = em.current;
    const unsigned next = em_choose();
    if (next == me) /* made ready meanwhile, by itself */
        return;
    em_go(&em.threads[me].context, next);
}

static inline void em_check_warp(unsigned warp);

/* A fiber runs threads one after the other, for as long as they do not wait. */
static inline void em_fiber_main(void)
{
    for (;;) {
        const unsigned me = em.current;
        em.body(em.call);
        em_thread &t = em.threads[me];
        t.at = NULL;
        const unsigned warp = me / EM_LANES;
        em.warps[warp].alive &= ~(1u << me % EM_LANES);
        if (em.warps[warp].waiting)
            em_check_warp(warp);
        void **place = &em.idle[em.idle_count];
        if (++em.ended == em.count) {
            ++em.idle_count;
            em_switch(place, em.main);
            continue; /* a thread of another block, which em_go has entered */
        }
        const unsigned next = em_choose();
        if (!em.threads[next].context) {
            em_enter(next);
            continue;
        }
        ++em.idle_count;
        em_go(place, next);
    }
}

/* ---- the barrier of a block ---- */

static inline int64_t em_barrier(const char *at, int line, int64_t vote)
{
    em_thread &me = em.threads[em.current];
    me.at = at;
    me.line = line;
    me.mask = 0;
    em.votes += vote;
    if (++em.arrived < em.count) {
        em_wait();
    } else {
        for (unsigned thread = 0; thread < em.count; ++thread) {
            if (em.threads[thread].line != line || strcmp(em.threads[thread].at, at))
                em_stuck();
            if (thread != em.current)
                em_make_ready(thread);
        }
        em.result = em.votes;
        em.votes = 0;
        em.arrived = 0;
    }
    return em.result;
}

#define __syncthreads() ((void)em_barrier("__syncthreads", __LINE__, 0))
#define __syncthreads_count(predicate) ((int)em_barrier("__syncthreads_count", __LINE__, !!(predicate)))
#define __syncthreads_or(predicate) (em_barrier("__syncthreads_or", __LINE__, !!(predicate)) != 0)
#define __syncthreads_and(predicate) (em_barrier("__syncthreads_and", __LINE__, !(predicate)) == 0)
#define __threadfence() ((void)0)
#define __threadfence_block() ((void)0)
#define __threadfence_system() ((void)0)
#define __nanosleep(nanoseconds) ((void)(nanoseconds))

/* ---- what lanes of a warp do together ---- */

/* What happens once all `members` of a group of lanes have come: each is given what it gets. */
typedef void em_exchange(unsigned warp, unsigned members);

static em_exchange *em_exchanges[EM_MOST_WARPS][EM_LANES];

/* Whether all members of a lane's mask have come; then they get what they came for, and may run. */
static inline bool em_meet(unsigned warp, unsigned lane)
{
    em_warp &w = em.warps[warp];
    const em_thread *threads = em.threads + warp * EM_LANES;
    const em_thread &first = threads[lane];
    const unsigned members = first.mask & w.alive;
    if ((w.waiting & members) != members)
        return false;
    for (unsigned rest = members; rest; rest &= rest - 1) {
        const em_thread &other = threads[__builtin_ctz(rest)];
        if (other.mask != first.mask)
            return false;
        if (other.line != first.line || strcmp(other.at, first.at)) {
            char text[300];
            int length = em_told(text, sizeof text, warp * EM_LANES + lane);
            length += snprintf(text + length, sizeof text - length, ", ");
            em_told(text + length, sizeof text - length, warp * EM_LANES + (unsigned)__builtin_ctz(rest));
            em_fail("divergent warp", text);
        }
    }
    em_exchanges[warp][lane](warp, members);
    w.waiting &= ~members;
    w.ready |= members;
    em.ready_warps |= 1u << warp;
    return true;
}

/* A lane has ended: others may have waited for it alone. */
static inline void em_check_warp(unsigned warp)
{
    for (unsigned rest = em.warps[warp].waiting; rest; rest &= (rest - 1) & em.warps[warp].waiting)
        em_meet(warp, (unsigned)__builtin_ctz(rest));
}

__attribute__((noinline, unused)) static void em_together(const char *at, int line, unsigned mask, em_exchange *exchange)
{
    const unsigned warp = em.current / EM_LANES, lane = em.current % EM_LANES;
    em_thread &me = em.threads[em.current];
    me.at = at;
    me.line = line;
    me.mask = mask;
    if (!(mask >> lane & 1))
        em_fail_at("a lane that is not in its mask", em.current, at);
    em_exchanges[warp][lane] = exchange;
    em.warps[warp].waiting |= 1u << lane;
    if (em_meet(warp, lane)) {
        em.warps[warp].ready &= ~(1u << lane);
        if (!em.warps[warp].ready)
            em.ready_warps &= ~(1u << warp);
        return;
    }
    em_wait();
}

static inline void em_exchange_nothing(unsigned, unsigned) {}

/* Each lane gets what its source brought. */
static inline void em_exchange_values(unsigned warp, unsigned members)
{
    em_thread *threads = em.threads + warp * EM_LANES;
    for (unsigned rest = members; rest; rest &= rest - 1) {
        em_thread &to = threads[__builtin_ctz(rest)];
        if (!(members >> to.source & 1)) {
            char text[200];
            snprintf(text, sizeof text, "reads lane %d, which takes no part in %s of line %d", to.source, to.at,
                to.line);
            em_fail_at("shuffle from an inactive lane", warp * EM_LANES + (unsigned)__builtin_ctz(rest), text);
        }
        to.got[0] = threads[to.source].given[0];
        to.got[1] = threads[to.source].given[1];
    }
}

static inline void em_exchange_votes(unsigned warp, unsigned members)
{
    em_thread *threads = em.threads + warp * EM_LANES;
    uint64_t votes = 0;
    for (unsigned rest = members; rest; rest &= rest - 1)
        votes |= threads[__builtin_ctz(rest)].given[0] << __builtin_ctz(rest);
    for (unsigned rest = members; rest; rest &= rest - 1)
        threads[__builtin_ctz(rest)].got[0] = votes;
}

static inline void em_exchange_matches(unsigned warp, unsigned members)
{
    em_thread *threads = em.threads + warp * EM_LANES;
    for (unsigned rest = members; rest; rest &= rest - 1) {
        em_thread &to = threads[__builtin_ctz(rest)];
        to.got[0] = 0;
        for (unsigned others = members; others; others &= others - 1)
            if (threads[__builtin_ctz(others)].given[0] == to.given[0])
                to.got[0] |= 1u << __builtin_ctz(others);
    }
}

template <typename T> static inline T em_shuffle(const char *at, int line, unsigned mask, T value, int source)
{
    static_assert(sizeof(T) <= 16, "shuffles move at most 16 bytes");
    em_thread &me = em.threads[em.current];
    memcpy(me.given, &value, sizeof value);
    me.source = source;
    em_together(at, line, mask, em_exchange_values);
    memcpy(&value, me.got, sizeof value);
    return value;
}

static inline int em_lane(void) { return (int)(em.current % EM_LANES); }

static inline int em_in_part(int lane, int source, int width) { return (lane & ~(width - 1)) | (source & (width - 1)); }

template <typename T> static inline T em_shuffle_index(int line, unsigned mask, T value, int source, int width = 32)
{
    return em_shuffle("__shfl_sync", line, mask, value, em_in_part(em_lane(), source, width));
}

template <typename T> static inline T em_shuffle_up(int line, unsigned mask, T value, unsigned by, int width = 32)
{
    const int lane = em_lane(), source = lane - (int)by;
    return em_shuffle("__shfl_up_sync", line, mask, value, source < (lane & ~(width - 1)) ? lane : source);
}

template <typename T> static inline T em_shuffle_down(int line, unsigned mask, T value, unsigned by, int width = 32)
{
    const int lane = em_lane(), source = lane + (int)by;
    return em_shuffle("__shfl_down_sync", line, mask, value, source > (lane | (width - 1)) ? lane : source);
}

template <typename T> static inline T em_shuffle_xor(int line, unsigned mask, T value, int by, int width = 32)
{
    const int lane = em_lane(), source = lane ^ by;
    return em_shuffle("__shfl_xor_sync", line, mask, value, source > (lane | (width - 1)) ? lane : source);
}

#define __shfl_sync(...) em_shuffle_index(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) em_shuffle_up(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) em_shuffle_down(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) em_shuffle_xor(__LINE__, __VA_ARGS__)

static inline unsigned em_vote(const char *at, int line, unsigned mask, uint64_t vote, em_exchange *exchange)
{
    em_thread &me = em.threads[em.current];
    me.given[0] = vote;
    em_together(at, line, mask, exchange);
    return (unsigned)me.got[0];
}

template <typename T> static inline uint64_t em_bits_of(T value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return bits;
}

static inline unsigned em_alive(void) { return em.warps[em.current / EM_LANES].alive; }

static inline void em_sync_warp(int line, unsigned mask = 0xffffffffu)
{
    em_together("__syncwarp", line, mask, em_exchange_nothing);
}

#define __syncwarp(...) em_sync_warp(__LINE__ __VA_OPT__(, ) __VA_ARGS__)
#define __ballot_sync(mask, vote) em_vote("__ballot_sync", __LINE__, mask, !!(vote), em_exchange_votes)
#define __any_sync(mask, vote) (em_vote("__any_sync", __LINE__, mask, !!(vote), em_exchange_votes) != 0)
#define __all_sync(mask, vote) (em_vote("__all_sync", __LINE__, mask, !(vote), em_exchange_votes) == 0)
#define __match_any_sync(mask, value) \
    em_vote("__match_any_sync", __LINE__, mask, em_bits_of(value), em_exchange_matches)
#define __activemask() em_alive()

/* A value of every member, combined by a function that each of them is given. */
template <typename T, typename F> static T em_reduce(const char *at, int line, unsigned mask, T value, F combine)
{
    em_thread &me = em.threads[em.current];
    me.given[0] = em_bits_of(value);
    em_together(at, line, mask, [](unsigned warp, unsigned members) {
        em_thread *threads = em.threads + warp * EM_LANES;
        T total;
        memcpy(&total, threads[__builtin_ctz(members)].given, sizeof total);
        for (unsigned rest = members & (members - 1); rest; rest &= rest - 1) {
            T next;
            memcpy(&next, threads[__builtin_ctz(rest)].given, sizeof next);
            total = F{}(total, next);
        }
        for (unsigned rest = members; rest; rest &= rest - 1)
            memcpy(threads[__builtin_ctz(rest)].got, &total, sizeof total);
    });
    (void)combine;
    memcpy(&value, me.got, sizeof value);
    return value;
}

struct em_add { template <typename T> T operator()(T a, T b) const { return (T)(a + b); } };
struct em_least { template <typename T> T operator()(T a, T b) const { return a < b ? a : b; } };
struct em_most { template <typename T> T operator()(T a, T b) const { return a > b ? a : b; } };
struct em_and { template <typename T> T operator()(T a, T b) const { return a & b; } };
struct em_or { template <typename T> T operator()(T a, T b) const { return a | b; } };
struct em_xor { template <typename T> T operator()(T a, T b) const { return a ^ b; } };

#define __reduce_add_sync(mask, value) em_reduce("__reduce_add_sync", __LINE__, mask, value, em_add{})
#define __reduce_min_sync(mask, value) em_reduce("__reduce_min_sync", __LINE__, mask, value, em_least{})
#define __reduce_max_sync(mask, value) em_reduce("__reduce_max_sync", __LINE__, mask, value, em_most{})
#define __reduce_and_sync(mask, value) em_reduce("__reduce_and_sync", __LINE__, mask, value, em_and{})
#define __reduce_or_sync(mask, value) em_reduce("__reduce_or_sync", __LINE__, mask, value, em_or{})
#define __reduce_xor_sync(mask, value) em_reduce("__reduce_xor_sync", __LINE__, mask, value, em_xor{})

#endif
