// exp2, log2 and sqrt for float and double under the names that Vec uses, so that shared mathematics reads the same for all.
#pragma once
#include "common/host_device.h"

SPLATKIT_ISA_BEGIN

SPLATKIT_HD float exp2(float x) { return __builtin_exp2f(x); }
SPLATKIT_HD double exp2(double x) { return __builtin_exp2(x); }
SPLATKIT_HD float log2(float x) { return __builtin_log2f(x); }
SPLATKIT_HD double log2(double x) { return __builtin_log2(x); }
SPLATKIT_HD float sqrt(float x) { return __builtin_sqrtf(x); }
SPLATKIT_HD double sqrt(double x) { return __builtin_sqrt(x); }
template <class Real>
SPLATKIT_HD Real clamp(Real x, Real low, Real high) {
  return x < low ? low : (x > high ? high : x);
}

SPLATKIT_ISA_END
