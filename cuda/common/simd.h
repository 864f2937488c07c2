// Vec<T, N>: N values side by side, by the compiler's vector extensions. The mathematics in the shared headers is written for float,
// double and Vec alike; N is chosen per instruction set so that one Vec is one register.
// Only operations that the kernels use are here. Comparison masks are integer vectors: all bits set means true.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "common/host_device.h"
#include "common/scalar_math.h"

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
  SPLATKIT_HD Vec& operator-=(Vec b) {
    v -= b.v;
    return *this;
  }
  SPLATKIT_HD friend Mask operator<(Vec a, Vec b) { return a.v < b.v; }
  SPLATKIT_HD friend Mask operator>(Vec a, Vec b) { return a.v > b.v; }
  SPLATKIT_HD friend Mask operator<=(Vec a, Vec b) { return a.v <= b.v; }
  SPLATKIT_HD friend Mask operator>=(Vec a, Vec b) { return a.v >= b.v; }
  SPLATKIT_HD friend Mask operator==(Vec a, Vec b) { return a.v == b.v; }
};

template <class T, int N>
struct MaskOf<Vec<T, N>> {
  using type = typename Vec<T, N>::Mask;

  SPLATKIT_HD static bool any(type mask) {
#if defined(__AVX512F__)
    if constexpr (sizeof(mask) == 64) return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
    if constexpr (sizeof(mask) == 32) return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#elif defined(__SSE2__)
    if constexpr (sizeof(mask) == 16) return _mm_movemask_epi8((__m128i)mask) != 0;
#endif
    typename LaneInt<T>::type all = 0;
    for (int i = 0; i < N; ++i) all |= mask[i];
    return all != 0;
  }
};

// Bit i is set where lane i of the mask is true.
template <class V>
SPLATKIT_HD uint64_t lane_bits(typename V::Mask mask) {
#if defined(__AVX512DQ__)
  if constexpr (sizeof(mask) == 64 && V::kLanes == 16) return _mm512_movepi32_mask((__m512i)mask);
  if constexpr (sizeof(mask) == 64 && V::kLanes == 8) return _mm512_movepi64_mask((__m512i)mask);
#elif defined(__AVX2__)
  if constexpr (sizeof(mask) == 32 && V::kLanes == 8) return static_cast<uint32_t>(_mm256_movemask_ps((__m256)mask));
#elif defined(__SSE2__)
  if constexpr (sizeof(mask) == 16 && V::kLanes == 4) return static_cast<uint32_t>(_mm_movemask_ps((__m128)mask));
#endif
  uint64_t bits = 0;
  for (int i = 0; i < V::kLanes; ++i) bits |= uint64_t(mask[i] & 1) << i;
  return bits;
}

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
#if defined(__AVX512F__)
  if constexpr (sizeof(T) * N == 64 && sizeof(T) == 4) return Vec<T, N>(_mm512_min_ps(a.v, b.v));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) * N == 32 && sizeof(T) == 4) return Vec<T, N>(_mm256_min_ps(a.v, b.v));
#endif
  return Vec<T, N>(a.v < b.v ? a.v : b.v);
}
template <class T, int N>
SPLATKIT_HD Vec<T, N> max(Vec<T, N> a, Vec<T, N> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) * N == 64 && sizeof(T) == 4) return Vec<T, N>(_mm512_max_ps(a.v, b.v));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) * N == 32 && sizeof(T) == 4) return Vec<T, N>(_mm256_max_ps(a.v, b.v));
#endif
  return Vec<T, N>(a.v > b.v ? a.v : b.v);
}
template <class T, int N>
SPLATKIT_HD Vec<T, N> abs(Vec<T, N> a) {
  return max(a, -a);
}
template <class T, int N>
SPLATKIT_HD Vec<T, N> sqrt(Vec<T, N> a) {
  for (int i = 0; i < N; ++i) a.v[i] = sizeof(T) == sizeof(float) ? __builtin_sqrtf(a.v[i]) : __builtin_sqrt(a.v[i]);
  return a;
}
// Without the fraction; a must fit the lanes' integers.
template <class T, int N>
SPLATKIT_HD Vec<T, N> truncate(Vec<T, N> a) {
  using V = Vec<T, N>;
  return V(__builtin_convertvector(__builtin_convertvector(a.v, typename V::Mask), typename V::Values));
}
// 1 / a. For floats on AVX-512 an estimate and one Newton step, within 2e-7: a division of a whole register takes several times as long.
template <class T, int N>
SPLATKIT_HD Vec<T, N> reciprocal(Vec<T, N> a) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) * N == 64 && sizeof(T) == 4) {
    const Vec<T, N> guess = _mm512_rcp14_ps(a.v);
    return guess * (Vec<T, N>(T(2)) - a * guess);
  }
