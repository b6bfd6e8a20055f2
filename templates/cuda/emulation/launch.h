/* How a launch gets here: graphc_emulate is given the number of a kernel in the table at the end of
   the text; the shape: grid, block, bytes of dynamic shared memory, and whether threads and blocks run backwards; the
   addresses of the arguments; and room for a message. Gives 0, or 1 where the message says what went wrong. */
#ifndef GRAPHC_LAUNCH_H
#define GRAPHC_LAUNCH_H

enum { EM_MESSAGE_BYTES = 1024 };

struct em_call {
    void (*kernel)(void);
    void *const *arguments;
};

template <int... places> struct em_places {};
template <int count, int... places> struct em_count : em_count<count - 1, count - 1, places...> {};
template <int... places> struct em_count<0, places...> { typedef em_places<places...> type; };
template <typename T> struct em_plain { typedef T type; };
template <typename T> struct em_plain<const T> { typedef T type; };

template <typename... A, int... places>
static inline void em_apply(void (*kernel)(A...), void *const *arguments, em_places<places...>)
{
    (void)arguments;
    kernel(*(typename em_plain<A>::type *)arguments[places]...);
}

template <typename K> struct em_caller;
template <typename... A> struct em_caller<void (*)(A...)> {
    static void call(const void *given)
    {
        const em_call *call = (const em_call *)given;
        em_apply((void (*)(A...))call->kernel, call->arguments, typename em_count<sizeof...(A)>::type());
    }
};

struct em_kernel {
    const char *name;
    void (*kernel)(void);
    em_body *caller;
};

#define EM_KERNEL(name) {#name, (void (*)(void))name, em_caller<decltype(&name)>::call}

static inline bool em_launch(const em_kernel &kernel, const int64_t *shape, void *const *arguments, unsigned char *message)
{
    em.message = (char *)message;
    em.message_bytes = EM_MESSAGE_BYTES;
    const int64_t threads = shape[3] * shape[4] * shape[5];
    for (int dimension = 0; dimension < 6; ++dimension)
        if (shape[dimension] < 1 || shape[dimension] > (dimension % 3 && dimension < 3 ? 65535 : 2147483647)) {
            snprintf(em.message, em.message_bytes, "kernel %s is launched with %lld in dimension %d of its %s", kernel.name,
                (long long)shape[dimension], dimension % 3, dimension < 3 ? "grid" : "blocks");
            return false;
        }
    if (threads > EM_MOST_THREADS || shape[5] > 64) {
        snprintf(em.message, em.message_bytes, "kernel %s is launched in blocks of %lld x %lld x %lld threads", kernel.name,
            (long long)shape[3], (long long)shape[4], (long long)shape[5]);
        return false;
    }
    if (shape[6] < 0 || shape[6] > EM_MOST_SHARED) {
        snprintf(em.message, em.message_bytes, "kernel %s is launched with %lld bytes of shared memory", kernel.name,
            (long long)shape[6]);
        return false;
    }
    if (!em.stacks) {
        const size_t bytes = (size_t)EM_MOST_THREADS * EM_STACK_BYTES;
        void *stacks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stacks == MAP_FAILED) {
            snprintf(em.message, em.message_bytes, "no memory for the stacks of a block's threads");
            return false;
        }
        em.stacks = (unsigned char *)stacks;
    }
#ifdef EM_ADDRESS_SANITIZER
    __asan_unpoison_memory_region(em_dynamic_shared, sizeof em_dynamic_shared);
    __asan_poison_memory_region(em_dynamic_shared + shape[6], sizeof em_dynamic_shared - (size_t)shape[6]);
#endif
    const em_call call = {kernel.kernel, arguments};
    em.kernel = kernel.name;
    em.body = kernel.caller;
    em.call = &call;
    em.count = (unsigned)threads;
    em.backwards = shape[7] != 0;
    em.failed = false;
    gridDim = dim3((unsigned)shape[0], (unsigned)shape[1], (unsigned)shape[2]);
    blockDim = dim3((unsigned)shape[3], (unsigned)shape[4], (unsigned)shape[5]);
    const uint64_t blocks = (uint64_t)shape[0] * (uint64_t)shape[1] * (uint64_t)shape[2];
    const unsigned warps = (em.count + EM_LANES - 1) / EM_LANES;
    for (uint64_t number = 0; number < blocks; ++number) {
        const uint64_t block = em.backwards ? blocks - 1 - number : number;
        blockIdx = uint3{(unsigned)(block % gridDim.x), (unsigned)(block / gridDim.x % gridDim.y),
            (unsigned)(block / gridDim.x / gridDim.y)};
        em.ended = em.arrived = 0;
        em.votes = 0;
        for (unsigned thread = 0; thread < em.count; ++thread) {
            em.threads[thread].context = NULL;
            em.threads[thread].at = NULL;
            em.threads[thread].mask = 0;
        }
        for (unsigned warp = 0; warp < warps; ++warp) {
            const unsigned rest = em.count - warp * EM_LANES;
            em.warps[warp].alive = em.warps[warp].ready = rest >= EM_LANES ? ~0u : (1u << rest) - 1;
            em.warps[warp].waiting = 0;
        }
        em.ready_warps = warps == 32 ? ~0u : (1u << warps) - 1;
        em.current = em.backwards ? em.count - 1 : 0;
        em_go(&em.main, em_choose());
        if (em.failed) {
            /* The fibers are abandoned where they stand; the next launch makes new ones in their place. */
            em.made = em.idle_count = 0;
#ifdef EM_ADDRESS_SANITIZER
            __asan_unpoison_memory_region(em.stacks, (size_t)EM_MOST_THREADS * EM_STACK_BYTES);
#endif
            return false;
        }
    }
    return true;
}

#define EM_PROGRAM(...) \
    static const em_kernel em_kernels[] = {__VA_ARGS__}; \
    extern "C" int64_t graphc_emulate( \
        int64_t kernel, const int64_t *shape, void *const *arguments, unsigned char *message) \
    { \
        return !em_launch(em_kernels[kernel], shape, arguments, message); \
    }

#endif
