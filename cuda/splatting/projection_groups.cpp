// Compiled once per instruction set (see CMakeLists.txt): SPLATKIT_ISA names the set, SPLATKIT_LANES the floats in a register.
// Nothing here may instantiate a function with external linkage other than the kernel set itself.
#include <cstring>

#include "splatting/camera_partials.h"
#include "splatting/projection.h"
#include "splatting/projection_kernels.h"
#include "splatting/splat_lanes.h"

SPLATKIT_ISA_BEGIN

static_assert(kCameraGradients == kCameraPartials && kSplatGrain <= kSplatGrainMost, "a chunk fits");

template <class Real>
PinholeCamera<Real> camera_of(const ProjectionInput<Real>& input, int64_t c) {
  auto camera = make_camera(input.viewmats + 16 * c, input.Ks + 9 * c, input.width, input.height, input.near, input.far);
  set_camera_model(camera, input.camera_model, input.distortions == nullptr ? nullptr : input.distortions + 4 * c);
  return camera;
}

// A group of splats in world coordinates.
template <class V>
struct GroupInput {
  V mean[3], quat[4], opacity, beta;
  SplatShape<V> shape;

  template <class Real>
  SPLATKIT_HD GroupInput(const ProjectionInput<Real>& input, const SplatGroup<V>& group) {
    V scale[3];
    group.template take<3>(input.means, mean);
    group.template take<4>(input.quats, quat);
    group.template take<3>(input.scales, scale);
    group.template take<1>(input.opacities, &opacity);
    group.template take<1>(input.betas, &beta);
    shape = make_shape(quat, scale);
  }
};

template <class V, class Real>
void project_group(const ProjectionInput<Real>& input, const ProjectionOutput<Real>& output, int64_t c, const PinholeCamera<Real>& camera,
                   const SplatGroup<V>& group) {
  const GroupInput<V> in(input, group);
  const int64_t first = c * input.splats;
  ProjectedSplat<V> splat;
  if (output.opacities != nullptr) {
    V opacity, beta;
    project_splat_antialiased(camera, in.mean, in.shape, in.opacity, in.beta, Real(input.eps2d), splat, opacity, beta);
    group.template put<1>(&opacity, output.opacities + first);
    group.template put<1>(&beta, output.betas + first);
  } else {
    const V q_max = support_of(input.kernel, in.opacity, in.beta);
    project_splat(camera, in.mean, in.shape, q_max, Real(input.eps2d), splat);
  }
  group.template put<2>(splat.mean2d, output.means2d + 2 * first);
  group.template put<3>(splat.conic, output.conics + 3 * first);
  group.template put<1>(&splat.depth, output.depths + first);
  group.template put<2>(splat.extent, output.extents + 2 * first);
}

template <class V, class Real>
void project_chunk(const ProjectionInput<Real>& input, const ProjectionOutput<Real>& output, int64_t begin, int64_t end) {
  for (int64_t c = 0; c < input.cameras; ++c) {
    const PinholeCamera<Real> camera = camera_of(input, c);
    for (int64_t n = begin; n < end; n += kLanesOf<V>) {
      project_group<V>(input, output, c, camera, SplatGroup<V>(end - n, [&](int l) { return n + l; }));
    }
  }
}

// Adds the sum over lanes of each number to the partial sums of a camera.
template <class V>
SPLATKIT_HD void add_lanes(V* sums, double* partial) {
  if constexpr (kLanesOf<V> == 1) {
    for (int k = 0; k < kCameraPartials; ++k) partial[k] += sums[k];
  } else {
    alignas(64) typename V::Lane totals[kCameraPartials];
    sum_each<kCameraPartials>(sums, totals);
    for (int k = 0; k < kCameraPartials; ++k) partial[k] += totals[k];
  }
}