#endif
  return Vec<T, N>(T(1)) / a;
}

// Adds neighbors pairwise, halving the width each time: the order is fixed, so sums have the same bits in every run.
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

// Lanes 0, 2, 4, ... of a and then of b, plus their right neighbors.
template <class T, int N>
SPLATKIT_HD Vec<T, N> add_neighbors(Vec<T, N> a, Vec<T, N> b) {
#if defined(__clang__)  // it knows no shuffle by a vector of indices, and turns this loop into one
  Vec<T, N> left, right;
  for (int i = 0; i < N; ++i) {
    left.v[i] = i < N / 2 ? a.v[2 * i] : b.v[2 * i - N];
    right.v[i] = i < N / 2 ? a.v[2 * i + 1] : b.v[2 * i + 1 - N];
  }
  return left + right;
#else
  typename Vec<T, N>::Mask even, odd;
  for (int i = 0; i < N; ++i) even[i] = 2 * i, odd[i] = 2 * i + 1;
  return Vec<T, N>(__builtin_shuffle(a.v, b.v, even)) + Vec<T, N>(__builtin_shuffle(a.v, b.v, odd));
#endif
}

// Lanes A, B, C and D of a and then of b, numbered 0 to 7.
template <int A, int B, int C, int D, class T>
SPLATKIT_HD Vec<T, 4> pick(Vec<T, 4> a, Vec<T, 4> b) {
#if defined(__clang__)
  return Vec<T, 4>(__builtin_shufflevector(a.v, b.v, A, B, C, D));
#else
  return Vec<T, 4>(__builtin_shuffle(a.v, b.v, typename Vec<T, 4>::Mask{A, B, C, D}));
#endif
}

// out[k] = sum of the lanes of terms[k], k < Count <= Slots, Slots a multiple of N: a tree of pairwise sums for N of them at a time, which
// costs a third of one sum after the other. Writes Slots values; terms is used up.
template <int Slots, class T, int N>
SPLATKIT_HD void sum_each(Vec<T, N>* terms, T* out) {
  for (int first = 0; first < Slots; first += N) {
    Vec<T, N>* group = terms + first;
    for (int width = N; width > 1; width /= 2) {
      for (int i = 0; i < width / 2; ++i) group[i] = add_neighbors(group[2 * i], group[2 * i + 1]);
    }
    store(out + first, group[0]);
  }
}

// 2^r for r in [-1/2, 1/2]: degree 5 (minimax fit), relative error below 2e-7, exact at r = 0.
template <int N>
SPLATKIT_HD Vec<float, N> exp2_fraction(Vec<float, N> r) {
  using V = Vec<float, N>;
  const V r2 = r * r;
  const V low = V(6.9314697760e-1f) * r + V(1.f), middle = V(5.5507337435e-2f) * r + V(2.4022242085e-1f);
  const V high = V(1.3264727242e-3f) * r + V(9.6715126810e-3f);
  return (high * r2 + middle) * r2 + low;
}

