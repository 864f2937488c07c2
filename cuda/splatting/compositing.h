// What one splat does to one pixel, forward and backward: shared by the CPU, where V is a vector of pixels, and by CUDA, where it is a
// float.
//
// Source: 3D Gaussian Splatting (arXiv 2308.04079) and its limits, with the profiles of `splatting/profiles.h`. What differs: the
// backward pass walks the list front to back as the forward pass does. It meets bit-identical transmittances (nothing is rebuilt by
// division) and takes what lies behind a splat from the finished pixel minus what was composited so far.
#pragma once
#include <type_traits>

#include "common/scalar_math.h"
#include "include/splatkit_native.h"
#include "splatting/profiles.h"
#include "splatting/tiles.h"

SPLATKIT_ISA_BEGIN

constexpr int kTilePixels = kTileSize * kTileSize;

// One splat as the pixels of a tile need it.
template <class Real>
struct alignas(16) TileSplat {
  Real x, y, a, twice_b, c;  // center (px) and conic
  Real log2_opacity;
  ProfileNumbers<Real> numbers;
  Real q_max;
  bool gaussian;    // see `with_profile`
  uint32_t blocks;  // CUDA: bit k, its support meets the pixels of warp k
  const Real* color;
};

// The splat of a tile with the corner (left, top), for blocks of Width x Height pixels.
template <int Width, int Height, class Real>
SPLATKIT_HD TileSplat<Real> load_splat(const SplatImageInput<Real>& input, int64_t camera, int32_t n, int left, int top) {
  const int64_t i = camera * input.splats + n;
  const Real *mean = input.means2d + 2 * i, *conic = input.conics + 3 * i, *extent = input.extents + 2 * i;
  TileSplat<Real> s;
  s.x = mean[0], s.y = mean[1], s.a = conic[0], s.twice_b = 2 * conic[1], s.c = conic[2];
  s.log2_opacity = log2(input.opacities[n]);
  with_profile(input.kernel, [&](auto profile) {
    s.numbers = profile.numbers(input.betas[n]);
    s.gaussian = profile.is_gaussian(s.numbers);
  });
  const Ellipse<Real> ellipse = make_ellipse(s.x - Real(left), s.y - Real(top), conic[0], conic[1], conic[2], extent[0], extent[1]);
  s.q_max = ellipse.q_max * Real(1.01) + Real(1e-3);  // alpha decides; this only skips pixels
  s.blocks = 0;
  for_each_block<Width, Height>(ellipse, [&](int block, bool meets) { s.blocks |= static_cast<uint32_t>(meets) << block; });
  s.color = input.colors + i * input.channels;
  return s;
}

// Squared Mahalanobis distance of pixels that lie dx, dy from the center.
template <class V, class Real>
SPLATKIT_HD V squared_distance(const TileSplat<Real>& s, V dx, V dy) {
  return max(dx * (V(s.a) * dx + V(s.twice_b) * dy) + V(s.c) * dy * dy, V(Real(0)));
}

// What a splat takes of the light that comes through to it.
template <class V, class Mask>
struct Absorption {
  V raw, alpha;  // before and after the clamps
  Mask alive;    // the pixel goes on: neither finished before nor by this splat
  V weight;      // share of the pixel's color; 0 unless alive
  V left;        // transmittance behind the splat; 0 unless alive, which marks the pixel as finished
};

// u: exponent of the weight. before: transmittance in front of the splat; 0 once the pixel is finished.
template <class V, class Real>
SPLATKIT_HD auto absorb(const TileSplat<Real>& s, V u, V before) {
  const V raw = exp2(V(Real(-0.5 * kLog2E)) * u + V(s.log2_opacity)), zero = V(Real(0));
  const V alpha = select(raw >= V(Real(kAlphaMin)), min(raw, V(Real(kAlphaMax))), zero);
  const V weight = alpha * before, after = before - weight;
  const auto alive = after > V(Real(kTransmittanceMin));
  using Mask = typename std::remove_const<decltype(alive)>::type;
  return Absorption<V, Mask>{raw, alpha, alive, select(alive, weight, zero), select(alive, after, zero)};
}

// Is this the splat at which half of a pixel's light is gone? Transmittances in front of it and behind it.
template <class V>
SPLATKIT_HD auto crosses_half(V before, V left) {
  return (before > V(0.5f)) & (left <= V(0.5f));
}

