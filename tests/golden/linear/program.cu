// graphc: linear
// 1 launches of 1 kernels; arena: 0 bytes

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ---- kernels ---- */

/* mul, add, sub, power_scalar, sum, mul x3, sum, mul, sum
   tests/test_golden.py:42, 82; backward of tests/test_golden.py:42 */
extern "C" __global__ void __launch_bounds__(256) mul_add_sub(const float *__restrict__ in0,
    const float *__restrict__ in1, const float *__restrict__ in2, const float *__restrict__ in3,
    float *__restrict__ out0, float *__restrict__ out1, float *__restrict__ out2)
{
    if (threadIdx.x != 0)
        return;
    float a0 = 0.0f;
    float a1 = 0.0f;
    float a2 = 0.0f;
    const float t0 = in0[0];
    const float t1 = in1[0];
    for (int r0 = 0; r0 < 8; ++r0) {
        const float t2 = in2[r0];
        const float t3 = t0 * t2 + t1 - in3[r0];
        a0 += t3 * t3;
        const float t4 = t3 * 2.0f * 0.125f;
        a1 += t4;
        a2 += t4 * t2;
    }
    out0[0] = a0 * 0.125f;
    out1[0] = a1;
    out2[0] = a2;
}
