#include "splatting/projection.h"

#include <vector>

#include "common/parallel.h"
#include "include/splatkit_native.h"
#include "splatting/camera_partials.h"

namespace splatkit {
using namespace portable;

namespace {

template <class Real>
std::vector<PinholeCamera<Real>> make_cameras(const ProjectionInput<Real>& input) {
  std::vector<PinholeCamera<Real>> cameras(input.cameras);
  for (int64_t c = 0; c < input.cameras; ++c) {
    cameras[c] = make_camera(input.viewmats + 16 * c, input.Ks + 9 * c, input.width, input.height, input.near, input.far);
  }
  return cameras;
}

}  // namespace

int64_t projection_scratch_size(int64_t cameras, int64_t splats) { return splat_chunks(splats) * cameras * kCameraPartials; }

template <class Real>
void project_splats(const ProjectionInput<Real>& input, const ProjectionOutput<Real>& output, int threads) {
  const auto cameras = make_cameras(input);
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const SplatShape<Real> shape = make_shape(input.quats + 4 * n, input.scales + 3 * n);
      const Real q_max = gef_support(input.opacities[n], input.betas[n]);
      for (int64_t c = 0; c < input.cameras; ++c) {
        ProjectedSplat<Real> splat;
        project_splat(cameras[c], input.means + 3 * n, shape, q_max, Real(input.eps2d), splat);
        const int64_t i = c * input.splats + n;
        for (int k = 0; k < 2; ++k) output.means2d[2 * i + k] = splat.mean2d[k], output.extents[2 * i + k] = splat.extent[k];
        for (int k = 0; k < 3; ++k) output.conics[3 * i + k] = splat.conic[k];
        output.depths[i] = splat.depth;
      }
    }
  });
}

template <class Real>
void project_splats_backward(const ProjectionInput<Real>& input, const ProjectionGradient<Real>& gradient, int threads) {
  const auto cameras = make_cameras(input);
  std::memset(gradient.scratch, 0, sizeof(double) * projection_scratch_size(input.cameras, input.splats));
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    double* partials = gradient.scratch + begin / kSplatGrain * input.cameras * kCameraPartials;
    for (int64_t n = begin; n < end; ++n) {
      const SplatShape<Real> shape = make_shape(input.quats + 4 * n, input.scales + 3 * n);
      SplatGradients<Real> sum = {};
      for (int64_t c = 0; c < input.cameras; ++c) {
        const int64_t i = c * input.splats + n;
        if (!(gradient.extents[2 * i] > 0)) continue;
        project_splat_backward(cameras[c], input.means + 3 * n, input.quats + 4 * n, shape, Real(input.eps2d), gradient.v_means2d + 2 * i,
                               gradient.v_depths[i], gradient.v_conics + 3 * i, sum, partials + c * kCameraPartials);
      }
      for (int k = 0; k < 3; ++k) gradient.v_means[3 * n + k] = sum.mean[k], gradient.v_scales[3 * n + k] = sum.scale[k];
      for (int k = 0; k < 4; ++k) gradient.v_quats[4 * n + k] = sum.quat[k];
    }
  });
  sum_camera_partials(gradient.scratch, input.cameras, input.splats, gradient.v_viewmats, gradient.v_Ks);
}

template void project_splats(const ProjectionInput<float>&, const ProjectionOutput<float>&, int);
template void project_splats(const ProjectionInput<double>&, const ProjectionOutput<double>&, int);
template void project_splats_backward(const ProjectionInput<float>&, const ProjectionGradient<float>&, int);
template void project_splats_backward(const ProjectionInput<double>&, const ProjectionGradient<double>&, int);

}  // namespace splatkit
