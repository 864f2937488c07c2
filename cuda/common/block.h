// Sums and prefix sums over the threads of a warp and of a block, in an order that is fixed: results have the same bits in every run.
#pragma once
#include "common/launch.h"

namespace splatkit {

constexpr int kBlockThreads = 256;  // every kernel's block, in one dimension
constexpr int kResidentBlocks = 4;  // for kernels that the compiler would squeeze into fewer registers than they need, and spill
constexpr int kWarpThreads = 32;
constexpr int kBlockWarps = kBlockThreads / kWarpThreads;
constexpr unsigned kWholeWarp = ~0u;

// Where the running thread stands.
__device__ inline int thread_of_block() { return static_cast<int>(threadIdx.x); }
__device__ inline int64_t thread_of_grid() { return int64_t(blockIdx.x) * kBlockThreads + threadIdx.x; }

// Lanes that differ in the bit `Half` trade halves of what they hold, then in the next lower bit. By recursion: the values stay in
// registers only where every index is a constant.
template <int Half, class T>
__device__ __forceinline__ void trade_halves(T* values, int lane) {
  if constexpr (Half > 0) {
    const bool upper = (lane & Half) != 0;
#pragma unroll
    for (int i = 0; i < Half; ++i) {
      const T kept = upper ? values[i + Half] : values[i];
      const T given = upper ? values[i] : values[i + Half];
      values[i] = kept + __shfl_xor_sync(kWholeWarp, given, Half);
    }
    trade_halves<Half / 2>(values, lane);
  }
}

// Sums each of `values` over the lanes of a whole warp; lane l returns the sum of values[l % Count]. Count: a power of two up to 32.
// Takes about Count shuffles instead of 5 * Count.
template <int Count, class T>
__device__ __forceinline__ T warp_sums(T (&values)[Count]) {
  static_assert(Count >= 1 && Count <= kWarpThreads && (Count & (Count - 1)) == 0, "a power of two");
  trade_halves<Count / 2>(values, thread_of_block() % kWarpThreads);
  T sum = values[0];
#pragma unroll
  for (int offset = Count; offset < kWarpThreads; offset *= 2) sum += __shfl_xor_sync(kWholeWarp, sum, offset);
  return sum;
}

template <int Count, class T>
struct BlockSums {
  T of_warp[kBlockWarps][Count];
};

// Sums each of `values` over a block; thread k < Count writes sums[k]. All threads of the block call it.
template <int Count, class T>
__device__ __forceinline__ void block_sums(T (&values)[Count], T* sums) {
  BlockSums<Count, T>& shared = shared_memory<BlockSums<Count, T>>();
  const int t = thread_of_block(), warp = t / kWarpThreads, lane = t % kWarpThreads;
  const T sum = warp_sums(values);
  if (lane < Count) shared.of_warp[warp][lane] = sum;
  __syncthreads();
  if (t < Count) {
    T total = 0;
    for (int w = 0; w < kBlockWarps; ++w) total += shared.of_warp[w][t];
    sums[t] = total;
  }
  __syncthreads();  // the next call reuses the memory, and the caller may read sums
}

struct BlockScan {
  int64_t of_warp[kBlockWarps];
};

// Sum of the values of all threads up to and including this one; *total: of the whole block. All threads of the block call it.
__device__ inline int64_t block_inclusive_sum(int64_t value, int64_t* total) {
  BlockScan& shared = shared_memory<BlockScan>();
  const int warp = thread_of_block() / kWarpThreads, lane = thread_of_block() % kWarpThreads;
  int64_t sum = value;
  for (int offset = 1; offset < kWarpThreads; offset *= 2) {
    const int64_t before = __shfl_up_sync(kWholeWarp, sum, offset);
    if (lane >= offset) sum += before;
  }
  if (lane == kWarpThreads - 1) shared.of_warp[warp] = sum;
  __syncthreads();
  *total = 0;
  for (int w = 0; w < kBlockWarps; ++w) {
    if (w < warp) sum += shared.of_warp[w];
    *total += shared.of_warp[w];
  }
  __syncthreads();  // the next call reuses the memory
  return sum;
}

// A grid of whole blocks, one thread an item.
inline dim3 grid_of(int64_t items) { return dim3(static_cast<unsigned>(blocks_of(items, kBlockThreads))); }

}  // namespace splatkit
