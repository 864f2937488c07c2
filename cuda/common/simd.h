// Vec<T, N>: N values side by side, by the compiler's vector extensions. The mathematics in the shared headers is written for float,
// double and Vec alike; N is chosen per instruction set so that one Vec is one register.
// Only operations that the kernels use are here. Comparison masks are integer vectors: all bits set means true.
#pragma once
#include <cstdint>
#include <cstring>

#include "common/host_device.h"

SPLATKIT_ISA_BEGIN

template <class T>
struct LaneInt;
template <>
struct LaneInt<float> {
  using type = int32_t;
};
template <>
struct LaneInt<double> {
  using type = int64_t;
};

template <class T, int N>
struct VecTypes {
  typedef T values __attribute__((vector_size(sizeof(T) * N)));
  typedef typename LaneInt<T>::type mask __attribute__((vector_size(sizeof(T) * N)));
};

template <class T, int N>
struct Vec {
  using Lane = T;
  using Int = typename LaneInt<T>::type;
  using Values = typename VecTypes<T, N>::values;
  using Mask = typename VecTypes<T, N>::mask;
  static constexpr int kLanes = N;
  Values v;

  SPLATKIT_HD Vec() {}
  SPLATKIT_HD Vec(Values values) : v(values) {}
  SPLATKIT_HD Vec(T value) : v(value - Values{}) {}

  SPLATKIT_HD friend Vec operator+(Vec a, Vec b) { return a.v + b.v; }
  SPLATKIT_HD friend Vec operator-(Vec a, Vec b) { return a.v - b.v; }
  SPLATKIT_HD friend Vec operator*(Vec a, Vec b) { return a.v * b.v; }
  SPLATKIT_HD friend Vec operator/(Vec a, Vec b) { return a.v / b.v; }
  SPLATKIT_HD friend Vec operator-(Vec a) { return -a.v; }
  SPLATKIT_HD Vec& operator+=(Vec b) {
    v += b.v;
    return *this;
  }
  SPLATKIT_HD friend Mask operator<(Vec a, Vec b) { return a.v < b.v; }
  SPLATKIT_HD friend Mask operator>(Vec a, Vec b) { return a.v > b.v; }
  SPLATKIT_HD friend Mask operator<=(Vec a, Vec b) { return a.v <= b.v; }
  SPLATKIT_HD friend Mask operator>=(Vec a, Vec b) { return a.v >= b.v; }
};

template <class V>
SPLATKIT_HD V load(const typename V::Lane* from) {
  V out;
  std::memcpy(&out.v, from, sizeof(out.v));
  return out;
}
template <class V>
SPLATKIT_HD void store(typename V::Lane* to, V value) {
  std::memcpy(to, &value.v, sizeof(value.v));
}

template <class T, int N>
SPLATKIT_HD Vec<T, N> select(typename Vec<T, N>::Mask mask, Vec<T, N> yes, Vec<T, N> no) {
  return Vec<T, N>(mask ? yes.v : no.v);
}
template <class T, int N>
SPLATKIT_HD Vec<T, N> min(Vec<T, N> a, Vec<T, N> b) {
  return Vec<T, N>(a.v < b.v ? a.v : b.v);
}
template <class T, int N>
SPLATKIT_HD Vec<T, N> max(Vec<T, N> a, Vec<T, N> b) {
  return Vec<T, N>(a.v > b.v ? a.v : b.v);
}
template <class T, int N>
SPLATKIT_HD Vec<T, N> abs(Vec<T, N> a) {
  return max(a, -a);
}

// Adds neighbours pairwise, halving the width each time: the order is fixed, so sums have the same bits in every run.
template <class T, int N>
SPLATKIT_HD T sum(Vec<T, N> a) {
  if constexpr (N == 1) {
    return a.v[0];
  } else {
    Vec<T, N / 2> low, high;
    std::memcpy(&low.v, &a.v, sizeof(low.v));
    std::memcpy(&high.v, reinterpret_cast<const char*>(&a.v) + sizeof(low.v), sizeof(high.v));
    return sum(low + high);
  }
}

template <class T, int N>
SPLATKIT_HD bool any_bits(typename Vec<T, N>::Mask mask) {
  uint64_t words[sizeof(mask) / 8 > 0 ? sizeof(mask) / 8 : 1] = {0};
  std::memcpy(words, &mask, sizeof(mask));
  uint64_t all = 0;
  for (uint64_t word : words) all |= word;
  return all != 0;
}
template <class V>
SPLATKIT_HD bool any(typename V::Mask mask) {
  return any_bits<typename V::Lane, V::kLanes>(mask);
}

// 2^x for floats, relative error below 2e-7 for x in [-126, 126]; smaller x give 2^-126. x = i + r with r in [-1/2, 1/2], and a
// degree-6 polynomial (Chebyshev fit of 2^r that is exact at r = 0).
template <int N>
SPLATKIT_HD Vec<float, N> exp2(Vec<float, N> x) {
  using V = Vec<float, N>;
  x = min(max(x, V(-126.f)), V(126.f));
  const V shifted = x + V(12582912.f);  // 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits
  const V whole = shifted - V(12582912.f);
  const V r = x - whole;
  V p = V(1.5403530393381609e-4f);
  p = p * r + V(1.3333558146428443e-3f);
  p = p * r + V(9.6181291076284772e-3f);
  p = p * r + V(5.5504108664821580e-2f);
  p = p * r + V(2.4022650695910071e-1f);
  p = p * r + V(6.9314718055994531e-1f);
  p = p * r + V(1.f);
  typename V::Mask exponent, bits;
  std::memcpy(&exponent, &shifted.v, sizeof(exponent));
  std::memcpy(&bits, &p.v, sizeof(bits));
  bits += exponent << 23;
  std::memcpy(&p.v, &bits, sizeof(bits));
  return p;
}

// log2(x) for normal positive floats, absolute error of the fraction below 1e-7. x = 2^e * m with m in [2/3, 4/3);
// log2(m) / (m - 1) by a degree-8 polynomial in m - 1 (Chebyshev fit on [-1/3, 1/3]): no division.
template <int N>
SPLATKIT_HD Vec<float, N> log2(Vec<float, N> x) {
  using V = Vec<float, N>;
  using Mask = typename V::Mask;
  Mask bits;
  std::memcpy(&bits, &x.v, sizeof(bits));
  const Mask exponent = (bits - 0x3f2aaaab) >> 23;  // 0x3f2aaaab is 2/3
  const Mask mantissa = bits - (exponent << 23);
  V m;
  std::memcpy(&m.v, &mantissa, sizeof(m.v));
  const V e = V(__builtin_convertvector(exponent, typename V::Values));
  const V r = m - V(1.f);
  V p = V(0.203237192f);
  p = p * r + V(-0.22222056f);
  p = p * r + V(0.201699001f);
  p = p * r + V(-0.236786641f);
  p = p * r + V(0.28871829f);
  p = p * r + V(-0.360789563f);
  p = p * r + V(0.480895817f);
  p = p * r + V(-0.721346541f);
  p = p * r + V(1.44269505f);
  return p * r + e;
}

// Doubles serve gradient checks: exactness counts, speed does not.
template <int N>
SPLATKIT_HD Vec<double, N> exp2(Vec<double, N> x) {
  for (int i = 0; i < N; ++i) x.v[i] = __builtin_exp2(x.v[i]);
  return x;
}
template <int N>
SPLATKIT_HD Vec<double, N> log2(Vec<double, N> x) {
  for (int i = 0; i < N; ++i) x.v[i] = __builtin_log2(x.v[i]);
  return x;
}

SPLATKIT_ISA_END
