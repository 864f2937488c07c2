// Alpha compositing of one tile on the CPU, one vector of pixels of a row at a time.
#pragma once
#include "common/simd.h"
#include "splatting/compositing.h"

SPLATKIT_ISA_BEGIN

// State of a tile's pixels. transmittance is 0 once a pixel is finished; `final_transmittance` keeps the value it finished with.
template <class Real>
struct alignas(64) TilePixels {
  Real transmittance[kTilePixels];
  Real final_transmittance[kTilePixels];
  Real features[kMaxChannels][kTilePixels];
};

template <class V, int D, bool Gaussian, class Real>
SPLATKIT_HD void composite_splat(const TileSplat<Real>& s, int tile_left, int tile_top, const Real* column_centers, TilePixels<Real>& tile) {
  for (int row = s.rows.first; row < s.rows.end; ++row) {
    const Real dy = Real(tile_top + row) + Real(0.5) - s.y;
    const V twice_b_dy = V(2 * s.b * dy), c_dy_dy = V(s.c * dy * dy);
    for (int column = 0; column < kTileSize; column += V::kLanes) {
      const int p = row * kTileSize + column;
      const V dx = load<V>(column_centers + column) + V(Real(tile_left) - s.x);
      const V q = squared_distance(s, dx, twice_b_dy, c_dy_dy);
      if (!any<V>(q <= V(s.q_max))) continue;
      const auto light = absorb(s, exponent_value<V, Gaussian>(s, q), load<V>(tile.transmittance + p));
      store(tile.transmittance + p, light.left);
      store(tile.final_transmittance + p, select(light.alive, light.left, load<V>(tile.final_transmittance + p)));
      for (int d = 0; d < D; ++d) {
        store(tile.features[d] + p, load<V>(tile.features[d] + p) + light.weight * V(s.color[d]));
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

// Per-pixel constants of the backward pass of a tile and what is left behind the current splat.
template <class Real>
struct alignas(64) TileGradients {
  Real transmittance[kTilePixels];
  Real behind[kTilePixels];  // as add_moments returns it
  Real v_features[kMaxChannels][kTilePixels];
  Real v_alphas[kTilePixels];
};

template <class V, int D, bool Gaussian, class Real>
SPLATKIT_HD bool composite_splat_backward(const TileSplat<Real>& s, int tile_left, int tile_top, const Real* column_centers,
                                          TileGradients<Real>& tile, V* sums) {
  bool touched = false;
  for (int row = s.rows.first; row < s.rows.end; ++row) {
    const Real dy = Real(tile_top + row) + Real(0.5) - s.y;
    const V twice_b_dy = V(2 * s.b * dy), c_dy_dy = V(s.c * dy * dy);
    for (int column = 0; column < kTileSize; column += V::kLanes) {
      const int p = row * kTileSize + column;
      const V dx = load<V>(column_centers + column) + V(Real(tile_left) - s.x);
      const V q = squared_distance(s, dx, twice_b_dy, c_dy_dy);
      if (!any<V>(q <= V(s.q_max))) continue;
      const V before = load<V>(tile.transmittance + p);
      const GefExponent<V> exponent = exponent_with_derivatives<V, Gaussian>(s, q);
      const auto light = absorb(s, exponent.u, before);
      store(tile.transmittance + p, light.left);
      if (!any<V>(light.weight > V(Real(0)))) continue;
      touched = true;
      V v_features[D];
      for (int d = 0; d < D; ++d) v_features[d] = load<V>(tile.v_features[d] + p);
      store(tile.behind + p, add_moments<D>(s, s.color, light, exponent, before, dx, V(dy), v_features, load<V>(tile.v_alphas + p),
                                            load<V>(tile.behind + p), sums));
    }
  }
  return touched;
}

SPLATKIT_ISA_END
