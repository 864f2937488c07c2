#include "common/parallel.h"
#include "include/splatkit_photographs.h"
#include "stereo/stereo_kernels.h"

namespace splatkit {
namespace {

constexpr int64_t kRowGrain = 4;

template <class Body>
void for_rows(int height, int threads, const Body& body) {
  parallel_for(height, kRowGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(static_cast<int>(row));
  });
}

}  // namespace

void match_planes(const StereoMatching& job, const StereoState& state, const StereoSweep* sweeps, int sweep_count, int threads) {
  const StereoKernels& kernels = stereo_kernels();
  for_rows(job.image.height, threads, [&](int row) { kernels.start(job, state, row); });
  for (int i = 0; i < sweep_count; ++i) {
    // No pixel reads another of its own color.
    for (int color = 0; color < 2; ++color) {
      for_rows(job.image.height, threads, [&](int row) { kernels.improve(job, state, sweeps[i], row, color); });
    }
  }
}

void check_consistency(const StereoConsistency& job, float* agreement, int threads) {
  const StereoKernels& kernels = stereo_kernels();
  for_rows(job.height, threads, [&](int row) { kernels.check(job, agreement, row); });
}

void window_texture(const StereoImage& image, const StereoWeights& weights, float least, float* variances, float* shares, int threads) {
  const StereoKernels& kernels = stereo_kernels();
  for_rows(image.height, threads, [&](int row) { kernels.variances(image, weights, variances, row); });
  for_rows(image.height, threads, [&](int row) { kernels.shares(image, weights, variances, least, shares, row); });
}

}  // namespace splatkit
