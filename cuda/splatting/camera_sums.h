// The CUDA side of camera_partials.h: a block of splats is a chunk.
#pragma once
#include "common/block.h"
#include "splatting/camera_partials.h"

namespace splatkit {
using namespace portable;

namespace {

// Where block_sums() leaves the totals before one thread hands them on.
struct CameraTotal {
  double at[kCameraPartials];
};

// One block a camera: adds its partial sums over all chunks. v_Ks may be null.
__global__ void __launch_bounds__(kBlockThreads)
    sum_camera_partials_kernel(const double* partials, int64_t cameras, int64_t chunks, float* v_viewmats, float* v_Ks) {
  const int64_t camera = blockIdx.x;
  constexpr int kStride = kBlockThreads / kCameraPartials;
  const int t = thread_of_block(), component = t % kCameraPartials;
  double sum = 0;
  for (int64_t chunk = t / kCameraPartials; chunk < chunks; chunk += kStride) {
    sum += partials[(chunk * cameras + camera) * kCameraPartials + component];
  }
  double sums[kCameraPartials];
  for (int i = 0; i < kCameraPartials; ++i) sums[i] = i == component ? sum : 0;
  CameraTotal& total = shared_memory<CameraTotal>();
  block_sums(sums, total.at);
  if (t == 0) write_camera_gradient(total.at, v_viewmats + 16 * camera, v_Ks == nullptr ? nullptr : v_Ks + 9 * camera);
}

}  // namespace

inline void launch_sum_camera_partials(const double* partials, int64_t cameras, int64_t splats, float* v_viewmats, float* v_Ks,
                                       CudaStream stream) {
  launch(sum_camera_partials_kernel, dim3(static_cast<unsigned>(cameras)), dim3(kBlockThreads), 0, stream, partials, cameras,
         blocks_of(splats, kBlockThreads), v_viewmats, v_Ks);
}

}  // namespace splatkit