// 2^x for floats; x below -126 may give 2^-126 or less, x above 126 2^126 or more.
template <int N>
SPLATKIT_HD Vec<float, N> exp2(Vec<float, N> x) {
  using V = Vec<float, N>;
#if defined(__AVX512F__)
  if constexpr (N == 16) {  // rounding and scaling by a power of two are single instructions, and need no clamp
    const V whole = _mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return V(_mm512_scalef_ps(exp2_fraction(x - whole).v, whole.v));
  }
#endif
  x = min(max(x, V(-126.f)), V(126.f));
  const V shifted = x + V(12582912.f);  // 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits
  const V whole = shifted - V(12582912.f);
  V p = exp2_fraction(x - whole);
  typename V::Mask exponent, bits;
  std::memcpy(&exponent, &shifted.v, sizeof(exponent));
  std::memcpy(&bits, &p.v, sizeof(bits));
  bits += exponent << 23;
  std::memcpy(&p.v, &bits, sizeof(bits));
  return p;
}

#if defined(__AVX512F__)
// log2(x) for normal positive floats, absolute error of the fraction below 1e-7: x = 2^e * m, and m = c_i (1 + r) with c_i the middle of
// one of 16 intervals and |r| <= 1/33; a polynomial of degree 3 in r (minimax fit).
SPLATKIT_HD __m512 log2_by_table(__m512 x) {
  const __m512 inverses =
      _mm512_setr_ps(0.969696999f, 0.914285719f, 0.864864886f, 0.820512831f, 0.780487776f, 0.744186044f, 0.711111128f, 0.680851042f,
                     0.653061211f, 0.627451003f, 0.603773594f, 0.581818163f, 0.561403513f, 0.542372882f, 0.524590135f, 0.507936537f);
  const __m512 logs =
      _mm512_setr_ps(0.0443940759f, 0.129283011f, 0.209453329f, 0.285402209f, 0.357552052f, 0.426264763f, 0.491853058f, 0.554588914f,
                     0.614709854f, 0.67242527f, 0.727920413f, 0.781359732f, 0.832889974f, 0.882643044f, 0.930737436f, 0.977279842f);
  const __m512i interval = _mm512_srli_epi32(_mm512_castps_si512(x), 19);  // the lookup uses the low four bits
  const __m512 m = _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
  const __m512 r = _mm512_fmsub_ps(m, _mm512_permutexvar_ps(interval, inverses), _mm512_set1_ps(1.f));
  const __m512 high = _mm512_fmadd_ps(_mm512_set1_ps(0.48127334f), r, _mm512_set1_ps(-0.72162204f));
  const __m512 whole = _mm512_add_ps(_mm512_getexp_ps(x), _mm512_permutexvar_ps(interval, logs));
  return _mm512_fmadd_ps(_mm512_fmadd_ps(high, r, _mm512_set1_ps(1.442694940f)), r, whole);
}
#endif

// log2(x) for normal positive floats, absolute error of the fraction below 1e-7. x = 2^e * m with m in [2/3, 4/3);
// log2(m) / (m - 1) by a degree-8 polynomial in m - 1 (Chebyshev fit on [-1/3, 1/3]): no division.
template <int N>
SPLATKIT_HD Vec<float, N> log2(Vec<float, N> x) {
  using V = Vec<float, N>;
#if defined(__AVX512F__)
  if constexpr (N == 16) return V(log2_by_table(x.v));
#endif
  using Mask = typename V::Mask;
  Mask bits;
  std::memcpy(&bits, &x.v, sizeof(bits));
  const Mask exponent = (bits - 0x3f2aaaab) >> 23;  // 0x3f2aaaab is 2/3
  const Mask mantissa = bits - (exponent << 23);
  V m;
  std::memcpy(&m.v, &mantissa, sizeof(m.v));
  const V e = V(__builtin_convertvector(exponent, typename V::Values));
  const V r = m - V(1.f);
  const V r2 = r * r, r4 = r2 * r2;
  const V low = V(-0.721346541f) * r + V(1.44269505f) + r2 * (V(-0.360789563f) * r + V(0.480895817f));
  const V high = V(-0.236786641f) * r + V(0.28871829f) + r2 * (V(-0.22222056f) * r + V(0.201699001f)) + r4 * V(0.203237192f);
  return (low + r4 * high) * r + e;
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
