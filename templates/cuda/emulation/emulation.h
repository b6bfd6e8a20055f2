/* CUDA on the CPU: with this header a text of __global__ functions compiles as C++ and runs here, so that kernels can be
   tried where there is no GPU. Every thread of a block is a fiber (fibers.h) that runs until it must wait; barriers and
   what the lanes of a warp do together are in threads.h, numbers in numbers.h, functions of numbers in functions.h,
   atomics in atomics.h, matrix fragments in fragments.h. launch.h is how a launch gets here.

   What CUDA leaves undefined and what hangs a GPU is an error with kernel, block, and thread: threads of a block at
   different barriers, a barrier that some threads never reach, a shuffle from a lane that takes no part.

   Semantics: https://docs.nvidia.com/cuda/cuda-c-programming-guide/ */
#ifndef GRAPHC_EMULATION_H
#define GRAPHC_EMULATION_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRAPHC_EMULATED 1 /* the text may ask */

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__ __restrict
#define __constant__ static
/* Blocks run one after the other, so what a block's threads share is static. */
#define __shared__ static

#include "fibers.h"
#include "threads.h"

#include "numbers.h"

#include "functions.h"

#include "atomics.h"
#include "fragments.h"
#include "launch.h"

#endif
