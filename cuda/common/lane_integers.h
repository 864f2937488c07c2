// Integers beside real numbers: the names that lattice code uses, for scalars here, for Vec in simd_integers.h.
#pragma once
#include <cstdint>
#include <type_traits>

#include "common/host_device.h"

SPLATKIT_ISA_BEGIN

// Unsigned integers of as many lanes as Real has.
template <class Real>
struct LaneIndexOf {
  using type = uint32_t;
};
template <class Real>
using LaneIndex = typename LaneIndexOf<Real>::type;

template <class Index, bool Scalar = std::is_integral<Index>::value>
struct SignedOfIndex {
  using type = int32_t;
};
template <class Index>
using SignedOf = typename SignedOfIndex<Index>::type;

template <class Mask, class T>
SPLATKIT_HD T choose(Mask mask, T yes, T no) {
  return mask ? yes : no;
}

// Exchanges a and b where the mask is set.
template <class Mask, class T>
SPLATKIT_HD void swap_where(Mask mask, T& a, T& b) {
  const T high = choose(mask, b, a);
  b = choose(mask, a, b);
  a = high;
}

// Toward zero, of numbers in [0, 2^31).
SPLATKIT_HD uint32_t truncated(float x) { return static_cast<uint32_t>(static_cast<int32_t>(x)); }
SPLATKIT_HD uint32_t truncated(double x) { return static_cast<uint32_t>(static_cast<int32_t>(x)); }

// The number of an integer below 2^31.
template <class Real>
struct RealOf {
  static SPLATKIT_HD Real of(LaneIndex<Real> index) { return static_cast<Real>(static_cast<int32_t>(index)); }
};
template <class Real>
SPLATKIT_HD Real real_of(LaneIndex<Real> index) {
  return RealOf<Real>::of(index);
}

// a * b, rounded before anything is added to it: a compiler must not fuse it with an addition.
SPLATKIT_HD float rounded_product(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  volatile float product = a * b;
  return product;
#endif
}
SPLATKIT_HD double rounded_product(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  volatile double product = a * b;
  return product;
#endif
}

SPLATKIT_ISA_END
