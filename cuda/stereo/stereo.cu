// Stereo on the device: one thread a pixel; the pixels of a color at a time. Compiled without fused multiply-adds.
#include "common/block.h"
#include "stereo/consistency.h"
#include "stereo/propagation.h"
#include "stereo/support.h"

namespace splatkit {
using namespace portable;

namespace {

__global__ void __launch_bounds__(kBlockThreads) start_planes_kernel(StereoMatching job, StereoState state) {
  const int64_t at = thread_of_grid();
  if (at >= int64_t(job.image.width) * job.image.height) return;
  start_pixel<float>(job, state, static_cast<int>(at % job.image.width), static_cast<int>(at / job.image.width));
}

__global__ void __launch_bounds__(kBlockThreads)
    improve_planes_kernel(StereoMatching job, StereoState state, StereoSweep sweep, int color) {
  const int64_t at = thread_of_grid();
  const int across = (job.image.width + 1) / 2, row = static_cast<int>(at / across);
  const int column = 2 * static_cast<int>(at % across) + (row + color) % 2;
  if (row >= job.image.height || column >= job.image.width) return;
  improve_pixel<float>(job, state, column, row, sweep);
}

__global__ void __launch_bounds__(kBlockThreads) check_consistency_kernel(StereoConsistency job, float* agreement) {
  const int64_t at = thread_of_grid();
  if (at < int64_t(job.width) * job.height) check_pixel(job, at, agreement + 5 * at);
}

__global__ void __launch_bounds__(kBlockThreads) window_variances_kernel(StereoImage image, StereoWeights weights, float* variances) {
  const int64_t at = thread_of_grid();
  if (at >= int64_t(image.width) * image.height) return;
  variances[at] = window_variance(image, weights, static_cast<int>(at % image.width), static_cast<int>(at / image.width));
}

__global__ void __launch_bounds__(kBlockThreads)
    textured_shares_kernel(StereoImage image, StereoWeights weights, const float* variances, float least, float* shares) {
  const int64_t at = thread_of_grid();
  if (at >= int64_t(image.width) * image.height) return;
  shares[at] = textured_share(image, weights, variances, least, static_cast<int>(at % image.width), static_cast<int>(at / image.width));
}

}  // namespace

void match_planes_cuda(const StereoMatching& job, const StereoState& state, const StereoSweep* sweeps, int sweep_count, CudaStream stream) {
  const dim3 block(kBlockThreads);
  const int64_t half = int64_t((job.image.width + 1) / 2) * job.image.height;
  launch(start_planes_kernel, grid_of(int64_t(job.image.width) * job.image.height), block, 0, stream, job, state);
  for (int i = 0; i < sweep_count; ++i) {
    for (int color = 0; color < 2; ++color) launch(improve_planes_kernel, grid_of(half), block, 0, stream, job, state, sweeps[i], color);
  }
}

void check_consistency_cuda(const StereoConsistency& job, float* agreement, CudaStream stream) {
  launch(check_consistency_kernel, grid_of(int64_t(job.width) * job.height), dim3(kBlockThreads), 0, stream, job, agreement);
}

void window_texture_cuda(const StereoImage& image, const StereoWeights& weights, float least, float* variances, float* shares,
                         CudaStream stream) {
  const dim3 grid = grid_of(int64_t(image.width) * image.height), block(kBlockThreads);
  launch(window_variances_kernel, grid, block, 0, stream, image, weights, variances);
  launch(textured_shares_kernel, grid, block, 0, stream, image, weights, variances, least, shares);
}

}  // namespace splatkit
