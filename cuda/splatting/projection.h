// Projection of one splat into one pinhole camera by the local affine approximation, and its derivatives.
// EWA splatting (Zwicker et al. 2001), 3D Gaussian Splatting (arXiv 2308.04079). Ours: the support is the ellipse where the splat still
// reaches the smallest composited alpha, for its own opacity and exponent; gradients reach the camera and its intrinsics.
#pragma once
#include "common/host_device.h"
#include "common/scalar_math.h"
#include "splatting/gef_weight.h"

SPLATKIT_ISA_BEGIN

constexpr double kFrustumMargin = 0.3;  // the approximation is frozen this share of the half width beyond the border

template <class Real>
struct PinholeCamera {
  Real rotation[9];     // world to camera, row-major
  Real translation[3];  //
  Real fx, fy, cx, cy;  // px
  Real slope_low[2], slope_high[2];  // x / z and y / z beyond which the Jacobian is frozen
  Real width, height;   // px
  Real near, far;       // z
};

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
  const Real r[9] = {1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
                     2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                     2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)};
  for (int i = 0; i < 9; ++i) shape.rotation[i] = r[i];
  for (int i = 0; i < 3; ++i) shape.scale[i] = scale[i];
  return shape;
}

// What forward and backward both need: the splat in camera coordinates and the square root P of its 2-D covariance.
template <class Real>
struct Projection {
  Real point[3];               // camera coordinates
  Real slope[2], frozen[2];    // x / z, y / z; and the same held inside the margin
  Real factor[9];              // rotation_camera * rotation_splat * diag(scale)
  Real p[2][3];                // Jacobian * factor
  Real xx, xy, yy;             // 2-D covariance
};

template <class Real>
SPLATKIT_HD bool project(const PinholeCamera<Real>& camera, const Real* mean, const SplatShape<Real>& shape, Real eps2d, Projection<Real>& out) {
  for (int i = 0; i < 3; ++i) {
    const Real* row = camera.rotation + 3 * i;
    out.point[i] = row[0] * mean[0] + row[1] * mean[1] + row[2] * mean[2] + camera.translation[i];
  }
  const Real z = out.point[2];
  if (!(z > camera.near && z < camera.far)) return false;
  const Real focal[2] = {camera.fx, camera.fy};
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      Real dot = 0;
      for (int k = 0; k < 3; ++k) dot += camera.rotation[3 * i + k] * shape.rotation[3 * k + j];
      out.factor[3 * i + j] = dot * shape.scale[j];
    }
  }
  for (int i = 0; i < 2; ++i) {
    out.slope[i] = out.point[i] / z;
    out.frozen[i] = clamp(out.slope[i], camera.slope_low[i], camera.slope_high[i]);
    for (int j = 0; j < 3; ++j) out.p[i][j] = focal[i] / z * (out.factor[3 * i + j] - out.frozen[i] * out.factor[6 + j]);
  }
  const Real(&p)[2][3] = out.p;
  out.xx = p[0][0] * p[0][0] + p[0][1] * p[0][1] + p[0][2] * p[0][2] + eps2d;
  out.xy = p[0][0] * p[1][0] + p[0][1] * p[1][1] + p[0][2] * p[1][2];
  out.yy = p[1][0] * p[1][0] + p[1][1] * p[1][1] + p[1][2] * p[1][2] + eps2d;
  const Real determinant = out.xx * out.yy - out.xy * out.xy;
  return determinant > 0 && determinant - determinant == 0;  // the second is false for infinity and NaN
}

template <class Real>
struct ProjectedSplat {
  Real mean2d[2], depth, conic[3], extent[2];
};

