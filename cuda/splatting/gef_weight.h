// The generalized exponential kernel of a splat and its derivatives.
// GES (arXiv 2402.10128), eq. 2. The offset eps is ours: it rounds the cusp at the center for beta < 2
// and leaves beta == 2, the Gaussian, exactly as it is.
#pragma once
#include "common/host_device.h"
#include "common/scalar_math.h"

SPLATKIT_ISA_BEGIN

constexpr double kLog2E = 1.4426950408889634074;
constexpr double kLn2 = 0.69314718055994530942;
constexpr double kGefEps = 1e-4;
constexpr double kLog2GefEps = -13.287712379549449;
constexpr double kAlphaMin = 1.0 / 255.0;   // one step of an 8-bit image
constexpr double kAlphaMax = 0.99;          // keeps 1 - alpha invertible
constexpr double kTransmittanceMin = 1e-4;  // a pixel is finished before it falls to this

// u = (q + eps)^(beta/2) - eps^(beta/2), the exponent of the weight exp(-u / 2), with its derivatives.
template <class Real>
struct GefExponent {
  Real u;
  Real du_dq;
  Real du_dbeta;
};

// Value alone. q: squared Mahalanobis distance >= 0; half_beta: beta / 2; eps_power: eps^(beta/2).
template <class Real>
SPLATKIT_HD Real gef_exponent_value(Real q, Real half_beta, Real eps_power) {
  return exp2(half_beta * log2(q + Real(kGefEps))) - eps_power;
}

// eps_power_log: eps^(beta/2) * log2(eps).
template <class Real>
SPLATKIT_HD GefExponent<Real> gef_exponent(Real q, Real half_beta, Real eps_power, Real eps_power_log) {
  const Real e = q + Real(kGefEps);
  const Real log_e = log2(e);
  const Real power = exp2(half_beta * log_e);
  return {power - eps_power, half_beta * power * reciprocal(e), Real(0.5 * kLn2) * (power * log_e - eps_power_log)};
}

// The Gaussian case, beta == 2: u = q without a power; the derivative with respect to beta stays.
template <class Real>
SPLATKIT_HD GefExponent<Real> gaussian_exponent(Real q) {
  const Real e = q + Real(kGefEps);
  return {q, Real(1.0), Real(0.5 * kLn2) * (e * log2(e) - Real(kGefEps * kLog2GefEps))};
}

// Largest q at which opacity * weight still reaches kAlphaMin; 0 where it never does.
template <class Real>
SPLATKIT_HD Real gef_support(Real opacity, Real beta) {
  const Real zero = Real(0), half = Real(0.5) * beta;
  const Real u_max = Real(2 * kLn2) * log2(max(opacity, Real(kAlphaMin)) * Real(1 / kAlphaMin));
  const Real eps_power = exp2(half * Real(kLog2GefEps));
  const Real q_max = exp2(log2(u_max + eps_power) / half) - Real(kGefEps);
  // At beta == 2 the power and its inverse cancel.
  return select(opacity > Real(kAlphaMin), max(select(beta == Real(2), u_max, q_max), zero), zero);
}

SPLATKIT_ISA_END
