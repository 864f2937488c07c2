// Alpha compositing of splats in one tile, forward and backward, one vector of pixels at a time.
//
// Source: 3D Gaussian Splatting (arXiv 2308.04079) and its limits, with the exact generalized exponential kernel. What differs: the backward
// pass walks the list front to back as the forward pass does. It meets bit-identical transmittances (nothing is rebuilt by division) and
// takes what lies behind a splat from the finished pixel minus what was composited so far.
#pragma once
#include "common/simd.h"
#include "include/splatkit_native.h"
#include "splatting/gef_weight.h"
#include "splatting/support.h"

SPLATKIT_ISA_BEGIN

constexpr int kTilePixels = kTileSize * kTileSize;

// One splat as the pixels of a tile need it.
template <class Real>
struct TileSplat {
  Real x, y, a, b, c;         // center (px) and conic
  Real log2_opacity, half_beta, eps_power, eps_power_log;
  Real q_max;
  bool gaussian;              // beta == 2
  PixelSpan rows;             // rows of the tile, 0 to kTileSize
  const Real* color;
};

template <class Real>
SPLATKIT_HD TileSplat<Real> load_splat(const SplatImageInput<Real>& input, int64_t camera, int32_t n, int tile_left, int tile_top,
                                       int rows_in_tile) {
  const int64_t i = camera * input.splats + n;
  const Real *mean = input.means2d + 2 * i, *conic = input.conics + 3 * i;
  TileSplat<Real> s;
  s.x = mean[0], s.y = mean[1], s.a = conic[0], s.b = conic[1], s.c = conic[2];
  const Real beta = input.betas[n];
  s.half_beta = Real(0.5) * beta;
  s.gaussian = beta == Real(2);
  s.log2_opacity = log2(input.opacities[n]);
  const Real log2_eps = log2(Real(kGefEps));
  s.eps_power = s.gaussian ? Real(kGefEps) : exp2(s.half_beta * log2_eps);
  s.eps_power_log = s.eps_power * log2_eps;
  const Ellipse<Real> ellipse = make_ellipse(mean, conic, input.extents + 2 * i);
  s.q_max = ellipse.q_max * Real(1.01) + Real(1e-3);  // alpha decides; this only skips rows
  s.rows = row_span(ellipse, {tile_left, tile_left + kTileSize}, input.height);
  s.rows.first = s.rows.first > tile_top ? s.rows.first - tile_top : 0;
  s.rows.end = s.rows.end - tile_top < rows_in_tile ? s.rows.end - tile_top : rows_in_tile;
  s.color = input.colors + i * input.channels;
  return s;
}

// State of a tile's pixels. transmittance is 0 once a pixel is finished; `final_transmittance` keeps the value it finished with.
template <class Real>
struct alignas(64) TilePixels {
  Real transmittance[kTilePixels];
  Real final_transmittance[kTilePixels];
  Real features[kMaxChannels][kTilePixels];
};

// alpha of one vector of pixels, before the upper clamp; Exponent: GefExponent or the value alone.
template <class V, class Real>
SPLATKIT_HD V unclamped_alpha(const TileSplat<Real>& s, V u) {
  return exp2(V(Real(-0.5 * kLog2E)) * u + V(s.log2_opacity));
}

template <class V, int D, bool Gaussian, class Real>
SPLATKIT_HD void composite_splat(const TileSplat<Real>& s, int tile_left, int tile_top, const Real* column_centers, TilePixels<Real>& tile) {
  for (int row = s.rows.first; row < s.rows.end; ++row) {
    const Real dy = Real(tile_top + row) + Real(0.5) - s.y;
    const V b_dy = V(2 * s.b * dy), c_dy = V(s.c * dy * dy);
    for (int column = 0; column < kTileSize; column += V::kLanes) {
      const int p = row * kTileSize + column;
      const V dx = load<V>(column_centers + column) + V(Real(tile_left) - s.x);
      const V q = max(dx * (V(s.a) * dx + b_dy) + c_dy, V(Real(0)));
      if (!any<V>(q <= V(s.q_max))) continue;
      V u = q;
      if constexpr (!Gaussian) u = gef_exponent_value(q, V(s.half_beta), V(s.eps_power));
      const V raw = unclamped_alpha(s, u);
      const V alpha = select(raw >= V(Real(kAlphaMin)), min(raw, V(Real(kAlphaMax))), V(Real(0)));
      const V before = load<V>(tile.transmittance + p);
      const V weight = alpha * before, after = before - weight;
      const auto alive = after > V(Real(kTransmittanceMin));
      const V used = select(alive, weight, V(Real(0)));
      const V left = select(alive, after, V(Real(0)));
      store(tile.transmittance + p, left);
      store(tile.final_transmittance + p, select(alive, left, load<V>(tile.final_transmittance + p)));
      for (int d = 0; d < D; ++d) {
        store(tile.features[d] + p, load<V>(tile.features[d] + p) + used * V(s.color[d]));
      }
    }
  }
}

