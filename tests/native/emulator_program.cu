// Kernels that are right, and kernels with one fault each, for tests/native/test_emulator.py.
// program CASE: prints what the kernel computed.
#include <cstdio>
#include <cstring>
#include <vector>

#include "common/launch.h"

using namespace splatkit;

constexpr int kThreads = 64;

struct Values {
  float at[kThreads];
};

template <bool Barrier>
__global__ void mirror(const float* x, float* y) {
  Values& shared = shared_memory<Values>();
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * kThreads + t;
  shared.at[t] = x[i];
  if (Barrier) __syncthreads();
  y[i] = shared.at[kThreads - 1 - t];
}

__global__ void uninitialized(const float*, float* y) { y[threadIdx.x] = shared_memory<Values>().at[threadIdx.x]; }

__global__ void beyond_global(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x + 1]; }

__global__ void beyond_shared(const float* x, float* y) {
  Values& shared = shared_memory<Values>();
  shared.at[threadIdx.x + 1] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = shared.at[threadIdx.x];
}

__global__ void barrier_for_half(const float*, float* y) {
  if (threadIdx.x < 32) __syncthreads();
  y[threadIdx.x] = 1;
}

__global__ void two_barriers(const float*, float* y) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = 1;
}

__global__ void warp_deadlock(const float*, float* y) {
  const unsigned lane = threadIdx.x % 32;
  // Lane 0 waits for 1, 1 for 2, and 2 for 0, each under a mask of its own.
  const unsigned mask = lane == 0 ? 3u : lane == 1 ? 6u : 5u;
  y[threadIdx.x] = lane < 3 ? static_cast<float>(__ballot_sync(mask, 1)) : 0;
}

// Two branches of a warp work under masks of their own at the same time.
__global__ void two_masks(const float* x, float* y) {
  const unsigned lane = threadIdx.x % 32;
  float value = x[threadIdx.x];
  if (lane < 8) {
    for (int offset = 4; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffu, value, offset);
  } else {
    value = static_cast<float>(__popc(__ballot_sync(~0xffu, lane % 3 == 0)));
  }
  y[threadIdx.x] = value;
}

__global__ void votes(const float* x, float* y) {
  const int t = static_cast<int>(threadIdx.x);
  int* hits = static_cast<int*>(dynamic_shared());
  if (t == 0) *hits = 0;
  __syncthreads();
  atomicAdd(hits, t % 2);
  float out = static_cast<float>(__syncthreads_count(t < 5));
  out += 100.f * static_cast<float>(__syncthreads_or(t == 63) + 2 * __syncthreads_and(t < 63));
  out += 1000.f * static_cast<float>(*hits);
  out += 1e5f * static_cast<float>(__popc(__match_any_sync(~0u, t / 4)));
  y[t] = out + x[0] * __shfl_down_sync(~0u, 1.f, 1);
}

int main(int, char** arguments) {
  const char* name = arguments[1];
  const int blocks = std::strcmp(name, "mirror") == 0 || std::strcmp(name, "mirror_without_barrier") == 0 ? 2 : 1;
  std::vector<float> x(blocks * kThreads), y(blocks * kThreads, -1);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  const struct {
    const char* name;
    void (*kernel)(const float*, float*);
  } cases[] = {{"mirror", mirror<true>},         {"mirror_without_barrier", mirror<false>},
               {"uninitialized", uninitialized}, {"beyond_global", beyond_global},
               {"beyond_shared", beyond_shared}, {"barrier_for_half", barrier_for_half},
               {"two_barriers", two_barriers},   {"warp_deadlock", warp_deadlock},
               {"two_masks", two_masks},         {"votes", votes}};
  for (const auto& one : cases) {
    if (std::strcmp(one.name, name) != 0) continue;
    launch(one.kernel, dim3(blocks), dim3(kThreads), 16, nullptr, x.data(), y.data());
    for (const float value : y) std::printf("%g ", value);
    return 0;
  }
  return 3;
}
