// Projection of one splat, or of a vector of them (V), into one camera by the local affine approximation, and its derivatives.
// EWA splatting (Zwicker et al. 2001), 3D Gaussian Splatting (arXiv 2308.04079). Ours: the support is the ellipse where the splat still
// reaches the smallest composited alpha, for its own opacity and exponent; gradients reach the camera and its intrinsics.
#pragma once
#include "common/host_device.h"
#include "common/scalar_math.h"
#include "splatting/antialiasing.h"
#include "splatting/camera_models.h"
#include "splatting/profiles.h"

SPLATKIT_ISA_BEGIN

template <class Real>
SPLATKIT_HD PinholeCamera<Real> make_camera(const Real* viewmat, const Real* K, int width, int height, double near, double far) {
  PinholeCamera<Real> camera;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) camera.rotation[3 * i + j] = viewmat[4 * i + j];
    camera.translation[i] = viewmat[4 * i + 3];
  }
  camera.fx = K[0], camera.fy = K[4], camera.cx = K[2], camera.cy = K[5];
  camera.width = Real(width), camera.height = Real(height), camera.near = Real(near), camera.far = Real(far);
  const Real size[2] = {camera.width, camera.height}, focal[2] = {camera.fx, camera.fy}, center[2] = {camera.cx, camera.cy};
  for (int i = 0; i < 2; ++i) {
    const Real margin = Real(0.5 * kFrustumMargin) * size[i] / focal[i];
    camera.slope_low[i] = -center[i] / focal[i] - margin;
    camera.slope_high[i] = (size[i] - center[i]) / focal[i] + margin;
  }
  return camera;
}

// distortion: fisheye's k1 to k4; null for the other models.
template <class Real>
SPLATKIT_HD void set_camera_model(PinholeCamera<Real>& camera, int model, const Real* distortion) {
  camera.model = model;
  if (distortion != nullptr) {
    for (int i = 0; i < 4; ++i) camera.distortion[i] = distortion[i];
  }
}

template <class Real>
struct SplatShape {
  Real rotation[9];  // of the normalized quaternion, row-major
  Real norm;         // of the quaternion as given
  Real scale[3];
};

// quat: w, x, y, z of any non-zero norm.
template <class Real>
SPLATKIT_HD SplatShape<Real> make_shape(const Real* quat, const Real* scale) {
  SplatShape<Real> shape;
  shape.norm = sqrt(quat[0] * quat[0] + quat[1] * quat[1] + quat[2] * quat[2] + quat[3] * quat[3]);
  const Real s = Real(1) / shape.norm, w = quat[0] * s, x = quat[1] * s, y = quat[2] * s, z = quat[3] * s;
  const Real r[9] = {1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z),    1 - 2 * (x * x + z * z),
                     2 * (y * z - w * x),     2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)};
  for (int i = 0; i < 9; ++i) shape.rotation[i] = r[i];
  for (int i = 0; i < 3; ++i) shape.scale[i] = scale[i];
  return shape;
}

// What forward and backward both need: the splat in camera coordinates and the square root P of its 2-D covariance.
template <class Real>
struct Projection {
  Real point[3];           // camera coordinates
  PointImage<Real> image;  // where it appears (px), and the Jacobian
  Real factor[9];          // rotation_camera * rotation_splat * diag(scale)
  Real p[2][3];            // Jacobian * factor
  Real xx, xy, yy;         // 2-D covariance
};

// False where the splat lies outside near and far, or has no proper image.
template <class V, class Real>
SPLATKIT_HD auto project(const PinholeCamera<Real>& camera, const V* mean, const SplatShape<V>& shape, Real eps2d, Projection<V>& out) ->
    typename MaskOf<V>::type {
  using Mask = typename MaskOf<V>::type;
  for (int i = 0; i < 3; ++i) {
    const Real* row = camera.rotation + 3 * i;
    out.point[i] = row[0] * mean[0] + row[1] * mean[1] + row[2] * mean[2] + camera.translation[i];
  }
  const V z = out.point[2];
  const Mask between = (z > V(camera.near)) & (z < V(camera.far));
  if (!any<V>(between) || !image_of_point(camera, out.point, out.image)) return Mask{};
  const Real focal[2] = {camera.fx, camera.fy}, center[2] = {camera.cx, camera.cy};
  for (int i = 0; i < 2; ++i) {
    out.image.mean2d[i] = focal[i] * out.image.mean2d[i] + center[i];
    for (int k = 0; k < 3; ++k) out.image.jacobian[i][k] = focal[i] * out.image.jacobian[i][k];
  }
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      V dot = V(Real(0));
      for (int k = 0; k < 3; ++k) dot += camera.rotation[3 * i + k] * shape.rotation[3 * k + j];
      out.factor[3 * i + j] = dot * shape.scale[j];
    }
  }
  for (int i = 0; i < 2; ++i) {
    const V* row = out.image.jacobian[i];
    for (int j = 0; j < 3; ++j) out.p[i][j] = row[0] * out.factor[j] + row[1] * out.factor[3 + j] + row[2] * out.factor[6 + j];
  }
  const V(&p)[2][3] = out.p;
  out.xx = p[0][0] * p[0][0] + p[0][1] * p[0][1] + p[0][2] * p[0][2] + eps2d;
  out.xy = p[0][0] * p[1][0] + p[0][1] * p[1][1] + p[0][2] * p[1][2];
  out.yy = p[1][0] * p[1][0] + p[1][1] * p[1][1] + p[1][2] * p[1][2] + eps2d;
  const V determinant = out.xx * out.yy - out.xy * out.xy, zero = V(Real(0));
  return between & (determinant > zero) & (determinant - determinant == zero);  // the last is false for infinity and NaN
}

