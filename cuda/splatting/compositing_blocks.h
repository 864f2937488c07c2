// The splats of a tile on the CPU: loaded a batch at a time, composited block by block.
//
// A tile's pixels are kept in blocks of 4 x 4, one AVX-512 register each: small splats fill more lanes of blocks than of rows. Which blocks
// a splat's support meets is found for a whole batch at once, one lane a splat.
#pragma once
#include "common/simd.h"
#include "splatting/compositing.h"

SPLATKIT_ISA_BEGIN

constexpr int kBlockSide = 4, kBlockPixels = kBlockSide * kBlockSide;
constexpr int kBlocksAcross = kTileSize / kBlockSide, kTileBlocks = kBlocksAcross * kBlocksAcross;
constexpr int kBatch = 16;  // splats

// Place of a pixel of a tile in its arrays.
SPLATKIT_HD int block_index(int row, int column) {
  const int block = row / kBlockSide * kBlocksAcross + column / kBlockSide;
  return block * kBlockPixels + row % kBlockSide * kBlockSide + column % kBlockSide;
}

// Pixel centers of a tile relative to its corner.
template <class Real>
struct alignas(64) PixelCenters {
  Real x[kTilePixels], y[kTilePixels];

  PixelCenters() {
    for (int row = 0; row < kTileSize; ++row) {
      for (int column = 0; column < kTileSize; ++column) {
        x[block_index(row, column)] = Real(column) + Real(0.5), y[block_index(row, column)] = Real(row) + Real(0.5);
      }
    }
  }
};

template <class Real>
struct alignas(64) SplatBatch {
  int count;
  int32_t ids[kBatch];
  Real x[kBatch], y[kBatch];  // center relative to the tile's corner, px
  Real a[kBatch], b[kBatch], c[kBatch], extent_x[kBatch], extent_y[kBatch], opacity[kBatch], beta[kBatch];
  Real log2_opacity[kBatch], q_max[kBatch], numbers[kProfileNumbers][kBatch];  // numbers: of the profile
  bool gaussian[kBatch];                                                       // see `with_profile`
  typename LaneInt<Real>::type blocks[kBatch];                                 // bit k: the support meets block k
};

// Bits of the blocks that each lane's ellipse meets; its center is relative to the tile's corner.
template <class V>
SPLATKIT_HD typename V::Mask touched_blocks(const Ellipse<V>& e) {
  using Real = typename V::Lane;
  typename V::Mask blocks = {};
  const V far_y = -e.b / e.c * e.extent_x;
  for (int by = 0; by < kBlocksAcross; ++by) {
    const V top = V(Real(by * kBlockSide + 0.5 - kSupportSlack)) - e.y;
    const V bottom = V(Real(by * kBlockSide + kBlockSide - 0.5 + kSupportSlack)) - e.y;
    V low, high;
    reach(e, e.a, far_y, top, bottom, low, high);
    const auto in_rows = (bottom >= -e.extent_y) & (top <= e.extent_y);
    for (int bx = 0; bx < kBlocksAcross; ++bx) {
      const V left = V(Real(bx * kBlockSide + 0.5 - kSupportSlack)) - e.x;
      const V right = V(Real(bx * kBlockSide + kBlockSide - 0.5 + kSupportSlack)) - e.x;
      blocks |= in_rows & (high >= left) & (low <= right) & (1 << (by * kBlocksAcross + bx));
    }
  }
  return blocks;
}

// Splats [first, end) of the lists, at most kBatch, of a tile with the corner (left, top).
template <class V, class Real>
SPLATKIT_HD void load_batch(const SplatImageInput<Real>& input, const TileLists& lists, int64_t camera, int64_t first, int64_t end,
                            int left, int top, SplatBatch<Real>& batch) {
  batch.count = static_cast<int>(end - first);
  for (int k = 0; k < kBatch; ++k) {
    const int32_t n = lists.splat_ids[k < batch.count ? first + k : first];
    const int64_t i = camera * input.splats + n;
    const Real *mean = input.means2d + 2 * i, *conic = input.conics + 3 * i, *extent = input.extents + 2 * i;
    batch.ids[k] = n;
    batch.x[k] = mean[0] - Real(left), batch.y[k] = mean[1] - Real(top);
    batch.a[k] = conic[0], batch.b[k] = conic[1], batch.c[k] = conic[2];
    batch.extent_x[k] = extent[0], batch.extent_y[k] = extent[1];
    batch.opacity[k] = input.opacities[n], batch.beta[k] = input.betas[n];
  }
  for (int k = 0; k < kBatch; k += V::kLanes) {
    const Ellipse<V> e = make_ellipse(load<V>(batch.x + k), load<V>(batch.y + k), load<V>(batch.a + k), load<V>(batch.b + k),
                                      load<V>(batch.c + k), load<V>(batch.extent_x + k), load<V>(batch.extent_y + k));
    store(batch.q_max + k, e.q_max * V(Real(1.01)) + V(Real(1e-3)));  // alpha decides; this only skips pixels
    store(batch.log2_opacity + k, log2(load<V>(batch.opacity + k)));
    const auto blocks = touched_blocks(e);
    std::memcpy(batch.blocks + k, &blocks, sizeof(blocks));
  }
  with_profile(input.kernel, [&](auto profile) __attribute__((always_inline)) {
    for (int k = 0; k < kBatch; k += V::kLanes) {
      const ProfileNumbers<V> numbers = profile.numbers(load<V>(batch.beta + k));
      for (int j = 0; j < kProfileNumbers; ++j) store(batch.numbers[j] + k, numbers.of[j]);
    }
    for (int k = 0; k < kBatch; ++k) batch.gaussian[k] = profile.is_gaussian(batch.beta[k]);
  });
}

