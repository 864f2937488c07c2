#include "splatting/spherical_harmonics.h"

#include "common/parallel.h"
#include "include/splatkit_native.h"
#include "splatting/camera_partials.h"

namespace splatkit {
using namespace portable;

template <class Real>
void sh_colors(const ShColorInput<Real>& input, Real* colors, int threads) {
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t c = 0; c < input.cameras; ++c) {
      Real center[3], direction[3];
      camera_center(input.viewmats + 16 * c, center);
      for (int64_t n = begin; n < end; ++n) {
        const int64_t i = c * input.splats + n;
        Real* color = colors + 3 * i;
        color[0] = color[1] = color[2] = 0;
        if (!(input.extents[2 * i] > 0)) continue;
        view_direction(input.means + 3 * n, center, direction);
        sh_color(input.degree, direction, input.coefficients + 3 * input.bases * n, color);
      }
    }
  });
}

template <class Real>
void sh_colors_backward(const ShColorInput<Real>& input, const ShColorGradient<Real>& gradient, int threads) {
  std::memset(gradient.scratch, 0, sizeof(double) * projection_scratch_size(input.cameras, input.splats));
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    double* partials = gradient.scratch + begin / kSplatGrain * input.cameras * kCameraPartials;
    const int64_t stride = 3 * input.bases;
    for (int64_t i = begin * stride; i < end * stride; ++i) gradient.v_coefficients[i] = 0;
    for (int64_t i = begin * 3; i < end * 3; ++i) gradient.v_means[i] = 0;
    for (int64_t c = 0; c < input.cameras; ++c) {
      const Real* viewmat = input.viewmats + 16 * c;
      Real center[3], direction[3];
      double v_center[3] = {0, 0, 0};
      camera_center(viewmat, center);
      for (int64_t n = begin; n < end; ++n) {
        const int64_t i = c * input.splats + n;
        if (!(input.extents[2 * i] > 0)) continue;
        const Real distance = view_direction(input.means + 3 * n, center, direction);
        Real v_mean[3] = {0, 0, 0};
        sh_color_backward(input.degree, direction, distance, input.coefficients + stride * n, gradient.colors + 3 * i,
                          gradient.v_colors + 3 * i, gradient.v_coefficients + stride * n, v_mean);
        for (int k = 0; k < 3; ++k) gradient.v_means[3 * n + k] += v_mean[k], v_center[k] -= v_mean[k];
      }
      add_center_gradient(viewmat, v_center, partials + c * kCameraPartials);
    }
  });
  sum_camera_partials<Real>(gradient.scratch, input.cameras, input.splats, gradient.v_viewmats, nullptr);
}

template void sh_colors(const ShColorInput<float>&, float*, int);
template void sh_colors(const ShColorInput<double>&, double*, int);
template void sh_colors_backward(const ShColorInput<float>&, const ShColorGradient<float>&, int);
template void sh_colors_backward(const ShColorInput<double>&, const ShColorGradient<double>&, int);

}  // namespace splatkit
