#include "splatting/projection.h"

#include "common/block.h"
#include "splatting/camera_sums.h"

namespace splatkit {
using namespace portable;

namespace {

__device__ PinholeCamera<float> camera_of(const ProjectionInput<float>& input, int64_t c) {
  PinholeCamera<float> camera = make_camera(input.viewmats + 16 * c, input.Ks + 9 * c, input.width, input.height, input.near, input.far);
  set_camera_model(camera, input.camera_model, input.distortions == nullptr ? nullptr : input.distortions + 4 * c);
  return camera;
}

// One thread a splat and camera.
template <bool Antialiased>
__global__ void __launch_bounds__(kBlockThreads) project_splats_kernel(ProjectionInput<float> input, ProjectionOutput<float> output) {
  const int64_t i = thread_of_grid();
  if (i >= input.cameras * input.splats) return;
  const int64_t n = i % input.splats;
  const SplatShape<float> shape = make_shape(input.quats + 4 * n, input.scales + 3 * n);
  const float opacity = input.opacities[n], beta = input.betas[n], eps2d = static_cast<float>(input.eps2d);
  const PinholeCamera<float> camera = camera_of(input, i / input.splats);
  ProjectedSplat<float> splat;
  if (Antialiased) {
    project_splat_antialiased(camera, input.means + 3 * n, shape, opacity, beta, eps2d, splat, output.opacities[i], output.betas[i]);
  } else {
    const float q_max = support_of(input.kernel, opacity, beta);
    project_splat(camera, input.means + 3 * n, shape, q_max, eps2d, splat);
  }
  for (int k = 0; k < 2; ++k) output.means2d[2 * i + k] = splat.mean2d[k], output.extents[2 * i + k] = splat.extent[k];
  for (int k = 0; k < 3; ++k) output.conics[3 * i + k] = splat.conic[k];
  output.depths[i] = splat.depth;
}

// One thread a splat; cameras one after the other. Training asks for the gradients of no camera and has pinholes: with neither sums over
// blocks nor other models (Pinholes) a thread needs a quarter fewer registers, and two blocks fit instead of one.
template <bool Antialiased, bool Pinholes>
__global__ void __launch_bounds__(kBlockThreads)
    project_splats_backward_kernel(ProjectionInput<float> input, ProjectionGradient<float> gradient) {
  const int64_t n = thread_of_grid();
  const bool present = n < input.splats;
  SplatShape<float> shape = {};
  if (present) shape = make_shape(input.quats + 4 * n, input.scales + 3 * n);
  SplatGradients<float> sum = {};
  float v_opacity = 0, v_beta = 0;
  for (int64_t c = 0; c < input.cameras; ++c) {
    const int64_t i = c * input.splats + n;
    double v_camera[kCameraGradients] = {0};
    const auto v_camera_or_not = sums_if<!Pinholes>(v_camera);
    if (present && gradient.extents[2 * i] > 0) {
      const float *mean = input.means + 3 * n, *quat = input.quats + 4 * n, eps2d = static_cast<float>(input.eps2d);
      const float *v_mean2d = gradient.v_means2d + 2 * i, *v_conic = gradient.v_conics + 3 * i;
      const PinholeCamera<float> camera = known_model<Pinholes ? kPinhole : kAnyModel>(camera_of(input, c));
      if (Antialiased) {
        float v_opacity_here = gradient.v_seen_opacities[i], v_beta_here = gradient.v_seen_betas[i];
        project_splat_antialiased_backward(camera, mean, quat, shape, input.opacities[n], input.betas[n], eps2d, v_mean2d,
                                           gradient.v_depths[i], v_conic, v_opacity_here, v_beta_here, sum, v_camera_or_not);
        v_opacity += v_opacity_here, v_beta += v_beta_here;
      } else {
        project_splat_backward(camera, mean, quat, shape, eps2d, v_mean2d, gradient.v_depths[i], v_conic, sum, v_camera_or_not);
      }
    }
    if (!Pinholes && gradient.v_viewmats != nullptr)
      block_sums(v_camera, gradient.scratch + (blockIdx.x * input.cameras + c) * kCameraPartials);
  }
  if (!present) return;
  if (Antialiased) gradient.v_opacities[n] = v_opacity, gradient.v_betas[n] = v_beta;
  for (int k = 0; k < 3; ++k) gradient.v_means[3 * n + k] = sum.mean[k], gradient.v_scales[3 * n + k] = sum.scale[k];
  for (int k = 0; k < 4; ++k) gradient.v_quats[4 * n + k] = sum.quat[k];
}

template <bool Antialiased>
auto backward_kernel(const ProjectionInput<float>& input, const ProjectionGradient<float>& gradient) {
  const bool pinholes = gradient.v_viewmats == nullptr && input.camera_model == kPinhole;
  return pinholes ? project_splats_backward_kernel<Antialiased, true> : project_splats_backward_kernel<Antialiased, false>;
}

}  // namespace

int64_t projection_scratch_size_cuda(int64_t cameras, int64_t splats) {
  return blocks_of(splats, kBlockThreads) * cameras * kCameraPartials;
}

void project_splats_cuda(const ProjectionInput<float>& input, const ProjectionOutput<float>& output, CudaStream stream) {
  const auto kernel = output.opacities != nullptr ? project_splats_kernel<true> : project_splats_kernel<false>;
  launch(kernel, grid_of(input.cameras * input.splats), dim3(kBlockThreads), 0, stream, input, output);
}

void project_splats_backward_cuda(const ProjectionInput<float>& input, const ProjectionGradient<float>& gradient, CudaStream stream) {
  const auto kernel = gradient.v_opacities != nullptr ? backward_kernel<true>(input, gradient) : backward_kernel<false>(input, gradient);
  launch(kernel, grid_of(input.splats), dim3(kBlockThreads), 0, stream, input, gradient);
  if (gradient.v_viewmats == nullptr) return;
  launch_sum_camera_partials(gradient.scratch, input.cameras, input.splats, gradient.v_viewmats, gradient.v_Ks, stream);
}

}  // namespace splatkit
