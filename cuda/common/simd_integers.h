// Integers beside Vec, lane by lane; gathers from tables of features.
#pragma once
#include <type_traits>
#include <utility>

#include "common/half_floats.h"
#include "common/lane_integers.h"
#include "common/simd.h"

SPLATKIT_ISA_BEGIN

template <class T, int Bytes>
struct IntegerVector {
  typedef T type __attribute__((vector_size(Bytes)));
};

// As wide as the lanes: 32 bits for floats, 64 for doubles.
template <int N>
struct LaneIndexOf<Vec<float, N>> {
  using type = typename IntegerVector<uint32_t, 4 * N>::type;
};
template <int N>
struct LaneIndexOf<Vec<double, N>> {
  using type = typename IntegerVector<uint64_t, 8 * N>::type;
};

template <class Index>
struct SignedOfIndex<Index, false> {
  using Lane = typename std::remove_reference<decltype(std::declval<Index&>()[0])>::type;
  using type = typename IntegerVector<typename std::make_signed<Lane>::type, sizeof(Index)>::type;
};

template <class T, int N>
SPLATKIT_HD void swap_where(typename Vec<T, N>::Mask mask, Vec<T, N>& a, Vec<T, N>& b) {
  const Vec<T, N> high = select(mask, b, a);
  b = select(mask, a, b);
  a = high;
}

template <class T, int N>
SPLATKIT_HD LaneIndex<Vec<T, N>> truncated(Vec<T, N> x) {
  return (LaneIndex<Vec<T, N>>)__builtin_convertvector(x.v, typename Vec<T, N>::Mask);
}

template <class T, int N>
struct RealOf<Vec<T, N>> {
  using Real = Vec<T, N>;
  static SPLATKIT_HD Real of(LaneIndex<Real> index) {
    return Real(__builtin_convertvector((typename Real::Mask)index, typename Real::Values));
  }
};

template <class T, int N>
SPLATKIT_HD Vec<T, N> rounded_product(Vec<T, N> a, Vec<T, N> b) {
  Vec<T, N> product = a * b;
#if defined(__AVX512F__)
  asm("" : "+v"(product.v));
#elif defined(__x86_64__)
  asm("" : "+x"(product.v));
#else
  asm("" : "+m"(product.v));
#endif
  return product;
}

// Writes the lanes as 32-bit numbers, and reads such.
template <class V>
SPLATKIT_HD void store_index(uint32_t* to, LaneIndex<V> index) {
  using Narrow = typename IntegerVector<uint32_t, 4 * V::kLanes>::type;
  const Narrow narrow = __builtin_convertvector(index, Narrow);
  std::memcpy(to, &narrow, sizeof(narrow));
}

// Feature tables by what an entry's values are stored as. `pairs` reads two neighboring values of each lane: those of pair number
// index[lane]; `single` reads value number index[lane].
struct FloatTable {
  using Stored = float;
  static SPLATKIT_HD float value(float stored) { return stored; }

  template <int N>
  static SPLATKIT_HD void pairs(const float* table, const uint32_t* index, Vec<float, N>& first, Vec<float, N>& second) {
#if defined(__AVX512F__)
    if constexpr (N == 16) {
      const __m512 low = _mm512_castpd_ps(_mm512_i32gather_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)), table, 8));
      const __m512 high = _mm512_castpd_ps(_mm512_i32gather_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(index + 8)), table, 8));
      const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
      first = _mm512_permutex2var_ps(low, even, high);
      second = _mm512_permutex2var_ps(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high);
      return;
    }
#endif
    for (int i = 0; i < N; ++i) first.v[i] = table[2 * size_t(index[i])], second.v[i] = table[2 * size_t(index[i]) + 1];
  }
};

struct DoubleTable {
  using Stored = double;
  static SPLATKIT_HD double value(double stored) { return stored; }

  template <int N>
  static SPLATKIT_HD void pairs(const double* table, const uint32_t* index, Vec<double, N>& first, Vec<double, N>& second) {
    for (int i = 0; i < N; ++i) first.v[i] = table[2 * size_t(index[i])], second.v[i] = table[2 * size_t(index[i]) + 1];
  }
};

// The 32-bit words index[lane].
template <int N>
SPLATKIT_HD LaneIndex<Vec<float, N>> words(const void* table, const uint32_t* index) {
  LaneIndex<Vec<float, N>> out;
#if defined(__AVX512F__)
  if constexpr (N == 16) return (LaneIndex<Vec<float, N>>)_mm512_i32gather_epi32(_mm512_loadu_si512(index), table, 4);
#endif
  const char* bytes = static_cast<const char*>(table);
  for (int i = 0; i < N; ++i) {
    uint32_t word;
    std::memcpy(&word, bytes + 4 * size_t(index[i]), sizeof(word));
    out[i] = word;
  }
  return out;
}

struct Bfloat16Table {
  using Stored = uint16_t;
  static SPLATKIT_HD float value(uint16_t stored) { return float_of_bfloat16(stored); }

  template <int N>
  static SPLATKIT_HD void pairs(const uint16_t* table, const uint32_t* index, Vec<float, N>& first, Vec<float, N>& second) {
    const auto both = words<N>(table, index);
    const auto low = both << 16, high = both & 0xffff0000u;
    std::memcpy(&first.v, &low, sizeof(low));
    std::memcpy(&second.v, &high, sizeof(high));
  }
};

struct Float16Table {
  using Stored = uint16_t;
  static SPLATKIT_HD float value(uint16_t stored) { return float_of_float16(stored); }

  template <int N>
  static SPLATKIT_HD void pairs(const uint16_t* table, const uint32_t* index, Vec<float, N>& first, Vec<float, N>& second) {
#if defined(__AVX512F__)
    if constexpr (N == 16) {
      const auto both = words<N>(table, index);
      first = Vec<float, N>(_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)both)));
      second = Vec<float, N>(_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)(both >> 16))));
      return;
    }
#endif
    for (int i = 0; i < N; ++i) first.v[i] = value(table[2 * size_t(index[i])]), second.v[i] = value(table[2 * size_t(index[i]) + 1]);
  }
};

SPLATKIT_ISA_END