template <class V, class Real>
SPLATKIT_HD bool tile_finished(const Real* transmittance, int rows) {
  V most = V(Real(0));
  for (int p = 0; p < rows * kTileSize; p += V::kLanes) most = max(most, load<V>(transmittance + p));
  return !any<V>(most > V(Real(0)));
}

// Sums over the pixels of a tile, for one splat.
template <class V, int D>
struct SplatMoments {
  V qx, qy, abs_x, abs_y, qxx, qxy, qyy, opacity, beta, color[D];
};

// Per-pixel constants of the backward pass of a tile and what is left behind the current splat.
template <class Real>
struct alignas(64) TileGradients {
  Real transmittance[kTilePixels];
  Real behind[kTilePixels];  // sum over splats behind of weight * (color . v_features + v_alpha)
  Real v_features[kMaxChannels][kTilePixels];
  Real v_alphas[kTilePixels];
};

template <class V, int D, bool Gaussian, class Real>
SPLATKIT_HD bool composite_splat_backward(const TileSplat<Real>& s, int tile_left, int tile_top, const Real* column_centers,
                                          TileGradients<Real>& tile, SplatMoments<V, D>& sum) {
  bool touched = false;
  for (int row = s.rows.first; row < s.rows.end; ++row) {
    const Real dy = Real(tile_top + row) + Real(0.5) - s.y;
    const V b_dy = V(2 * s.b * dy), c_dy = V(s.c * dy * dy);
    for (int column = 0; column < kTileSize; column += V::kLanes) {
      const int p = row * kTileSize + column;
      const V dx = load<V>(column_centers + column) + V(Real(tile_left) - s.x);
      const V q = max(dx * (V(s.a) * dx + b_dy) + c_dy, V(Real(0)));
      if (!any<V>(q <= V(s.q_max))) continue;
      const V before = load<V>(tile.transmittance + p);
      GefExponent<V> exponent;
      if constexpr (Gaussian) {
        exponent = gaussian_exponent(q);
      } else {
        exponent = gef_exponent(q, V(s.half_beta), V(s.eps_power), V(s.eps_power_log));
      }
      const V raw = unclamped_alpha(s, exponent.u);
      const V alpha = select(raw >= V(Real(kAlphaMin)), min(raw, V(Real(kAlphaMax))), V(Real(0)));
      const V weight_if_used = alpha * before, after = before - weight_if_used;
      const auto alive = after > V(Real(kTransmittanceMin));
      store(tile.transmittance + p, select(alive, after, V(Real(0))));
      const V weight = select(alive, weight_if_used, V(Real(0)));
      if (!any<V>(weight > V(Real(0)))) continue;
      touched = true;

      V v_pixel = load<V>(tile.v_alphas + p);
      for (int d = 0; d < D; ++d) {
        const V v = load<V>(tile.v_features[d] + p);
        v_pixel += V(s.color[d]) * v;
        sum.color[d] += weight * v;
      }
      const V behind = load<V>(tile.behind + p) - weight * v_pixel;
      store(tile.behind + p, behind);
      const V v_alpha = before * v_pixel - behind / (V(Real(1)) - alpha);
      // The clamp at kAlphaMax passes no gradient.
      const V v_raw = select(weight > V(Real(0)), select(raw < V(Real(kAlphaMax)), alpha * v_alpha, V(Real(0))), V(Real(0)));
      const V v_u = V(Real(-0.5)) * v_raw, v_q = v_u * exponent.du_dq;
      sum.opacity += v_raw;
      sum.beta += v_u * exponent.du_dbeta;
      const V qx = v_q * dx, qy = v_q * V(dy);
      sum.qx += qx;
      sum.qy += qy;
      sum.qxx += qx * dx;
      sum.qxy += qx * V(dy);
      sum.qyy += qy * V(dy);
      sum.abs_x += abs(V(s.a) * qx + V(s.b) * qy);
      sum.abs_y += abs(V(s.b) * qx + V(s.c) * qy);
    }
  }
  return touched;
}

// Q = a dx^2 + 2 b dx dy + c dy^2 with dx = pixel - mean: the mean's gradient is minus that of the pixel.
template <class V, int D, class Real>
SPLATKIT_HD void write_slot(const TileSplat<Real>& s, const SplatMoments<V, D>& m, Real opacity, Real* slot) {
  const Real qx = sum(m.qx), qy = sum(m.qy);
  slot[0] = -2 * (s.a * qx + s.b * qy);
  slot[1] = -2 * (s.b * qx + s.c * qy);
  slot[2] = 2 * sum(m.abs_x);
  slot[3] = 2 * sum(m.abs_y);
  slot[4] = sum(m.qxx);
  slot[5] = 2 * sum(m.qxy);
  slot[6] = sum(m.qyy);
  slot[7] = sum(m.opacity) / opacity;
  slot[8] = sum(m.beta);
  for (int d = 0; d < D; ++d) slot[kSlotGradients + d] = sum(m.color[d]);
}

SPLATKIT_ISA_END
