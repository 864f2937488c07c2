// Color of a splat seen from a camera by real spherical harmonics of degree 0 to 3, and its derivatives. Real: a number, or in the
// functions of the direction a vector of splats. Basis, order and signs: 3D Gaussian Splatting (arXiv 2308.04079); see
// splatkit/geometry/spherical_harmonics.py.
#pragma once
#include "common/host_device.h"
#include "common/scalar_math.h"

SPLATKIT_ISA_BEGIN

constexpr double kSh0 = 0.28209479177387814;   // sqrt(1 / (4 pi))
constexpr double kSh1 = 0.48860251190291992;   // sqrt(3 / (4 pi))
constexpr double kSh2 = 1.0925484305920792;    // sqrt(15 / (4 pi))
constexpr double kSh2Z = 0.31539156525252005;  // sqrt(5 / (16 pi))
constexpr double kSh33 = 0.59004358992664352;  // sqrt(35 / (32 pi))
constexpr double kSh32 = 2.8906114426405538;   // sqrt(105 / (4 pi))
constexpr double kSh31 = 0.45704579946446572;  // sqrt(21 / (32 pi))
constexpr double kSh30 = 0.37317633259011546;  // sqrt(7 / (16 pi))
constexpr int kMaxShBases = 16;

// Values at the unit direction (x, y, z): (degree + 1)^2 of them.
template <class Real>
SPLATKIT_HD void sh_basis(int degree, Real x, Real y, Real z, Real* out) {
  out[0] = Real(kSh0);
  if (degree < 1) return;
  out[1] = Real(-kSh1) * y, out[2] = Real(kSh1) * z, out[3] = Real(-kSh1) * x;
  if (degree < 2) return;
  const Real xx = x * x, yy = y * y, zz = z * z;
  out[4] = Real(kSh2) * x * y, out[5] = Real(-kSh2) * y * z, out[6] = Real(kSh2Z) * (2 * zz - xx - yy);
  out[7] = Real(-kSh2) * x * z, out[8] = Real(0.5 * kSh2) * (xx - yy);
  if (degree < 3) return;
  out[9] = Real(-kSh33) * y * (3 * xx - yy), out[10] = Real(kSh32) * x * y * z;
  out[11] = Real(-kSh31) * y * (4 * zz - xx - yy), out[12] = Real(kSh30) * z * (2 * zz - 3 * xx - 3 * yy);
  out[13] = Real(-kSh31) * x * (4 * zz - xx - yy), out[14] = Real(0.5 * kSh32) * z * (xx - yy);
  out[15] = Real(-kSh33) * x * (xx - 3 * yy);
}

// Gradient with respect to the direction of sum_k v[k] * basis_k(direction).
template <class Real>
SPLATKIT_HD void sh_basis_backward(int degree, Real x, Real y, Real z, const Real* v, Real* v_direction) {
  Real gx = 0, gy = 0, gz = 0;
  if (degree >= 1) gx -= Real(kSh1) * v[3], gy -= Real(kSh1) * v[1], gz += Real(kSh1) * v[2];
  if (degree >= 2) {
    gx += Real(kSh2) * (y * v[4] - z * v[7] + x * v[8]) - Real(2 * kSh2Z) * x * v[6];
    gy += Real(kSh2) * (x * v[4] - z * v[5] - y * v[8]) - Real(2 * kSh2Z) * y * v[6];
    gz += Real(4 * kSh2Z) * z * v[6] - Real(kSh2) * (y * v[5] + x * v[7]);
  }
  if (degree >= 3) {
    const Real xx = x * x, yy = y * y, zz = z * z, xy = x * y, xz = x * z, yz = y * z;
    gx += Real(-6 * kSh33) * xy * v[9] + Real(kSh32) * (yz * v[10] + xz * v[14]) + Real(2 * kSh31) * xy * v[11] -
          Real(6 * kSh30) * xz * v[12] - Real(kSh31) * (4 * zz - 3 * xx - yy) * v[13] - Real(3 * kSh33) * (xx - yy) * v[15];
    gy += Real(-3 * kSh33) * (xx - yy) * v[9] + Real(kSh32) * (xz * v[10] - yz * v[14]) - Real(kSh31) * (4 * zz - xx - 3 * yy) * v[11] -
          Real(6 * kSh30) * yz * v[12] + Real(2 * kSh31) * xy * v[13] + Real(6 * kSh33) * xy * v[15];
    gz += Real(kSh32) * xy * v[10] - Real(8 * kSh31) * (yz * v[11] + xz * v[13]) + Real(kSh30) * (6 * zz - 3 * xx - 3 * yy) * v[12] +
          Real(0.5 * kSh32) * (xx - yy) * v[14];
  }
  v_direction[0] = gx, v_direction[1] = gy, v_direction[2] = gz;
}

