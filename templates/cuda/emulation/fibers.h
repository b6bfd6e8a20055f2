/* Fibers: stacks of their own that one system thread goes to and fro between. */
#ifndef GRAPHC_FIBERS_H
#define GRAPHC_FIBERS_H

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define EM_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EM_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef EM_ADDRESS_SANITIZER
extern "C" void __asan_unpoison_memory_region(void const volatile *address, size_t size);
extern "C" void __asan_poison_memory_region(void const volatile *address, size_t size);
#endif

enum { EM_STACK_BYTES = 1 << 18 };

/* em_switch(&from, to): keep the place where this fiber is in `from`, and go on at `to`. */
#if defined(__x86_64__) && defined(__ELF__)
extern "C" void em_switch(void **from, void *to) __attribute__((visibility("hidden")));
asm(".text\n.p2align 4\n.hidden em_switch\n.globl em_switch\n.type em_switch,@function\n"
    "em_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n  ret\n"
    ".size em_switch,.-em_switch\n");

static inline void *em_new_fiber(unsigned char *stack, size_t bytes, void (*entry)(void))
{
    uintptr_t *top = (uintptr_t *)((uintptr_t)(stack + bytes) & ~(uintptr_t)63);
    *--top = 0; /* entry never returns; its stack is aligned as after a call */
    *--top = (uintptr_t)entry;
    for (int saved = 0; saved < 6; ++saved)
        *--top = 0;
    return top;
}
#elif defined(__aarch64__) && defined(__ELF__)
extern "C" void em_switch(void **from, void *to) __attribute__((visibility("hidden")));
asm(".text\n.p2align 4\n.hidden em_switch\n.globl em_switch\n.type em_switch,%function\n"
    "em_switch:\n"
    "  sub sp, sp, #160\n"
    "  stp x19, x20, [sp]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n  stp x25, x26, [sp, #48]\n"
    "  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
    "  mov x9, sp\n  str x9, [x0]\n  mov sp, x1\n"
    "  ldp x19, x20, [sp]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n  ldp x25, x26, [sp, #48]\n"
    "  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
    "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
    "  add sp, sp, #160\n  ret\n"
    ".size em_switch,.-em_switch\n");

static inline void *em_new_fiber(unsigned char *stack, size_t bytes, void (*entry)(void))
{
    uint64_t *top = (uint64_t *)((uintptr_t)(stack + bytes) & ~(uintptr_t)63);
    top -= 20;
    memset(top, 0, 160);
    top[11] = (uint64_t)entry; /* x30, where em_switch returns to */
    return top;
}
#else
#include <ucontext.h>

static inline void em_switch(void **from, void *to)
{
    ucontext_t here;
    *from = &here;
    swapcontext(&here, (ucontext_t *)to);
}

static inline void *em_new_fiber(unsigned char *stack, size_t bytes, void (*entry)(void))
{
    ucontext_t *fiber = (ucontext_t *)stack;
    getcontext(fiber);
    fiber->uc_stack.ss_sp = stack + sizeof(ucontext_t);
    fiber->uc_stack.ss_size = bytes - sizeof(ucontext_t);
    fiber->uc_link = NULL;
    makecontext(fiber, entry, 0);
    return fiber;
}
#endif

#endif