// Sums over pixels for one splat, from which all its gradients follow; colors come last.
enum Moment { kX, kY, kAbsX, kAbsY, kXx, kXy, kYy, kOpacity, kBeta, kColor };
static_assert(kColor == kSlotGradients, "a slot holds one gradient a moment");

// Sums that a caller may leave out: absolute gradients of the means, and the exponent's of Gaussians.
enum MomentParts { kNoParts = 0, kAbsoluteParts = 1, kBetaParts = 2, kAllParts = 3 };

// Adds one pixel's share to sums[kSlotGradients + D] and returns what is left behind the splat: the sum over splats behind it of
// weight * (color . v_features + v_alpha), for which `behind` is that in front of it. color: the splat's, [D].
template <int D, int Parts = kAllParts, class V, class Mask, class Real>
SPLATKIT_HD V add_moments(const TileSplat<Real>& s, const Real* color, const Absorption<V, Mask>& light, const Exponent<V>& exponent,
                          V before, V dx, V dy, const V* v_features, V v_alpha, V behind, V* sums) {
  const V zero = V(Real(0));
  V v_pixel = v_alpha;
  for (int d = 0; d < D; ++d) {
    v_pixel += V(color[d]) * v_features[d];
    sums[kColor + d] += light.weight * v_features[d];
  }
  behind = behind - light.weight * v_pixel;
  const V v = before * v_pixel - behind * reciprocal(V(Real(1)) - light.alpha);
  // The clamp at kAlphaMax passes no gradient.
  const V v_raw = select(light.weight > zero, select(light.raw < V(Real(kAlphaMax)), light.alpha * v, zero), zero);
  const V v_q = v_raw * exponent.du_dq;  // of -2 q: the factor joins in `moments_to_gradients`
  const V qx = v_q * dx, qy = v_q * dy;
  sums[kX] += qx;
  sums[kY] += qy;
  if constexpr ((Parts & kAbsoluteParts) != 0) {
    const V b = V(Real(0.5) * s.twice_b);
    sums[kAbsX] += abs(V(s.a) * qx + b * qy);
    sums[kAbsY] += abs(b * qx + V(s.c) * qy);
  }
  sums[kXx] += qx * dx;
  sums[kXy] += qx * dy;
  sums[kYy] += qy * dy;
  sums[kOpacity] += v_raw;
  if constexpr ((Parts & kBetaParts) != 0) sums[kBeta] += v_raw * exponent.du_dbeta;
  return behind;
}

// Gradients of one splat, in place of the sums over pixels, of one tile or of more. conic: [3].
// Q = a dx^2 + 2 b dx dy + c dy^2 with dx = pixel - mean: the mean's gradient is minus that of the pixel.
template <class Real>
SPLATKIT_HD void moments_to_gradients(const Real* conic, Real opacity, Real* sums) {
  const Real a = conic[0], b = conic[1], c = conic[2], qx = sums[kX], qy = sums[kY], half = Real(-0.5);
  sums[kX] = a * qx + b * qy;
  sums[kY] = b * qx + c * qy;
  sums[kXx] *= half;
  sums[kXy] = -sums[kXy];
  sums[kYy] *= half;
  sums[kOpacity] /= opacity;
  sums[kBeta] *= half;
}

// Where the gradient `which` of a slot goes, summed over the tiles of splat i = camera * N + n; null where it is not wanted. Opacities and
// betas have no camera axis: those two are the caller's.
template <class Real>
SPLATKIT_HD Real* splat_gradient(const SplatImageGradient<Real>& gradient, int channels, int64_t i, int which) {
  if (which >= kColor) return gradient.v_colors + i * channels + which - kColor;
  if (which >= kXx && which <= kYy) return gradient.v_conics + 3 * i + which - kXx;
  if (which == kAbsX || which == kAbsY) return gradient.v_means2d_abs == nullptr ? nullptr : gradient.v_means2d_abs + 2 * i + which - kAbsX;
  return which <= kY ? gradient.v_means2d + 2 * i + which : nullptr;
}

template <class Real>
SPLATKIT_HD void write_splat_gradient(const SplatImageGradient<Real>& gradient, int channels, int64_t i, int which, Real value) {
  Real* to = splat_gradient(gradient, channels, i, which);
  if (to != nullptr) *to = value;
}

SPLATKIT_ISA_END
