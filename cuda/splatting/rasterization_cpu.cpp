#include "common/parallel.h"
#include "include/splatkit_native.h"
#include "splatting/camera_partials.h"
#include "splatting/compositing.h"
#include "splatting/rasterization_kernels.h"

namespace splatkit {
using namespace portable;

namespace {

template <class Real>
const RasterizationKernels<Real>& kernels() {
  const RasterizationKernelSet& set = rasterization_kernels();
  if constexpr (sizeof(Real) == sizeof(float)) {
    return set.for_float;
  } else {
    return set.for_double;
  }
}

// Adds a splat's slots of all its tiles, in slot order.
template <class Real>
void sum_slots(const SplatImageInput<Real>& input, const TileLists& lists, const SplatImageGradient<Real>& gradient, int threads) {
  const int slot_size = kSlotGradients + input.channels;
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      Real v_opacity = 0, v_beta = 0;
      for (int64_t c = 0; c < input.cameras; ++c) {
        const int64_t i = c * input.splats + n;
        Real sum[kSlotGradients + kMaxChannels] = {0};
        for (int64_t slot = lists.splat_offsets[i]; slot < lists.splat_offsets[i + 1]; ++slot) {
          for (int k = 0; k < slot_size; ++k) sum[k] += gradient.scratch[slot * slot_size + k];
        }
        for (int k = 0; k < slot_size; ++k) write_splat_gradient(gradient, input.channels, i, k, sum[k]);
        v_opacity += sum[kOpacity], v_beta += sum[kBeta];
      }
      gradient.v_opacities[n] = v_opacity;
      if (gradient.v_betas != nullptr) gradient.v_betas[n] = v_beta;
    }
  });
}

int64_t all_tiles(int64_t cameras, int width, int height) { return cameras * tile_count(width) * tile_count(height); }

}  // namespace

template <class Real>
void rasterize_splats(const SplatImageInput<Real>& input, const TileLists& lists, Real* features, Real* alphas, int threads) {
  const auto& kernel = kernels<Real>();
  parallel_for(all_tiles(input.cameras, input.width, input.height), 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) kernel.forward(input, lists, tile, features, alphas);
  });
}

template <class Real>
void median_depths(const SplatImageInput<Real>& input, const TileLists& lists, Real* depths, int threads) {
  const auto& kernel = kernels<Real>();
  SplatImageInput<Real> of_depths = input;
  of_depths.channels = 1, of_depths.colors = input.depths;
  parallel_for(all_tiles(input.cameras, input.width, input.height), 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) kernel.median(of_depths, lists, tile, depths);
  });
}

template <class Real>
void rasterize_splats_backward(const SplatImageInput<Real>& input, const TileLists& lists, const SplatImageGradient<Real>& gradient,
                               int threads) {
  const auto& kernel = kernels<Real>();
  parallel_for(all_tiles(input.cameras, input.width, input.height), 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) kernel.backward(input, lists, gradient, tile);
  });
  sum_slots(input, lists, gradient, threads);
}

template void rasterize_splats(const SplatImageInput<float>&, const TileLists&, float*, float*, int);
template void rasterize_splats(const SplatImageInput<double>&, const TileLists&, double*, double*, int);
template void median_depths(const SplatImageInput<float>&, const TileLists&, float*, int);
template void median_depths(const SplatImageInput<double>&, const TileLists&, double*, int);
template void rasterize_splats_backward(const SplatImageInput<float>&, const TileLists&, const SplatImageGradient<float>&, int);
template void rasterize_splats_backward(const SplatImageInput<double>&, const TileLists&, const SplatImageGradient<double>&, int);

}  // namespace splatkit