template <class Real>
struct ProjectedSplat {
  Real mean2d[2], depth, conic[3], extent[2];
};

template <class Real>
SPLATKIT_HD void clear_splat(ProjectedSplat<Real>& out) {
  const Real zero = Real(0);
  out = {{zero, zero}, zero, {zero, zero, zero}, {zero, zero}};
}

// The splat where `seen` holds and its support meets the image; zeros elsewhere. determinant: of the covariance.
template <class V, class Real>
SPLATKIT_HD auto place_splat(const PinholeCamera<Real>& camera, const Projection<V>& projection, typename MaskOf<V>::type seen, V xx, V xy,
                             V yy, V determinant, V q_max, ProjectedSplat<V>& out) {
  const V x = projection.image.mean2d[0], y = projection.image.mean2d[1], zero = V(Real(0));
  const V extent_x = sqrt(q_max * xx), extent_y = sqrt(q_max * yy);
  const typename MaskOf<V>::type placed = seen & (q_max > zero) & (x + extent_x > zero) & (x - extent_x < V(camera.width)) &
                                          (y + extent_y > zero) & (y - extent_y < V(camera.height));
  const V inverse = V(Real(1)) / determinant;
  const auto shown = [&](V value) { return select(placed, value, zero); };
  out = {{shown(x), shown(y)},
         shown(projection.point[2]),
         {shown(yy * inverse), shown(-xy * inverse), shown(xx * inverse)},
         {shown(extent_x), shown(extent_y)}};
  return placed;
}

// Zeros where the splat is not visible.
template <class V, class Real>
SPLATKIT_HD void project_splat(const PinholeCamera<Real>& camera, const V* mean, const SplatShape<V>& shape, V q_max, Real eps2d,
                               ProjectedSplat<V>& out) {
  Projection<V> f;
  const auto seen = project(camera, mean, shape, eps2d, f);
  if (!any<V>(seen)) return clear_splat(out);
  place_splat(camera, f, seen, f.xx, f.xy, f.yy, f.xx * f.yy - f.xy * f.xy, q_max, out);
}

// The splat before the pixel's filter. Its determinant by Cauchy and Binet: the difference of products would cancel for needles.
template <class Real>
SPLATKIT_HD ImageSplat<Real> unfiltered_splat(const Projection<Real>& f, Real opacity, Real beta) {
  const Real(&p)[2][3] = f.p;
  const Real x = p[0][1] * p[1][2] - p[0][2] * p[1][1], y = p[0][2] * p[1][0] - p[0][0] * p[1][2];
  const Real z = p[0][0] * p[1][1] - p[0][1] * p[1][0];
  return {f.xx, f.xy, f.yy, x * x + y * y + z * z, opacity, beta};
}

// As project_splat, with the moment-matched pixel filter of variance `pixel` (px^2) in place of a widened covariance. filtered: opacity and
// exponent as this camera sees them; zeros where not visible.
template <class V, class Real>
SPLATKIT_HD void project_splat_antialiased(const PinholeCamera<Real>& camera, const V* mean, const SplatShape<V>& shape, V opacity, V beta,
                                           Real pixel, ProjectedSplat<V>& out, V& filtered_opacity, V& filtered_beta) {
  Projection<V> f;
  const V zero = V(Real(0));
  filtered_opacity = filtered_beta = zero;
  const typename MaskOf<V>::type seen = project(camera, mean, shape, Real(0), f) & (opacity > V(Real(kAlphaMin))) & (beta > zero);
  if (!any<V>(seen)) return clear_splat(out);
  const ImageSplat<V> splat = filter_splat(unfiltered_splat(f, opacity, beta), V(pixel)).out;
  const V q_max = GeneralizedExponential::support(splat.opacity, splat.beta);
  const auto placed = place_splat(camera, f, seen, splat.xx, splat.xy, splat.yy, splat.determinant, q_max, out);
  filtered_opacity = select(placed, splat.opacity, zero), filtered_beta = select(placed, splat.beta, zero);
}

