// A splat seen through a Gaussian pixel of variance s: the generalized exponential with the same variance, kurtosis and mass as their
// convolution. Mip-Splatting (arXiv 2311.16493) for every exponent; at beta = 2 it is Mip-Splatting's 2-D filter exactly.
//
// With v(beta) the variance and m(beta) the mass of the profile, relative to a Gaussian's of the same covariance S:
// V = v(beta) S,  r = |V| / |V + s I|,  beta' = 2 + (beta - 2) r,  S' = (V + s I) / v(beta'),
// opacity' = min(1, opacity sqrt(|S| / |S'|) m(beta) / m(beta')).
#pragma once
#include "common/host_device.h"
#include "common/scalar_math.h"
#include "splatting/profiles/profile.h"

SPLATKIT_ISA_BEGIN

template <class Real>
struct LogMoment {
  Real value, slope;  // of the logarithm, and its derivative with respect to beta
};

// c[0] w + c[1] w^2 + ... with w = 1 / beta - 1 / 2: zero at beta = 2 whatever rounding does.
template <class Real, int N>
SPLATKIT_HD LogMoment<Real> log_moment(Real beta, const double (&c)[N]) {
  const Real inverse = Real(1) / beta, w = inverse - Real(0.5);
  Real value = Real(0), slope = Real(0);
  for (int i = N - 1; i >= 0; --i) slope = slope * w + value + Real(c[i]), value = (value + Real(c[i])) * w;
  return {value, -slope * inverse * inverse};
}

// ln v, v = 2^(2 / beta) Gamma(4 / beta) / (2 Gamma(2 / beta)). Fitted on [1, 8] to 1e-7.
template <class Real>
SPLATKIT_HD LogMoment<Real> log_variance(Real beta) {
  constexpr double c[] = {4.23186302003, 1.86960678313, -1.1050613039, 0.939097583309, -0.926212012003, 0.997993191955,
                          -1.1188385612, 1.13727876715, -1.2225523076, 2.43984852149,  -4.01302760011,  2.56423371341};
  return log_moment(beta, c);
}

// ln m, m = 2^(2 / beta) Gamma(2 / beta) / beta. Fitted on [1, 8] to 4e-8.
template <class Real>
SPLATKIT_HD LogMoment<Real> log_mass(Real beta) {
  constexpr double c[] = {2.2318630246,   1.28986714975,   -0.538815597795, 0.329374866214,  -0.236526588276,
                          0.183214270125, -0.148430421329, 0.143407681739,  -0.150534569343, 0.086277240354};
  return log_moment(beta, c);
}

// Covariance (px^2), opacity and exponent of a splat in the image. determinant is given apart: a needle's would round to nothing.
template <class Real>
struct ImageSplat {
  Real xx, xy, yy, determinant, opacity, beta;
};

template <class Real>
struct PixelFilter {
  ImageSplat<Real> out;
  Real v, ratio, det_v, det_wide;  // v(beta); r; |V|; |V + s I|
  LogMoment<Real> variance_in, variance_out, mass_in, mass_out;
  typename MaskOf<Real>::type opaque;  // opacity' is held at 1
};

template <class Real>
SPLATKIT_HD PixelFilter<Real> filter_splat(const ImageSplat<Real>& in, Real s) {
  PixelFilter<Real> f;
  f.variance_in = log_variance(in.beta), f.mass_in = log_mass(in.beta);
  f.v = exp2(Real(kLog2E) * f.variance_in.value);
  f.det_v = f.v * f.v * in.determinant;
  f.det_wide = f.det_v + s * f.v * (in.xx + in.yy) + s * s;
  f.ratio = f.det_v / f.det_wide;
  f.out.beta = Real(2) + (in.beta - Real(2)) * f.ratio;
  f.variance_out = log_variance(f.out.beta), f.mass_out = log_mass(f.out.beta);
  const Real inverse = exp2(Real(-kLog2E) * f.variance_out.value);
  f.out.xx = (f.v * in.xx + s) * inverse, f.out.xy = f.v * in.xy * inverse, f.out.yy = (f.v * in.yy + s) * inverse;
  f.out.determinant = f.det_wide * inverse * inverse;
  const Real gain = f.variance_out.value - f.mass_out.value - f.variance_in.value + f.mass_in.value;
  const Real opacity = in.opacity * sqrt(f.ratio) * exp2(Real(kLog2E) * gain);
  f.opaque = opacity > Real(1);
  f.out.opacity = select(f.opaque, Real(1), opacity);
  return f;
}

// v: gradient with respect to the filtered splat; xy counts once for each of its two places, determinant is not read.
template <class Real>
SPLATKIT_HD ImageSplat<Real> filter_splat_backward(const ImageSplat<Real>& in, const PixelFilter<Real>& f, Real s,
                                                   const ImageSplat<Real>& v) {
  ImageSplat<Real> v_in;
  const Real gain = select(f.opaque, Real(0), v.opacity * f.out.opacity);
  v_in.opacity = gain / in.opacity;
  v_in.determinant = Real(0);
  Real v_log_ratio = Real(0.5) * gain, v_beta_out = v.beta + gain * (f.variance_out.slope - f.mass_out.slope);
  v_in.beta = -gain * (f.variance_in.slope - f.mass_in.slope);
  v_beta_out -= (v.xx * f.out.xx + 2 * v.xy * f.out.xy + v.yy * f.out.yy) * f.variance_out.slope;
  v_in.beta += f.ratio * v_beta_out;
  v_log_ratio += v_beta_out * (in.beta - Real(2)) * f.ratio;

  // Gradient with respect to V: of S' = (V + s I) / v(beta'), and of ln r = ln |V| - ln |V + s I|.
  const Real inverse = exp2(Real(-kLog2E) * f.variance_out.value);
  const Real of_v = v_log_ratio / f.det_v, of_wide = v_log_ratio / f.det_wide;
  const Real xx = f.v * in.xx, xy = f.v * in.xy, yy = f.v * in.yy;
  const Real v_xx = v.xx * inverse + of_v * yy - of_wide * (yy + s);
  const Real v_xy = v.xy * inverse - (of_v - of_wide) * xy;
  const Real v_yy = v.yy * inverse + of_v * xx - of_wide * (xx + s);
  v_in.beta += (v_xx * xx + 2 * v_xy * xy + v_yy * yy) * f.variance_in.slope;
  v_in.xx = f.v * v_xx, v_in.xy = f.v * v_xy, v_in.yy = f.v * v_yy;
  return v_in;
}

SPLATKIT_ISA_END
