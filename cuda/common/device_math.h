// What a GPU computes by other instructions than a CPU: hardware approximations on the device, the C library on the host.
#pragma once
#include <math.h>

#include "common/host_device.h"

SPLATKIT_ISA_BEGIN

// Device: within 2 ulp for results above 2^-126, 0 below. An alpha of that size is far under its cut-off.
SPLATKIT_HD float float_exp2(float x) {
#if defined(__CUDA_ARCH__)
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return ::exp2f(x);
#endif
}

// Device: absolute error below 2^-22 for x in [1/2, 2], 2 ulp elsewhere. As beta/2 <= 4 times it enters an exponent, the weight of a
// splat keeps a relative error below 1e-6.
SPLATKIT_HD float float_log2(float x) {
#if defined(__CUDA_ARCH__)
  return __log2f(x);
#else
  return ::log2f(x);
#endif
}

// Device: within 1 ulp; 0 for what is beyond 2^126. An exact division takes ten times as many instructions.
SPLATKIT_HD float float_reciprocal(float x) {
#if defined(__CUDA_ARCH__)
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return 1 / x;
#endif
}

SPLATKIT_ISA_END
