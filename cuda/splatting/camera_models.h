// Where a point in camera coordinates appears in an image of focal length 1 about its principal point, and the Jacobian of that map there,
// which flattens splats.
// Pinhole; orthographic; fisheye after Kannala and Brandt (PAMI 2006) with the four coefficients that OpenCV uses. T: a number, a vector of
// them (but for fisheye), or a Dual of either.
#pragma once
#include <type_traits>

#include "common/dual.h"

SPLATKIT_ISA_BEGIN

enum CameraModel { kAnyModel = -1, kPinhole = 0, kOrthographic = 1, kFisheye = 2 };

constexpr double kFrustumMargin = 0.3;  // the pinhole's approximation is frozen this share of the half width beyond the border

template <class Real>
struct PinholeCamera {
  Real rotation[9];                  // world to camera, row-major
  Real translation[3];               //
  Real fx, fy, cx, cy;               // px; px per world unit if orthographic
  Real slope_low[2], slope_high[2];  // x / z and y / z beyond which the pinhole's Jacobian is frozen
  Real width, height;                // px
  Real near, far;                    // z
  int model = kPinhole;
  Real distortion[4] = {0, 0, 0, 0};  // fisheye: k1 to k4
};

// A camera whose model the compiler knows, unless Model is kAnyModel: zeros of its Jacobian cost nothing then.
template <int Model, class Real>
SPLATKIT_HD PinholeCamera<Real> known_model(PinholeCamera<Real> camera) {
  if (Model != kAnyModel) camera.model = Model;
  return camera;
}

template <class T>
struct PointImage {
  T mean2d[2], jacobian[2][3];
};

template <class T, class Real>
SPLATKIT_HD void pinhole_image(const PinholeCamera<Real>& camera, const T* point, PointImage<T>& out) {
  const T inverse = reciprocal(point[2]);
  for (int i = 0; i < 2; ++i) {
    out.mean2d[i] = point[i] * inverse;
    const T frozen = clamp(out.mean2d[i], T(camera.slope_low[i]), T(camera.slope_high[i]));
    out.jacobian[i][i] = inverse, out.jacobian[i][1 - i] = T(Real(0)), out.jacobian[i][2] = T(Real(0)) - inverse * frozen;
  }
}

template <class T>
SPLATKIT_HD void orthographic_image(const T* point, PointImage<T>& out) {
  const T zero = T(0), one = T(1);
  out = {{point[0], point[1]}, {{one, zero, zero}, {zero, one, zero}}};
}

// The image of a point lies at d(theta) from the center, theta = atan(r / z), d = theta (1 + k1 theta^2 + ... + k4 theta^8). With s = d / r
// it is x s, and its Jacobian follows from (ds/dr) / r and ds/dz. False beyond the angle where d stops growing.
template <class T, class Real>
SPLATKIT_HD bool fisheye_image(const PinholeCamera<Real>& camera, const T* point, PointImage<T>& out) {
  const Real* k = camera.distortion;
  const T &x = point[0], &y = point[1], &z = point[2];
  const T r2 = x * x + y * y, inverse_z = reciprocal(z), inverse_norm2 = reciprocal(r2 + z * z);
  T s, s_r, d_theta;  // s_r: (ds/dr) / r
  // Next to the axis the quotients cancel; their series are exact to rounding there.
  const Real near_axis = sizeof(Real) == sizeof(float) ? Real(3e-4) : Real(1e-8);
  if (value_of(r2) < near_axis * value_of(z) * value_of(z)) {
    const T inverse_z3 = inverse_z * inverse_z * inverse_z;
    const Real bend = k[0] - Real(1.0 / 3.0);
    s = inverse_z + T(bend) * r2 * inverse_z3;
    s_r = T(2 * bend) * inverse_z3;
    d_theta = T(Real(1)) + T(3 * k[0]) * r2 * inverse_z * inverse_z;
  } else {
    const T r = sqrt(r2), theta = arctangent(r * inverse_z), t = theta * theta;
    d_theta = T(Real(1)) + t * (T(3 * k[0]) + t * (T(5 * k[1]) + t * (T(7 * k[2]) + t * T(9 * k[3]))));
    s = theta * (T(Real(1)) + t * (T(k[0]) + t * (T(k[1]) + t * (T(k[2]) + t * T(k[3]))))) * reciprocal(r);
    s_r = (d_theta * z * inverse_norm2 - s) * reciprocal(r2);
  }
  if (!(value_of(d_theta) > 0)) return false;
  const T s_z = T(Real(0)) - d_theta * inverse_norm2;
  out.mean2d[0] = x * s, out.mean2d[1] = y * s;
  out.jacobian[0][0] = s + x * x * s_r, out.jacobian[0][1] = x * y * s_r, out.jacobian[0][2] = x * s_z;
  out.jacobian[1][0] = out.jacobian[0][1], out.jacobian[1][1] = s + y * y * s_r, out.jacobian[1][2] = y * s_z;
  return true;
}

// Numbers of which a camera model may ask one at a time: the fisheye's branches do not fit vectors.
template <class T, class Real>
constexpr bool kSingle = std::is_same<T, Real>::value || std::is_same<T, Dual<Real, 3>>::value;

// False where a fisheye camera cannot see the point. point: in camera coordinates, in front of the camera.
template <class T, class Real>
SPLATKIT_HD bool image_of_point(const PinholeCamera<Real>& camera, const T* point, PointImage<T>& out) {
  if constexpr (kSingle<T, Real>) {
    if (camera.model == kFisheye) return fisheye_image(camera, point, out);
  }
  if (camera.model == kOrthographic) {
    orthographic_image(point, out);
  } else {
    pinhole_image(camera, point, out);
  }
  return true;
}

SPLATKIT_ISA_END
