// CUDA C++ as a host compiler reads it: included before a .cu file (g++ -x c++ -include), it maps keywords, indices, barriers, warp
// operations and atomics to the scheduler. Kernels are launched through common/launch.h.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "emulator/scheduler.h"

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static  // one block runs at a time; shared_memory() of common/launch.h fills it with NaNs first

#define threadIdx (emulator::indices.thread)
#define blockIdx (emulator::indices.block)
#define blockDim (emulator::indices.block_dim)
#define gridDim (emulator::indices.grid_dim)

#define SPLATKIT_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(SPLATKIT_PLACE) { emulator::block_barrier(false, {file, line}); }
inline int __syncthreads_count(int predicate, SPLATKIT_PLACE) { return emulator::block_barrier(predicate != 0, {file, line}).count; }
inline int __syncthreads_or(int predicate, SPLATKIT_PLACE) { return emulator::block_barrier(predicate != 0, {file, line}).count != 0; }
inline int __syncthreads_and(int predicate, SPLATKIT_PLACE) {
  const emulator::BarrierVotes votes = emulator::block_barrier(predicate != 0, {file, line});
  return votes.count == votes.threads;
}

namespace emulator {

template <class T>
T from_lane(const WarpValues& all, unsigned lane) {
  T value;
  std::memcpy(&value, all.values[lane], sizeof(T));
  return value;
}

// The value of the lane `source`, or one's own where it took no part (on the device it would be undefined).
template <class T>
T shuffled(uint32_t mask, const T& value, unsigned source, Place place) {
  static_assert(sizeof(T) <= kSlotSize && std::is_trivially_copyable<T>::value, "a lane hands over at most 16 plain bytes");
  const WarpValues all = warp_exchange(mask, &value, sizeof(T), place);
  return source < kWarpSize && (all.members >> source & 1) ? from_lane<T>(all, source) : value;
}

// Bits of the lanes of the mask for which accept(value) holds.
template <class T, class Accept>
uint32_t vote(uint32_t mask, const T& value, Place place, const Accept& accept) {
  const WarpValues all = warp_exchange(mask, &value, sizeof(T), place);
  uint32_t bits = 0;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((all.members >> lane & 1) && accept(from_lane<T>(all, lane))) bits |= 1u << lane;
  }
  return bits;
}

}  // namespace emulator

inline void __syncwarp(uint32_t mask = ~0u, SPLATKIT_PLACE) { emulator::warp_exchange(mask, "", 1, {file, line}); }

template <class T>
T __shfl_sync(uint32_t mask, T value, int source, int width = 32, SPLATKIT_PLACE) {
  const unsigned lane = emulator::lane_index();
  return emulator::shuffled(mask, value, (lane & ~(width - 1u)) | (static_cast<unsigned>(source) & (width - 1u)), {file, line});
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned delta, int width = 32, SPLATKIT_PLACE) {
  const unsigned lane = emulator::lane_index();
  return emulator::shuffled(mask, value, (lane & (width - 1u)) >= delta ? lane - delta : lane, {file, line});
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned delta, int width = 32, SPLATKIT_PLACE) {
  const unsigned lane = emulator::lane_index();
  return emulator::shuffled(mask, value, (lane & (width - 1u)) + delta < static_cast<unsigned>(width) ? lane + delta : lane, {file, line});
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32, SPLATKIT_PLACE) {
  const unsigned lane = emulator::lane_index(), source = lane ^ static_cast<unsigned>(lanes);
  return emulator::shuffled(mask, value, (source & ~(width - 1u)) <= (lane & ~(width - 1u)) ? source : lane, {file, line});
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate, SPLATKIT_PLACE) {
  return emulator::vote(mask, predicate, {file, line}, [](int other) { return other != 0; });
}
inline int __any_sync(uint32_t mask, int predicate, SPLATKIT_PLACE) { return __ballot_sync(mask, predicate, file, line) != 0; }
inline int __all_sync(uint32_t mask, int predicate, SPLATKIT_PLACE) { return __ballot_sync(mask, predicate == 0, file, line) == 0; }
template <class T>
uint32_t __match_any_sync(uint32_t mask, T value, SPLATKIT_PLACE) {
  return emulator::vote(mask, value, {file, line}, [&](T other) { return other == value; });
}
inline uint32_t __activemask() { return emulator::active_lanes(); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }

// Atomic for the sanitizers' sake: threads of a block take turns.
namespace emulator {
template <class T, class Change>
T atomic_change(T* address, const Change& change) {
  T before;
  __atomic_load(address, &before, __ATOMIC_RELAXED);
  for (;;) {
    T after = change(before);
    if (__atomic_compare_exchange(address, &before, &after, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return before;
  }
}
}  // namespace emulator
template <class T>
T atomicAdd(T* address, T value) {
  return emulator::atomic_change(address, [=](T before) { return static_cast<T>(before + value); });
}
template <class T>
T atomicMin(T* address, T value) {
  return emulator::atomic_change(address, [=](T before) { return before < value ? before : value; });
}
template <class T>
T atomicMax(T* address, T value) {
  return emulator::atomic_change(address, [=](T before) { return before > value ? before : value; });
}
template <class T>
T atomicExch(T* address, T value) {
  return emulator::atomic_change(address, [=](T) { return value; });
}
template <class T>
T atomicCAS(T* address, T expected, T value) {
  return emulator::atomic_change(address, [=](T before) { return before == expected ? value : before; });
}
