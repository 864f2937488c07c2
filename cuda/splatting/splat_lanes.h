// Splats side by side, one a lane: their rows in memory turned into vectors and back. With a plain number for V, a group is one splat.
#pragma once
#include <cstdint>
#include <cstring>

#include "common/simd.h"

SPLATKIT_ISA_BEGIN

template <class V>
constexpr int kLanesOf = sizeof(V) / sizeof(typename V::Lane);
template <>
constexpr int kLanesOf<float> = 1;
template <>
constexpr int kLanesOf<double> = 1;

// The splats of one group; lanes beyond `count` repeat the last one.
template <class V>
struct SplatGroup {
  int count;
  int64_t ids[kLanesOf<V>];

  // Of `ids_left` splats numbered by id_of(0), id_of(1), ...
  template <class IdOf>
  SPLATKIT_HD SplatGroup(int64_t ids_left, const IdOf& id_of) : count(ids_left < kLanesOf<V> ? static_cast<int>(ids_left) : kLanesOf<V>) {
    for (int l = 0; l < kLanesOf<V>; ++l) ids[l] = id_of(l < count ? l : count - 1);
  }

  // out[k] of each splat: number k of its row of K.
  template <int K, class Real>
  SPLATKIT_HD void take(const Real* rows, V* out) const {
    alignas(64) Real staged[K][kLanesOf<V>];
    for (int l = 0; l < kLanesOf<V>; ++l) {
      for (int k = 0; k < K; ++k) staged[k][l] = rows[K * ids[l] + k];
    }
    for (int k = 0; k < K; ++k) std::memcpy(static_cast<void*>(out + k), staged[k], sizeof(V));
  }

  // As take, with zeros for the repeated lanes.
  template <int K, class Real>
  SPLATKIT_HD void take_once(const Real* rows, V* out) const {
    alignas(64) Real staged[K][kLanesOf<V>] = {};
    for (int l = 0; l < count; ++l) {
      for (int k = 0; k < K; ++k) staged[k][l] = rows[K * ids[l] + k];
    }
    for (int k = 0; k < K; ++k) std::memcpy(static_cast<void*>(out + k), staged[k], sizeof(V));
  }

  template <int K, class Real>
  SPLATKIT_HD void put(const V* values, Real* rows) const {
    alignas(64) Real staged[K][kLanesOf<V>];
    for (int k = 0; k < K; ++k) std::memcpy(staged[k], static_cast<const void*>(values + k), sizeof(V));
    for (int l = 0; l < count; ++l) {
      for (int k = 0; k < K; ++k) rows[K * ids[l] + k] = staged[k][l];
    }
  }

  template <int K, class Real>
  SPLATKIT_HD void add(const V* values, Real* rows) const {
    alignas(64) Real staged[K][kLanesOf<V>];
    for (int k = 0; k < K; ++k) std::memcpy(staged[k], static_cast<const void*>(values + k), sizeof(V));
    for (int l = 0; l < count; ++l) {
      for (int k = 0; k < K; ++k) rows[K * ids[l] + k] += staged[k][l];
    }
  }
};

constexpr int64_t kSplatGrainMost = 1024;

// Those of a chunk of splats that one camera sees, by the half widths of their supports.
template <class Real>
struct SeenSplats {
  int64_t count = 0;
  int32_t ids[kSplatGrainMost];

  SPLATKIT_HD SeenSplats(const Real* extents, int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      ids[count] = static_cast<int32_t>(n);
      count += extents[2 * n] > 0;
    }
  }

  // Calls visit(group) for all of them.
  template <class V, class Visit>
  SPLATKIT_HD void for_each_group(const Visit& visit) const {
    for (int64_t first = 0; first < count; first += kLanesOf<V>) {
      visit(SplatGroup<V>(count - first, [&](int l) { return int64_t(ids[first + l]); }));
    }
  }
};

SPLATKIT_ISA_END