// False (and zeros) where the splat is not visible.
template <class Real>
SPLATKIT_HD bool project_splat(const PinholeCamera<Real>& camera, const Real* mean, const SplatShape<Real>& shape, Real q_max, Real eps2d,
                               ProjectedSplat<Real>& out) {
  Projection<Real> projection;
  out = ProjectedSplat<Real>{};
  if (!(q_max > 0) || !project(camera, mean, shape, eps2d, projection)) return false;
  const Real x = camera.fx * projection.slope[0] + camera.cx, y = camera.fy * projection.slope[1] + camera.cy;
  const Real extent_x = sqrt(q_max * projection.xx), extent_y = sqrt(q_max * projection.yy);
  const bool inside = x + extent_x > 0 && x - extent_x < camera.width && y + extent_y > 0 && y - extent_y < camera.height;
  if (!inside) return false;
  const Real inverse = Real(1) / (projection.xx * projection.yy - projection.xy * projection.xy);
  out = {{x, y}, projection.point[2], {projection.yy * inverse, -projection.xy * inverse, projection.xx * inverse}, {extent_x, extent_y}};
  return true;
}

// Gradients with respect to one camera: rotation (9, row-major), translation (3), fx, fy, cx, cy.
constexpr int kCameraGradients = 16;

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

// Adds the gradients of one visible splat in one camera to `splat` and `v_camera` (kCameraGradients doubles).
template <class Real>
SPLATKIT_HD void project_splat_backward(const PinholeCamera<Real>& camera, const Real* mean, const Real* quat, const SplatShape<Real>& shape,
                                        Real eps2d, const Real* v_mean2d, Real v_depth, const Real* v_conic, SplatGradients<Real>& splat,
                                        double* v_camera) {
  Projection<Real> f;
  if (!project(camera, mean, shape, eps2d, f)) return;
  const Real z = f.point[2], inverse_z = Real(1) / z;
  const Real inverse = Real(1) / (f.xx * f.yy - f.xy * f.xy);
  const Real a = f.yy * inverse, b = -f.xy * inverse, c = f.xx * inverse;

  // v_cov = -X v_X X with X the conic; the packed B stands for two entries.
  const Real va = v_conic[0], vb = Real(0.5) * v_conic[1], vc = v_conic[2];
  const Real ax = va * a + vb * b, ay = va * b + vb * c, bx = vb * a + vc * b, by = vb * b + vc * c;
  const Real v_xx = -(a * ax + b * bx), v_xy = -(a * ay + b * by), v_yy = -(b * ay + c * by);

  Real v_factor[9], v_slope[2], v_point[3] = {0, 0, v_depth}, v_focal[2];
  const Real focal[2] = {camera.fx, camera.fy};
  for (int j = 0; j < 3; ++j) v_factor[6 + j] = 0;
  for (int i = 0; i < 2; ++i) {
    const Real gain = focal[i] * inverse_z;
    Real v_gain = 0, v_frozen = 0;
    for (int j = 0; j < 3; ++j) {
      const Real v_p = 2 * (i == 0 ? v_xx * f.p[0][j] + v_xy * f.p[1][j] : v_xy * f.p[0][j] + v_yy * f.p[1][j]);
      v_factor[3 * i + j] = gain * v_p;
      v_factor[6 + j] -= gain * f.frozen[i] * v_p;
      v_frozen -= gain * f.factor[6 + j] * v_p;
      v_gain += (f.factor[3 * i + j] - f.frozen[i] * f.factor[6 + j]) * v_p;
    }
    const bool free = f.slope[i] >= camera.slope_low[i] && f.slope[i] <= camera.slope_high[i];
    v_slope[i] = v_mean2d[i] * focal[i] + (free ? v_frozen : Real(0));
    v_focal[i] = v_gain * inverse_z + v_mean2d[i] * f.slope[i];
    v_point[i] = v_slope[i] * inverse_z;
    v_point[2] -= (v_gain * gain + v_slope[i] * f.slope[i]) * inverse_z;
    v_camera[12 + i] += v_focal[i];
    v_camera[14 + i] += v_mean2d[i];
  }

  Real v_rotation[9];
  for (int k = 0; k < 3; ++k) {
    for (int j = 0; j < 3; ++j) {
      Real v_m = 0;  // gradient of rotation_splat * diag(scale)
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

SPLATKIT_ISA_END