// Pinholes: the camera is one, and its gradient is not wanted.
template <bool Pinholes, class V, class Real>
void backward_group(const ProjectionInput<Real>& input, const ProjectionGradient<Real>& gradient, int64_t c,
                    const PinholeCamera<Real>& any_camera, const SplatGroup<V>& group, double* partial) {
  const PinholeCamera<Real> camera = known_model<Pinholes ? kPinhole : kAnyModel>(any_camera);
  const GroupInput<V> in(input, group);
  const V zero = V(Real(0));
  const int64_t first = c * input.splats;
  V v_mean2d[2], v_conic[3], v_depth, v_camera[kCameraPartials];
  group.template take_once<2>(gradient.v_means2d + 2 * first, v_mean2d);
  group.template take_once<3>(gradient.v_conics + 3 * first, v_conic);
  group.template take_once<1>(gradient.v_depths + first, &v_depth);
  for (V& v : v_camera) v = zero;
  const auto v_camera_or_not = sums_if<!Pinholes>(v_camera);
  SplatGradients<V> sum;
  for (V& v : sum.mean) v = zero;
  for (V& v : sum.quat) v = zero;
  for (V& v : sum.scale) v = zero;
  if (gradient.v_opacities != nullptr) {
    V v_opacity, v_beta;
    group.template take_once<1>(gradient.v_seen_opacities + first, &v_opacity);
    group.template take_once<1>(gradient.v_seen_betas + first, &v_beta);
    project_splat_antialiased_backward(camera, in.mean, in.quat, in.shape, in.opacity, in.beta, Real(input.eps2d), v_mean2d, v_depth,
                                       v_conic, v_opacity, v_beta, sum, v_camera_or_not);
    group.template add<1>(&v_opacity, gradient.v_opacities);
    group.template add<1>(&v_beta, gradient.v_betas);
  } else {
    project_splat_backward(camera, in.mean, in.quat, in.shape, Real(input.eps2d), v_mean2d, v_depth, v_conic, sum, v_camera_or_not);
  }
  group.template add<3>(sum.mean, gradient.v_means);
  group.template add<4>(sum.quat, gradient.v_quats);
  group.template add<3>(sum.scale, gradient.v_scales);
  if (!Pinholes && partial != nullptr) add_lanes(v_camera, partial);
}

template <class Real>
void clear_rows(Real* rows, int columns, int64_t begin, int64_t end) {
  if (rows != nullptr) std::memset(rows + columns * begin, 0, sizeof(Real) * columns * (end - begin));
}

template <class V, bool Pinholes, class Real>
void backward_chunk(const ProjectionInput<Real>& input, const ProjectionGradient<Real>& gradient, int64_t begin, int64_t end,
                    double* partials) {
  clear_rows(gradient.v_means, 3, begin, end);
  clear_rows(gradient.v_quats, 4, begin, end);
  clear_rows(gradient.v_scales, 3, begin, end);
  clear_rows(gradient.v_opacities, 1, begin, end);
  clear_rows(gradient.v_betas, 1, begin, end);
  for (int64_t c = 0; c < input.cameras; ++c) {
    const PinholeCamera<Real> camera = camera_of(input, c);
    const SeenSplats<Real> seen(gradient.extents + 2 * c * input.splats, begin, end);
    double* partial = partials == nullptr ? nullptr : partials + c * kCameraPartials;
    seen.template for_each_group<V>(
        [&](const SplatGroup<V>& group) { backward_group<Pinholes>(input, gradient, c, camera, group, partial); });
  }
}

// Fisheye cameras ask about one splat at a time.
template <class V>
void forward(const ProjectionInput<typename V::Lane>& input, const ProjectionOutput<typename V::Lane>& output, int64_t begin, int64_t end) {
  if (input.camera_model == kFisheye) return project_chunk<typename V::Lane>(input, output, begin, end);
  project_chunk<V>(input, output, begin, end);
}

template <class V>
void backward(const ProjectionInput<typename V::Lane>& input, const ProjectionGradient<typename V::Lane>& gradient, int64_t begin,
              int64_t end, double* partials) {
  if (input.camera_model == kFisheye) return backward_chunk<typename V::Lane, false>(input, gradient, begin, end, partials);
  if (input.camera_model == kPinhole && partials == nullptr) return backward_chunk<V, true>(input, gradient, begin, end, partials);
  backward_chunk<V, false>(input, gradient, begin, end, partials);
}

using FloatVec = Vec<float, SPLATKIT_LANES>;
using DoubleVec = Vec<double, SPLATKIT_LANES / 2>;

constexpr ProjectionKernelSet kernel_set = {{forward<FloatVec>, backward<FloatVec>}, {forward<DoubleVec>, backward<DoubleVec>}};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(ProjectionKernelSet, projection_kernels, kernel_set)
