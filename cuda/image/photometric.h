// Structural similarity of one window and its derivatives (Wang et al. 2004, K1 = 0.01, K2 = 0.03, data range 1).
#pragma once
#include "common/scalar_math.h"

SPLATKIT_ISA_BEGIN

constexpr double kSsimC1 = 1e-4, kSsimC2 = 9e-4;
// Normalized Gaussian of sigma 1.5 at -5 ... 5.
constexpr double kSsimTaps[11] = {0.00102838008447911, 0.007598758135239185, 0.03600077212843083, 0.10936068950970002,
                                  0.2130055377112537,  0.26601172486179436,  0.2130055377112537,  0.10936068950970002,
                                  0.03600077212843083, 0.007598758135239185, 0.00102838008447911};

// Derivatives with respect to the weighted means of x, x^2 and x y over the window.
template <class Real>
struct SsimWindow {
  Real value, d_mean, d_square, d_product;
};

template <class Real>
SPLATKIT_HD SsimWindow<Real> ssim_window(Real mean_x, Real mean_y, Real mean_xx, Real mean_yy, Real mean_xy) {
  const Real c1 = Real(kSsimC1), c2 = Real(kSsimC2), one = Real(1), two = Real(2);
  const Real xx = mean_x * mean_x, yy = mean_y * mean_y, xy = mean_x * mean_y;
  const Real luminance_top = two * xy + c1, luminance_bottom = xx + yy + c1;
  const Real structure_top = two * (mean_xy - xy) + c2, structure_bottom = (mean_xx - xx) + (mean_yy - yy) + c2;
  const Real inverse = one / (luminance_bottom * structure_bottom);
  const Real value = luminance_top * structure_top * inverse;
  const Real d_square = -value * luminance_bottom * inverse;  // value / structure_bottom
  const Real d_product = two * luminance_top * inverse;
  // mean_x also enters the variance and the covariance.
  const Real d_mean = two * mean_y * structure_top * inverse - two * mean_x * value * structure_bottom * inverse - two * mean_x * d_square -
                      mean_y * d_product;
  return {value, d_mean, d_square, d_product};
}

// The gradient of the loss at pixels with values a (rendered) and b (target). by_mean, by_square, by_product: derivatives of SSIM summed
// over the windows that hold the pixel, weighted by its tap in each.
template <class V, class Real>
SPLATKIT_HD V photometric_gradient(V a, V b, V by_mean, V by_square, V by_product, Real l1_scale, Real ssim_scale) {
  const V difference = a - b, zero = V(Real(0));
  const V sign = select(difference > zero, V(l1_scale), select(difference < zero, V(-l1_scale), zero));
  return sign + V(ssim_scale) * (by_mean + V(Real(2)) * a * by_square + b * by_product);
}

SPLATKIT_ISA_END
