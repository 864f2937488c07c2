#include <cstring>

#include "common/parallel.h"
#include "splatting/camera_partials.h"
#include "splatting/spherical_harmonics_kernels.h"

namespace splatkit {
using namespace portable;

template <class Real>
void sh_colors(const ShColorInput<Real>& input, Real* colors, int threads) {
  const auto& kernel = kernels_for<Real>(sh_kernels());
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) { kernel.forward(input, colors, begin, end); });
}

template <class Real>
void sh_colors_backward(const ShColorInput<Real>& input, const ShColorGradient<Real>& gradient, int threads) {
  const auto& kernel = kernels_for<Real>(sh_kernels());
  const bool cameras = gradient.v_viewmats != nullptr;
  if (cameras) std::memset(gradient.scratch, 0, sizeof(double) * projection_scratch_size(input.cameras, input.splats));
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    const int64_t first = begin / kSplatGrain * input.cameras * kCameraPartials;
    kernel.backward(input, gradient, begin, end, cameras ? gradient.scratch + first : nullptr);
  });
  if (cameras) sum_camera_partials<Real>(gradient.scratch, input.cameras, input.splats, gradient.v_viewmats, nullptr);
}

template void sh_colors(const ShColorInput<float>&, float*, int);
template void sh_colors(const ShColorInput<double>&, double*, int);
template void sh_colors_backward(const ShColorInput<float>&, const ShColorGradient<float>&, int);
template void sh_colors_backward(const ShColorInput<double>&, const ShColorGradient<double>&, int);

}  // namespace splatkit
