#include "splatting/projection.h"

#include <vector>

#include "common/parallel.h"
#include "include/splatkit_native.h"
#include "splatting/camera_partials.h"
#include "splatting/compact_weight.h"

namespace splatkit {
using namespace portable;

namespace {

template <class Real>
std::vector<PinholeCamera<Real>> make_cameras(const ProjectionInput<Real>& input) {
  std::vector<PinholeCamera<Real>> cameras(input.cameras);
  for (int64_t c = 0; c < input.cameras; ++c) {
    cameras[c] = make_camera(input.viewmats + 16 * c, input.Ks + 9 * c, input.width, input.height, input.near, input.far);
    set_camera_model(cameras[c], input.camera_model, input.distortions == nullptr ? nullptr : input.distortions + 4 * c);
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
      const Real opacity = input.opacities[n], beta = input.betas[n];
      const Real q_max = input.kernel == kCompactBeta ? compact_support(opacity, beta) : gef_support(opacity, beta);
      for (int64_t c = 0; c < input.cameras; ++c) {
        ProjectedSplat<Real> splat;
        const int64_t i = c * input.splats + n;
        if (output.opacities != nullptr) {
          project_splat_antialiased(cameras[c], input.means + 3 * n, shape, opacity, beta, Real(input.eps2d), splat, output.opacities + i,
                                    output.betas + i);
        } else {
          project_splat(cameras[c], input.means + 3 * n, shape, q_max, Real(input.eps2d), splat);
        }
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
      Real v_opacity = 0, v_beta = 0;
      for (int64_t c = 0; c < input.cameras; ++c) {
        const int64_t i = c * input.splats + n;
        if (!(gradient.extents[2 * i] > 0)) continue;
        const Real *mean = input.means + 3 * n, *quat = input.quats + 4 * n;
        const Real *v_mean2d = gradient.v_means2d + 2 * i, *v_conic = gradient.v_conics + 3 * i;
        double* v_camera = partials + c * kCameraPartials;
        if (gradient.v_opacities != nullptr) {
          Real v_opacity_here = gradient.v_seen_opacities[i], v_beta_here = gradient.v_seen_betas[i];
          project_splat_antialiased_backward(cameras[c], mean, quat, shape, input.opacities[n], input.betas[n], Real(input.eps2d), v_mean2d,
                                             gradient.v_depths[i], v_conic, v_opacity_here, v_beta_here, sum, v_camera);
          v_opacity += v_opacity_here, v_beta += v_beta_here;
        } else {
          project_splat_backward(cameras[c], mean, quat, shape, Real(input.eps2d), v_mean2d, gradient.v_depths[i], v_conic, sum, v_camera);
        }
      }
      if (gradient.v_opacities != nullptr) gradient.v_opacities[n] = v_opacity, gradient.v_betas[n] = v_beta;
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
