// Numbers that carry their derivatives with respect to N inputs: for formulas whose derivatives by hand would be a second source of truth.
#pragma once
#include "common/host_device.h"
#include "common/scalar_math.h"

SPLATKIT_ISA_BEGIN

template <class Real, int N>
struct Dual {
  Real value;
  Real slope[N];

  SPLATKIT_HD Dual(Real constant = 0) : value(constant) {
    for (int i = 0; i < N; ++i) slope[i] = 0;
  }
  // The input of that number.
  SPLATKIT_HD static Dual input(Real value, int number) {
    Dual x(value);
    x.slope[number] = 1;
    return x;
  }
  // A function of x with the value and derivative there.
  SPLATKIT_HD static Dual chain(Real value, Real derivative, const Dual& x) {
    Dual out(value);
    for (int i = 0; i < N; ++i) out.slope[i] = derivative * x.slope[i];
    return out;
  }

  SPLATKIT_HD friend Dual operator+(const Dual& a, const Dual& b) {
    Dual out(a.value + b.value);
    for (int i = 0; i < N; ++i) out.slope[i] = a.slope[i] + b.slope[i];
    return out;
  }
  SPLATKIT_HD friend Dual operator-(const Dual& a, const Dual& b) {
    Dual out(a.value - b.value);
    for (int i = 0; i < N; ++i) out.slope[i] = a.slope[i] - b.slope[i];
    return out;
  }
  SPLATKIT_HD friend Dual operator*(const Dual& a, const Dual& b) {
    Dual out(a.value * b.value);
    for (int i = 0; i < N; ++i) out.slope[i] = a.slope[i] * b.value + a.value * b.slope[i];
    return out;
  }
};

template <class Real, int N>
SPLATKIT_HD Dual<Real, N> reciprocal(const Dual<Real, N>& a) {
  const Real inverse = Real(1) / a.value;
  return Dual<Real, N>::chain(inverse, -inverse * inverse, a);
}
template <class Real, int N>
SPLATKIT_HD Dual<Real, N> sqrt(const Dual<Real, N>& a) {
  const Real root = sqrt(a.value);
  return Dual<Real, N>::chain(root, Real(0.5) / root, a);
}
template <class Real, int N>
SPLATKIT_HD Dual<Real, N> arctangent(const Dual<Real, N>& a) {
  return Dual<Real, N>::chain(arctangent(a.value), Real(1) / (Real(1) + a.value * a.value), a);
}
// Held inside constant limits, where the derivative ends.
template <class Real, int N>
SPLATKIT_HD Dual<Real, N> clamp(const Dual<Real, N>& a, const Dual<Real, N>& low, const Dual<Real, N>& high) {
  const auto inside = (a.value >= low.value) & (a.value <= high.value);
  Dual<Real, N> out(clamp(a.value, low.value, high.value));
  for (int i = 0; i < N; ++i) out.slope[i] = select(inside, a.slope[i], Real(0));
  return out;
}

SPLATKIT_HD float value_of(float x) { return x; }
SPLATKIT_HD double value_of(double x) { return x; }
template <class Real, int N>
SPLATKIT_HD Real value_of(const Dual<Real, N>& x) {
  return x.value;
}

SPLATKIT_ISA_END