// Gradients with respect to one camera: rotation (9, row-major), translation (3), fx, fy, cx, cy.
constexpr int kCameraGradients = 16;

// Takes the place of those sums where nobody wants them: what only they need is then not computed.
struct IgnoredSums {
  struct Nowhere {
    template <class T>
    SPLATKIT_HD void operator+=(const T&) const {}
  };
  SPLATKIT_HD Nowhere operator[](int) const { return {}; }
};

template <bool Wanted, class Sum>
SPLATKIT_HD auto sums_if(Sum* sums) {
  if constexpr (Wanted) {
    return sums;
  } else {
    return IgnoredSums{};
  }
}

template <class Real>
struct SplatGradients {
  Real mean[3], quat[4], scale[3];
};

template <class Real>
SPLATKIT_HD void quat_gradient(const Real* quat, Real norm, const Real* v_rotation, Real* v_quat) {
  const Real s = Real(1) / norm, w = quat[0] * s, x = quat[1] * s, y = quat[2] * s, z = quat[3] * s;
  const Real* r = v_rotation;
  const Real v[4] = {2 * (x * (r[7] - r[5]) + y * (r[2] - r[6]) + z * (r[3] - r[1])),
                     2 * (y * (r[1] + r[3]) + z * (r[2] + r[6]) + w * (r[7] - r[5]) - 2 * x * (r[4] + r[8])),
                     2 * (x * (r[1] + r[3]) + z * (r[5] + r[7]) + w * (r[2] - r[6]) - 2 * y * (r[0] + r[8])),
                     2 * (x * (r[2] + r[6]) + y * (r[5] + r[7]) + w * (r[3] - r[1]) - 2 * z * (r[0] + r[4]))};
  const Real along = v[0] * w + v[1] * x + v[2] * y + v[3] * z;  // the norm does not matter: its direction is taken out
  v_quat[0] += (v[0] - along * w) * s;
  v_quat[1] += (v[1] - along * x) * s;
  v_quat[2] += (v[2] - along * y) * s;
  v_quat[3] += (v[3] - along * z) * s;
}

// Gradient of a covariance (xx, xy, yy) from that of its inverse: v_cov = -X v_X X with X the conic, whose packed b stands for two entries.
// xy: for each of its two places.
template <class Real>
SPLATKIT_HD void covariance_gradient(const Real* conic, const Real* v_conic, Real* v_covariance) {
  const Real a = conic[0], b = conic[1], c = conic[2];
  const Real va = v_conic[0], vb = Real(0.5) * v_conic[1], vc = v_conic[2];
  const Real ax = va * a + vb * b, ay = va * b + vb * c, bx = vb * a + vc * b, by = vb * b + vc * c;
  v_covariance[0] = -(a * ax + b * bx), v_covariance[1] = -(a * ay + b * by), v_covariance[2] = -(b * ay + c * by);
}

