#include "splatting/spherical_harmonics.h"

#include <type_traits>

#include "common/block.h"
#include "splatting/camera_sums.h"

namespace splatkit {
using namespace portable;

namespace {

// One thread a splat and camera.
template <int Degree>
__global__ void __launch_bounds__(kBlockThreads) sh_colors_kernel(ShColorInput<float> input, float* colors) {
  const int64_t i = thread_of_grid();
  if (i >= input.cameras * input.splats) return;
  const int64_t n = i % input.splats;
  float color[3] = {0, 0, 0};
  if (input.extents[2 * i] > 0) {
    float center[3], direction[3];
    camera_center(input.viewmats + 16 * (i / input.splats), center);
    view_direction(input.means + 3 * n, center, direction);
    sh_color(Degree, direction, {input.constants + input.constant_stride * n, input.others + input.other_stride * n}, color);
  }
  for (int k = 0; k < 3; ++k) colors[3 * i + k] = color[k];
}

struct CenterTotal {
  double at[4];  // x, y, z and one that is always 0
};

// Zeros from a basis on.
__device__ void clear_row(ShRow<float> row, int from, int64_t bases) {
  for (int64_t k = from; k < bases; ++k) {
    for (int channel = 0; channel < 3; ++channel) row.of(static_cast<int>(k))[channel] = 0;
  }
}

// One thread a splat; cameras one after the other. The first that sees a splat writes its row, which is stored once where one camera is
// rendered. Cameras: whether gradients of their centers are wanted, summed over the block.
template <int Degree, bool Cameras>
__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks)
    sh_colors_backward_kernel(ShColorInput<float> input, ShColorGradient<float> gradient) {
  const int64_t n = thread_of_grid(), constants_at = input.constant_stride * n, others_at = input.other_stride * n;
  const ShRow<const float> row = {input.constants + constants_at, input.others + others_at};
  const ShRow<float> v_row = {gradient.v_constants + constants_at, gradient.v_others + others_at};
  const bool present = n < input.splats;
  bool written = false;
  float v_splat[3] = {0, 0, 0};
  for (int64_t c = 0; c < input.cameras; ++c) {
    const int64_t i = c * input.splats + n;
    const float* viewmat = input.viewmats + 16 * c;
    float v_mean[3] = {0, 0, 0};
    if (present && input.extents[2 * i] > 0) {
      float center[3], direction[3];
      camera_center(viewmat, center);
      const float distance = view_direction(input.means + 3 * n, center, direction);
      const float *color = gradient.colors + 3 * i, *v_color = gradient.v_colors + 3 * i;
      if (written) {
        sh_color_backward<true>(Degree, direction, distance, row, color, v_color, v_row, v_mean);
      } else {
        sh_color_backward<false>(Degree, direction, distance, row, color, v_color, v_row, v_mean);
      }
      written = true;
    }
    for (int k = 0; k < 3; ++k) v_splat[k] += v_mean[k];
    if (!Cameras) continue;
    CenterTotal& total = shared_memory<CenterTotal>();
    double v_center[4] = {-v_mean[0], -v_mean[1], -v_mean[2], 0};
    block_sums(v_center, total.at);
    if (thread_of_block() == 0) {
      double* partial = gradient.scratch + (blockIdx.x * input.cameras + c) * kCameraPartials;
      for (int k = 0; k < kCameraPartials; ++k) partial[k] = 0;
      add_center_gradient(viewmat, total.at, partial);
    }
  }
  if (!present) return;
  clear_row(v_row, written ? (Degree + 1) * (Degree + 1) : 0, input.bases);
  for (int k = 0; k < 3; ++k) gradient.v_means[3 * n + k] = v_splat[k];
}

// Calls body(number) with the degree as a constant: the bases then stay in registers.
template <class Body>
void with_degree(int degree, const Body& body) {
  switch (degree) {
    case 0: return body(std::integral_constant<int, 0>());
    case 1: return body(std::integral_constant<int, 1>());
    case 2: return body(std::integral_constant<int, 2>());
    default: return body(std::integral_constant<int, 3>());
  }
}

}  // namespace

void sh_colors_cuda(const ShColorInput<float>& input, float* colors, CudaStream stream) {
  with_degree(input.degree, [&](auto degree) {
    launch(sh_colors_kernel<decltype(degree)::value>, grid_of(input.cameras * input.splats), dim3(kBlockThreads), 0, stream, input, colors);
  });
}

void sh_colors_backward_cuda(const ShColorInput<float>& input, const ShColorGradient<float>& gradient, CudaStream stream) {
  with_degree(input.degree, [&](auto degree) {
    constexpr int kDegree = decltype(degree)::value;
    const auto kernel =
        gradient.v_viewmats != nullptr ? sh_colors_backward_kernel<kDegree, true> : sh_colors_backward_kernel<kDegree, false>;
    launch(kernel, grid_of(input.splats), dim3(kBlockThreads), 0, stream, input, gradient);
  });
  if (gradient.v_viewmats == nullptr) return;
  launch_sum_camera_partials(gradient.scratch, input.cameras, input.splats, gradient.v_viewmats, nullptr, stream);
}

}  // namespace splatkit