// Where a camera stands in the world: -R^T t of its 4x4 world-to-camera matrix.
template <class Real>
SPLATKIT_HD void camera_center(const Real* viewmat, Real* center) {
  for (int i = 0; i < 3; ++i) center[i] = -(viewmat[i] * viewmat[3] + viewmat[4 + i] * viewmat[7] + viewmat[8 + i] * viewmat[11]);
}

// Returns the distance.
template <class Real, class Scalar>
SPLATKIT_HD Real view_direction(const Real* mean, const Scalar* center, Real* direction) {
  Real norm = Real(0);
  for (int i = 0; i < 3; ++i) direction[i] = mean[i] - Real(center[i]), norm += direction[i] * direction[i];
  norm = sqrt(norm);
  for (int i = 0; i < 3; ++i) direction[i] = direction[i] / norm;
  return norm;
}

// Adds to v_mean: the direction turns when the splat moves. v_basis: gradient with respect to the basis.
template <class Real>
SPLATKIT_HD void turn_gradient(int degree, const Real* direction, Real distance, const Real* v_basis, Real* v_mean) {
  Real v_direction[3];
  sh_basis_backward(degree, direction[0], direction[1], direction[2], v_basis, v_direction);
  const Real along = v_direction[0] * direction[0] + v_direction[1] * direction[1] + v_direction[2] * direction[2];
  for (int i = 0; i < 3; ++i) v_mean[i] += (v_direction[i] - along * direction[i]) / distance;
}

// Coefficients of one splat by basis and channel. The first three stand apart from the others: training keeps them so.
template <class Real>
struct ShRow {
  Real *constant, *others;

  SPLATKIT_HD Real* of(int basis) const { return basis == 0 ? constant : others + 3 * (basis - 1); }
};

// color = max(0, 1/2 + sum_k basis_k * coefficients[k]).
template <class Real>
SPLATKIT_HD void sh_color(int degree, const Real* direction, ShRow<const Real> coefficients, Real* color) {
  Real basis[kMaxShBases];
  sh_basis(degree, direction[0], direction[1], direction[2], basis);
  const int bases = (degree + 1) * (degree + 1);
  for (int channel = 0; channel < 3; ++channel) {
    Real value = Real(0.5);
    for (int k = 0; k < bases; ++k) value += basis[k] * coefficients.of(k)[channel];
    color[channel] = value > 0 ? value : Real(0);
  }
}

// Writes v_coefficients, or adds to them (Adds), and adds to v_mean. color: as returned by sh_color.
template <bool Adds, class Real>
SPLATKIT_HD void sh_color_backward(int degree, const Real* direction, Real distance, ShRow<const Real> coefficients, const Real* color,
                                   const Real* v_color, ShRow<Real> v_coefficients, Real* v_mean) {
  Real basis[kMaxShBases], v_basis[kMaxShBases];
  sh_basis(degree, direction[0], direction[1], direction[2], basis);
  const int bases = (degree + 1) * (degree + 1);
  Real v[3];
  for (int channel = 0; channel < 3; ++channel) v[channel] = color[channel] > 0 ? v_color[channel] : Real(0);
  for (int k = 0; k < bases; ++k) {
    const Real* from = coefficients.of(k);
    Real *to = v_coefficients.of(k), dot = Real(0);
    for (int channel = 0; channel < 3; ++channel) {
      to[channel] = (Adds ? to[channel] : Real(0)) + basis[k] * v[channel];
      dot += from[channel] * v[channel];
    }
    v_basis[k] = dot;
  }
  turn_gradient(degree, direction, distance, v_basis, v_mean);
}

SPLATKIT_ISA_END
