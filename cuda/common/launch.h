// How kernels are launched and get shared memory: the same source for nvcc and for the emulator (cuda/emulator), which is included
// before a .cu file that g++ compiles.
#pragma once
#include <cstddef>
#include <cstdint>

#include "include/splatkit_native.h"

#if defined(__CUDACC__)
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>
#endif

namespace splatkit {

// Blocks that cover `count` items.
inline int64_t blocks_of(int64_t count, int64_t block) { return (count + block - 1) / block; }

#if defined(__CUDACC__)

inline void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(std::string("CUDA, ") + what + ": " + cudaGetErrorString(status));
}

// Starts the kernel on the stream. A grid without blocks starts nothing.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t dynamic_shared_bytes, CudaStream stream,
            const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  kernel<<<grid, block, dynamic_shared_bytes, static_cast<cudaStream_t>(stream)>>>(static_cast<Parameters>(arguments)...);
  const cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) return;
  const char* name = "kernel launch";
#if CUDART_VERSION >= 12030
  cudaFuncGetName(&name, reinterpret_cast<const void*>(kernel));
#endif
  check_cuda(status, name);
}

// Shared memory of a block for one T; a kernel asks once for a type of its own.
template <class T>
__device__ __forceinline__ T& shared_memory() {
  __shared__ T memory;
  return memory;
}

// Shared memory of the size that the launch asked for.
__device__ __forceinline__ void* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char splatkit_dynamic_shared[];
  return splatkit_dynamic_shared;
}

// Waits for the stream, then copies from the device.
inline void copy_to_host(void* to, const void* from, size_t bytes, CudaStream stream) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, static_cast<cudaStream_t>(stream)), "copy to the host");
  check_cuda(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "copy to the host");
}

#else

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t dynamic_shared_bytes, CudaStream, const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  auto body = [&] { kernel(static_cast<Parameters>(arguments)...); };
  emulator::run_grid(grid, block, dynamic_shared_bytes, [](void* context) { (*static_cast<decltype(body)*>(context))(); }, &body);
}

template <class T>
T& shared_memory() {
  alignas(T) static unsigned char bytes[sizeof(T)];
  emulator::poison_once(bytes, sizeof(T));
  return *reinterpret_cast<T*>(bytes);
}

inline void* dynamic_shared() { return emulator::dynamic_shared_memory(); }

inline void copy_to_host(void* to, const void* from, size_t bytes, CudaStream) { std::memcpy(to, from, bytes); }

#endif

}  // namespace splatkit
