"""The small C library that lets numpy's OpenBLAS and compiled programs share one team of threads."""

SOURCE = r"""/* Lets OpenBLAS run its jobs on the threads of OpenMP instead of its own.
 *
 * OpenBLAS built with pthreads keeps threads that spin for a while after each job. A parallel region of OpenMP that
 * starts meanwhile finds its cores taken. OpenBLAS offers a hook to run its jobs elsewhere (driver/others/
 * blas_server_callback.c there); with it installed its own threads stay asleep.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <omp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*job_function)(int slot, void *job, int buffer);
typedef void (*run_jobs)(int wait, job_function function, int jobs, size_t size, void *job, int buffer);
typedef void (*set_run_jobs)(run_jobs run);

enum { NOTHING_TO_DO = 0, SHARES_THREADS = 1, ONE_THREAD = 2 };
enum { OPENBLAS_PTHREADS = 1 };
enum { MOST_LIBRARIES = 8 };

static set_run_jobs adopted[MOST_LIBRARIES];
static int adopted_count;
/* OpenBLAS has one slot, with a work buffer, for each thread number, so two callers must not run jobs at once. */
static pthread_mutex_t one_caller = PTHREAD_MUTEX_INITIALIZER;
/* Its LU factorization starts jobs on its own threads past the hook, and those use the slots from 0 on; a slot used
 * twice loses a job, and the caller waits for ever. So jobs of the hook take the slots from the last one down. */
static int last_slot;

struct task {
    job_function function;
    int slot;
    void *job;
    int buffer;
};

static void *run_task(void *argument) {
    struct task *task = argument;
    task->function(task->slot, task->job, task->buffer);
    return NULL;
}

/* The jobs of one matrix product wait for each other, so each needs a thread of its own, come what may. */
static void run_on_new_threads(job_function function, int jobs, size_t size, char *job, int buffer) {
    struct task tasks[jobs];
    pthread_t threads[jobs];
    for (int i = 0; i < jobs; i++) {
        tasks[i] = (struct task){function, last_slot - i, job + (size_t)i * size, buffer};
        if (i > 0 && pthread_create(&threads[i], NULL, run_task, &tasks[i]) != 0) {
            fputs("graphc: no thread could be started for OpenBLAS\n", stderr);
            abort();
        }
    }
    run_task(&tasks[0]);
    for (int i = 1; i < jobs; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void run_on_team(int wait, job_function function, int jobs, size_t size, void *job, int buffer) {
    (void)wait;
    pthread_mutex_lock(&one_caller);
    if (jobs == 1) {
        function(last_slot, job, buffer);
    } else if (omp_in_parallel() || omp_get_dynamic() || omp_get_thread_limit() < jobs) {
        run_on_new_threads(function, jobs, size, job, buffer);
    } else {
#pragma omp parallel num_threads(jobs)
        {
            int thread = omp_get_thread_num();
            function(last_slot - thread, (char *)job + (size_t)thread * size, buffer);
        }
    }
    pthread_mutex_unlock(&one_caller);
}

/* A forked child has no team: OpenMP would wait for threads that were not copied. OpenBLAS starts its own anew. */
static void in_forked_child(void) {
    pthread_mutex_init(&one_caller, NULL);
    for (int i = 0; i < adopted_count; i++) {
        adopted[i](NULL);
    }
    adopted_count = 0;
}

static void *find(void *library, const char *name) {
    static const char *const prefixes[] = {"scipy_openblas_", "openblas_"};
    static const char *const suffixes[] = {"64_", "", "_64"};
    char full[128];
    for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
        for (size_t s = 0; s < sizeof suffixes / sizeof *suffixes; s++) {
            snprintf(full, sizeof full, "%s%s%s", prefixes[p], name, suffixes[s]);
            void *symbol = dlsym(library, full);
            if (symbol != NULL) {
                return symbol;
            }
        }
    }
    return NULL;
}

/* The number of slots, which a library says among other things about itself: "... MAX_THREADS=64". */
static int slot_count(void *library) {
    const char *(*get_config)(void);
    void *symbol = find(library, "get_config");
    memcpy(&get_config, &symbol, sizeof symbol);
    const char *count = symbol == NULL ? NULL : strstr(get_config(), "MAX_THREADS=");
    return count == NULL ? 0 : atoi(count + strlen("MAX_THREADS="));
}

int graphc_adopt_blas(const char *path);

int graphc_adopt_blas(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (library == NULL) {
        return NOTHING_TO_DO;
    }
    /* A pointer to a function out of a void pointer: POSIX promises that it works, ISO C only allows the copy. */
    int (*get_parallel)(void);
    int (*get_threads)(void);
    void (*set_threads)(int);
    set_run_jobs set_callback;
    void *parallel = find(library, "get_parallel");
    void *threads = find(library, "get_num_threads");
    void *set = find(library, "set_num_threads");
    void *callback = find(library, "set_threads_callback_function");
    memcpy(&get_parallel, &parallel, sizeof parallel);
    memcpy(&get_threads, &threads, sizeof threads);
    memcpy(&set_threads, &set, sizeof set);
    memcpy(&set_callback, &callback, sizeof callback);
    if (parallel == NULL || threads == NULL || set == NULL || get_parallel() != OPENBLAS_PTHREADS) {
        return NOTHING_TO_DO;
    }
    int slots = slot_count(library);
    if (callback == NULL || slots < 4 || adopted_count == MOST_LIBRARIES) {
        set_threads(1);
        return ONE_THREAD;
    }
    if (get_threads() > slots / 2) {
        set_threads(slots / 2);
    }
    if (adopted_count == 0) {
        pthread_atfork(NULL, NULL, in_forked_child);
        last_slot = slots - 1;
    } else if (slots - 1 < last_slot) {
        last_slot = slots - 1;
    }
    adopted[adopted_count++] = set_callback;
    set_callback(run_on_team);
    return SHARES_THREADS;
}
"""