template <class Real>
SPLATKIT_HD TileSplat<Real> splat_of(const SplatBatch<Real>& batch, int k) {
  TileSplat<Real> s;
  s.x = batch.x[k], s.y = batch.y[k], s.a = batch.a[k], s.b = batch.b[k], s.c = batch.c[k];
  s.log2_opacity = batch.log2_opacity[k], s.q_max = batch.q_max[k], s.gaussian = batch.gaussian[k];
  for (int j = 0; j < kProfileNumbers; ++j) s.numbers.of[j] = batch.numbers[j][k];
  return s;
}

// Transmittance of pixels: what is left of the light, negated once the pixel is finished.
template <class Real>
struct alignas(64) TilePixels {
  Real transmittance[kTilePixels];
  Real features[kMaxChannels][kTilePixels];
};

// Blocks of a tile in which some pixel is not finished.
template <class V, class Real>
SPLATKIT_HD int live_blocks(const Real* transmittance) {
  int blocks = 0;
  for (int block = 0; block < kTileBlocks; ++block) {
    V most = load<V>(transmittance + block * kBlockPixels);
    for (int p = V::kLanes; p < kBlockPixels; p += V::kLanes) most = max(most, load<V>(transmittance + block * kBlockPixels + p));
    blocks |= any<V>(most > V(Real(0))) << block;
  }
  return blocks;
}

// Vectors of the blocks in a mask, by visit(first pixel).
template <class V, class Visit>
SPLATKIT_HD void for_each_vector(int blocks, const Visit& visit) {
  for (; blocks != 0; blocks &= blocks - 1) {
    const int first = __builtin_ctz(blocks) * kBlockPixels;
    for (int p = first; p < first + kBlockPixels; p += V::kLanes) visit(p);
  }
}

template <class V, class Real>
SPLATKIT_HD bool misses(const TileSplat<Real>& s, V q) {
  // A whole block is already known to meet the support; parts of it may not.
  if constexpr (V::kLanes == kBlockPixels) return false;
  return !any<V>(q <= V(s.q_max));
}

// What a forward pass keeps of the splats: their colors by weight, or the first channel of the one at which half of the light is gone.
enum Keep { kBlend, kMedian };

template <class V, class Profile, int D, int What, class Real>
SPLATKIT_HD void composite_splat(const TileSplat<Real>& s, const Real* color, int blocks, const PixelCenters<Real>& centers,
                                 TilePixels<Real>& tile) {
  for_each_vector<V>(blocks, [&](int p) __attribute__((always_inline)) {
    const V dx = load<V>(centers.x + p) - V(s.x), dy = load<V>(centers.y + p) - V(s.y);
    const V q = squared_distance(s, dx, V(2 * s.b) * dy, V(s.c) * dy * dy);
    if (misses(s, q)) return;
    const V before = load<V>(tile.transmittance + p);
    const auto light = absorb(s, Profile::value(s.numbers, q), before);
    store(tile.transmittance + p, select(light.alive, light.left, -abs(before)));
    if constexpr (What == kMedian) {
      const auto crosses = crosses_half(before, light.left);
      store(tile.features[0] + p, select(crosses, V(color[0]), load<V>(tile.features[0] + p)));
    } else {
      for (int d = 0; d < D; ++d) store(tile.features[d] + p, load<V>(tile.features[d] + p) + light.weight * V(color[d]));
    }
  });
}

// Per-pixel constants of the backward pass of a tile and what is left behind the current splat.
template <class Real>
struct alignas(64) TileGradients {
  Real transmittance[kTilePixels];  // 0 once the pixel is finished
  Real behind[kTilePixels];         // sum over splats behind of weight * (color . v_features + v_alpha)
  Real v_features[kMaxChannels][kTilePixels];
  Real v_alphas[kTilePixels];
};

// Adds to sums[kSlotGradients + D]. No test whether a block's pixels take anything: a branch on it is mispredicted more dearly than it
// saves.
template <class V, class Profile, int D, int Parts, class Real>
SPLATKIT_HD void composite_splat_backward(const TileSplat<Real>& s, const Real* color, int blocks, const PixelCenters<Real>& centers,
                                          TileGradients<Real>& tile, V* sums) {
  for_each_vector<V>(blocks, [&](int p) __attribute__((always_inline)) {
    const V dx = load<V>(centers.x + p) - V(s.x), dy = load<V>(centers.y + p) - V(s.y);
    const V q = squared_distance(s, dx, V(2 * s.b) * dy, V(s.c) * dy * dy);
    if (misses(s, q)) return;
    const V before = load<V>(tile.transmittance + p);
    const auto exponent = Profile::with_derivatives(s.numbers, q);
    const auto light = absorb(s, exponent.u, before);
    store(tile.transmittance + p, light.left);
    V v_features[D];
    for (int d = 0; d < D; ++d) v_features[d] = load<V>(tile.v_features[d] + p);
    const V behind = add_moments<D, Parts>(s, color, light, exponent, before, dx, dy, v_features, load<V>(tile.v_alphas + p),
                                           load<V>(tile.behind + p), sums);
    store(tile.behind + p, behind);
  });
}

SPLATKIT_ISA_END
