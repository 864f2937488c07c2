// Functions of float and double under the names that Vec uses, so that shared mathematics reads the same for all.
#pragma once
#include "common/device_math.h"
#include "common/host_device.h"

SPLATKIT_ISA_BEGIN

SPLATKIT_HD float exp2(float x) { return float_exp2(x); }
SPLATKIT_HD float log2(float x) { return float_log2(x); }
SPLATKIT_HD double exp2(double x) { return ::exp2(x); }
SPLATKIT_HD double log2(double x) { return ::log2(x); }
SPLATKIT_HD float sqrt(float x) { return ::sqrtf(x); }
SPLATKIT_HD double sqrt(double x) { return ::sqrt(x); }

SPLATKIT_HD float arctangent(float x) { return ::atanf(x); }
SPLATKIT_HD double arctangent(double x) { return ::atan(x); }

SPLATKIT_HD float min(float a, float b) { return a < b ? a : b; }
SPLATKIT_HD double min(double a, double b) { return a < b ? a : b; }
SPLATKIT_HD float max(float a, float b) { return a > b ? a : b; }
SPLATKIT_HD double max(double a, double b) { return a > b ? a : b; }
SPLATKIT_HD float abs(float a) { return max(a, -a); }
SPLATKIT_HD double abs(double a) { return max(a, -a); }
SPLATKIT_HD float reciprocal(float a) { return float_reciprocal(a); }
SPLATKIT_HD double reciprocal(double a) { return 1 / a; }
SPLATKIT_HD float select(bool mask, float yes, float no) { return mask ? yes : no; }
SPLATKIT_HD double select(bool mask, double yes, double no) { return mask ? yes : no; }

// What a comparison of two values gives: a truth value, or one a lane.
template <class V>
struct MaskOf {
  using type = bool;
  SPLATKIT_HD static bool any(bool mask) { return mask; }
};
// Is it true anywhere?
template <class V>
SPLATKIT_HD bool any(typename MaskOf<V>::type mask) {
  return MaskOf<V>::any(mask);
}

template <class Real>
SPLATKIT_HD Real clamp(Real x, Real low, Real high) {
  return min(max(x, low), high);
}

SPLATKIT_ISA_END
