/* Atomics: one thread runs at a time, so a read and a write are one. Each gives what stood there before. */
#ifndef GRAPHC_ATOMICS_H
#define GRAPHC_ATOMICS_H

template <typename T> struct em_same { typedef T type; }; /* the operand is converted, the address decides */

#define EM_ATOMIC(name, expression) \
    template <typename T> static inline T name(T *address, typename em_same<T>::type value) \
    { \
        const T old = *address; \
        *address = expression; \
        return old; \
    } \
    template <typename T> static inline T name##_block(T *address, typename em_same<T>::type value) \
    { \
        return name(address, value); \
    }

EM_ATOMIC(atomicAdd, old + value)
EM_ATOMIC(atomicSub, old - value)
EM_ATOMIC(atomicMin, value < old ? value : old)
EM_ATOMIC(atomicMax, value > old ? value : old)
EM_ATOMIC(atomicAnd, old & value)
EM_ATOMIC(atomicOr, old | value)
EM_ATOMIC(atomicXor, old ^ value)
EM_ATOMIC(atomicExch, value)
EM_ATOMIC(atomicInc, old >= value ? (T)0 : (T)(old + 1))
EM_ATOMIC(atomicDec, !old || old > value ? value : (T)(old - 1))

template <typename T>
static inline T atomicCAS(T *address, typename em_same<T>::type expected, typename em_same<T>::type value)
{
    const T old = *address;
    if (!memcmp(&old, &expected, sizeof old))
        *address = value;
    return old;
}

#endif
