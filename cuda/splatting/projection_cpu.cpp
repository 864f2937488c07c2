#include <cstring>

#include "common/parallel.h"
#include "splatting/camera_partials.h"
#include "splatting/projection_kernels.h"

namespace splatkit {
using namespace portable;

int64_t projection_scratch_size(int64_t cameras, int64_t splats) { return splat_chunks(splats) * cameras * kCameraPartials; }

template <class Real>
void project_splats(const ProjectionInput<Real>& input, const ProjectionOutput<Real>& output, int threads) {
  const auto& kernel = kernels_for<Real>(projection_kernels());
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) { kernel.forward(input, output, begin, end); });
}

template <class Real>
void project_splats_backward(const ProjectionInput<Real>& input, const ProjectionGradient<Real>& gradient, int threads) {
  const auto& kernel = kernels_for<Real>(projection_kernels());
  const bool cameras = gradient.v_viewmats != nullptr;
  if (cameras) std::memset(gradient.scratch, 0, sizeof(double) * projection_scratch_size(input.cameras, input.splats));
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    const int64_t first = begin / kSplatGrain * input.cameras * kCameraPartials;
    kernel.backward(input, gradient, begin, end, cameras ? gradient.scratch + first : nullptr);
  });
  if (cameras) sum_camera_partials(gradient.scratch, input.cameras, input.splats, gradient.v_viewmats, gradient.v_Ks);
}

template void project_splats(const ProjectionInput<float>&, const ProjectionOutput<float>&, int);
template void project_splats(const ProjectionInput<double>&, const ProjectionOutput<double>&, int);
template void project_splats_backward(const ProjectionInput<float>&, const ProjectionGradient<float>&, int);
template void project_splats_backward(const ProjectionInput<double>&, const ProjectionGradient<double>&, int);

}  // namespace splatkit