// Adds the gradients of one visible splat in one camera to `splat` and `v_camera` (kCameraGradients sums, or IgnoredSums), from those of its covariance
// (xx, xy for each of two places, yy), mean and depth.
template <class V, class Real, class Sums>
SPLATKIT_HD void projection_gradient(const PinholeCamera<Real>& camera, const V* mean, const V* quat, const SplatShape<V>& shape,
                                     const Projection<V>& f, const V* v_covariance, const V* v_mean2d, V v_depth, SplatGradients<V>& splat,
                                     Sums v_camera) {
  using D = Dual<V, 3>;
  const V zero = V(Real(0));
  const D point[3] = {D::input(f.point[0], 0), D::input(f.point[1], 1), D::input(f.point[2], 2)};
  PointImage<D> image;
  image_of_point(camera, point, image);
  const Real focal[2] = {camera.fx, camera.fy};
  V v_factor[9], v_point[3] = {zero, zero, v_depth};
  for (int i = 0; i < 9; ++i) v_factor[i] = zero;
  for (int i = 0; i < 2; ++i) {
    V v_p[3], v_focal = v_mean2d[i] * image.mean2d[i].value;
    for (int j = 0; j < 3; ++j) v_p[j] = 2 * (v_covariance[i] * f.p[0][j] + v_covariance[i + 1] * f.p[1][j]);
    for (int k = 0; k < 3; ++k) {
      V v_jacobian = zero;
      for (int j = 0; j < 3; ++j) {
        v_jacobian += v_p[j] * f.factor[3 * k + j];
        v_factor[3 * k + j] += f.image.jacobian[i][k] * v_p[j];
      }
      v_focal += v_jacobian * image.jacobian[i][k].value;
      for (int q = 0; q < 3; ++q) v_point[q] += focal[i] * v_jacobian * image.jacobian[i][k].slope[q];
    }
    for (int q = 0; q < 3; ++q) v_point[q] += focal[i] * v_mean2d[i] * image.mean2d[i].slope[q];
    v_camera[12 + i] += v_focal;
    v_camera[14 + i] += v_mean2d[i];
  }

  V v_rotation[9];
  for (int k = 0; k < 3; ++k) {
    for (int j = 0; j < 3; ++j) {
      V v_m = zero;  // gradient of rotation_splat * diag(scale)
      for (int i = 0; i < 3; ++i) {
        v_m += camera.rotation[3 * i + k] * v_factor[3 * i + j];
        v_camera[3 * i + k] += v_factor[3 * i + j] * shape.rotation[3 * k + j] * shape.scale[j];
      }
      splat.scale[j] += v_m * shape.rotation[3 * k + j];
      v_rotation[3 * k + j] = v_m * shape.scale[j];
    }
    splat.mean[k] += camera.rotation[k] * v_point[0] + camera.rotation[3 + k] * v_point[1] + camera.rotation[6 + k] * v_point[2];
  }
  quat_gradient(quat, shape.norm, v_rotation, splat.quat);
  for (int i = 0; i < 3; ++i) {
    for (int k = 0; k < 3; ++k) v_camera[3 * i + k] += v_point[i] * mean[k];
    v_camera[9 + i] += v_point[i];
  }
}

// Adds the gradients of one splat that project_splat found visible to `splat` and `v_camera` (kCameraGradients sums, or IgnoredSums).
template <class V, class Real, class Sums>
SPLATKIT_HD void project_splat_backward(const PinholeCamera<Real>& camera, const V* mean, const V* quat, const SplatShape<V>& shape,
                                        Real eps2d, const V* v_mean2d, V v_depth, const V* v_conic, SplatGradients<V>& splat,
                                        Sums v_camera) {
  Projection<V> f;
  if (!any<V>(project(camera, mean, shape, eps2d, f))) return;
  const V inverse = V(Real(1)) / (f.xx * f.yy - f.xy * f.xy);
  const V conic[3] = {f.yy * inverse, -f.xy * inverse, f.xx * inverse};
  V v_covariance[3];
  covariance_gradient(conic, v_conic, v_covariance);
  projection_gradient(camera, mean, quat, shape, f, v_covariance, v_mean2d, v_depth, splat, v_camera);
}

// The same for project_splat_antialiased. v_opacity, v_beta: in, of the filtered splat; out, of the splat.
template <class V, class Real, class Sums>
SPLATKIT_HD void project_splat_antialiased_backward(const PinholeCamera<Real>& camera, const V* mean, const V* quat,
                                                    const SplatShape<V>& shape, V opacity, V beta, Real pixel, const V* v_mean2d, V v_depth,
                                                    const V* v_conic, V& v_opacity, V& v_beta, SplatGradients<V>& splat, Sums v_camera) {
  Projection<V> f;
  if (!any<V>(project(camera, mean, shape, Real(0), f))) return;
  const ImageSplat<V> in = unfiltered_splat(f, opacity, beta);
  const PixelFilter<V> filter = filter_splat(in, V(pixel));
  const V inverse = V(Real(1)) / filter.out.determinant;
  const V conic[3] = {filter.out.yy * inverse, -filter.out.xy * inverse, filter.out.xx * inverse};
  V v_filtered[3];
  covariance_gradient(conic, v_conic, v_filtered);
  const ImageSplat<V> v = {v_filtered[0], v_filtered[1], v_filtered[2], V(Real(0)), v_opacity, v_beta};
  const ImageSplat<V> v_in = filter_splat_backward(in, filter, V(pixel), v);
  const V v_covariance[3] = {v_in.xx, v_in.xy, v_in.yy};
  projection_gradient(camera, mean, quat, shape, f, v_covariance, v_mean2d, v_depth, splat, v_camera);
  v_opacity = v_in.opacity, v_beta = v_in.beta;
}

SPLATKIT_ISA_END
