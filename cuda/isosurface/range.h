// Raw parameters into the range of weights: offset + scale tanh(rate x). Real: float, double or Vec.
#pragma once
#include "common/scalar_math.h"
#include "include/splatkit_native.h"

SPLATKIT_ISA_BEGIN

// scalars: rate, scale and offset in the precision at hand.
template <class Real, class Scalar>
SPLATKIT_HD Real range_value(Real x, Scalar rate, Scalar scale, Scalar offset) {
  const Real e = exp2(x * Real(rate * Scalar(2 * 1.4426950408889634)));  // e^(2 rate x)
  return Real(offset) + Real(scale) * (Real(Scalar(1)) - Real(Scalar(2)) / (e + Real(Scalar(1))));
}

// The derivative, from the value.
template <class Real, class Scalar>
SPLATKIT_HD Real range_slope(Real value, Scalar rate, Scalar scale, Scalar offset) {
  const Real t = (value - Real(offset)) * Real(Scalar(1) / scale);
  return Real(rate * scale) * (Real(Scalar(1)) - t * t);
}

SPLATKIT_ISA_END
