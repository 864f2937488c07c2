// The splats of a tile on the CPU: loaded a batch at a time, composited block by block.
//
// A tile's pixels are kept in blocks of 4 x 4, one AVX-512 register each: small splats fill more lanes of blocks than of rows. Which blocks
// a splat's support meets is found for a whole batch at once, one lane a splat.
#pragma once
#include "common/simd.h"
#include "splatting/compositing.h"
#include "splatting/rasterization_kernels.h"

SPLATKIT_ISA_BEGIN

constexpr int kBlockSide = 4, kBlockPixels = kBlockSide * kBlockSide;
constexpr int kBlocksAcross = kTileSize / kBlockSide, kTileBlocks = kBlocksAcross * kBlocksAcross;
constexpr int kBatch = 32;  // splats

// Place of a pixel of a tile in its arrays.
SPLATKIT_HD int block_index(int row, int column) {
  const int block = row / kBlockSide * kBlocksAcross + column / kBlockSide;
  return block * kBlockPixels + row % kBlockSide * kBlockSide + column % kBlockSide;
}

// Pixel centers of a block relative to its corner, by register.
template <class V>
struct BlockCenters {
  V x[kBlockPixels / V::kLanes], y[kBlockPixels / V::kLanes];

  BlockCenters() {
    using Real = typename V::Lane;
    for (int p = 0; p < kBlockPixels; ++p) {
      x[p / V::kLanes].v[p % V::kLanes] = Real(p % kBlockSide) + Real(0.5),
                             y[p / V::kLanes].v[p % V::kLanes] = Real(p / kBlockSide) + Real(0.5);
    }
  }
};

// A lane in memory, which a[lane] would take a whole register for.
template <class V>
SPLATKIT_HD void set_lane(V& a, int lane, typename V::Lane value) {
  std::memcpy(reinterpret_cast<char*>(&a) + lane * sizeof(value), &value, sizeof(value));
}

// Some splats of a tile.
template <class Real>
struct SplatBatch {
  int count;
  const SplatRow<Real>* rows[kBatch];
  Real q_max[kBatch];
  bool gaussian[kBatch];  // see `with_profile`
};

// The splats of a tile's list, a batch at a time.
template <class V>
struct TileSplats {
  using Real = typename V::Lane;
  const SplatRow<Real>* rows;  // of the tile's camera
  const int32_t* ids;          // of the tile
  int64_t count;
  int kernel, left, top;

  // From the splat `first` on. Calls visit(first splat of a register, block, mask of those that meet the block); lanes beyond the batch
  // repeat its first splat.
  template <class Visit>
  SPLATKIT_HD void load(int64_t first, SplatBatch<Real>& batch, const Visit& visit) const {
    for (int64_t k = first + kBatch; k < first + 2 * kBatch && k < count; ++k) __builtin_prefetch(rows + ids[k]);
    batch.count = count - first < kBatch ? static_cast<int>(count - first) : kBatch;
    constexpr int kNumbers = 7;
    alignas(64) Real numbers[kNumbers][kBatch];
    for (int k = 0; k < kBatch; ++k) {
      const SplatRow<Real>& row = rows[ids[k < batch.count ? first + k : first]];
      batch.rows[k] = &row;
      const Real of_row[kNumbers] = {row.x - Real(left), row.y - Real(top), row.a, Real(0.5) * row.twice_b, row.c,
                                     row.extent_x,       row.extent_y};
      for (int j = 0; j < kNumbers; ++j) numbers[j][k] = of_row[j];
      batch.gaussian[k] = is_gaussian(row);
    }
    for (int k = 0; k < kBatch; k += V::kLanes) {
      V of[kNumbers];
      for (int j = 0; j < kNumbers; ++j) of[j] = splatkit::SPLATKIT_ISA::load<V>(numbers[j] + k);
      const Ellipse<V> e = make_ellipse(of[0], of[1], of[2], of[3], of[4], of[5], of[6]);
      store(batch.q_max + k, e.q_max * V(Real(1.01)) + V(Real(1e-3)));  // alpha decides; this only skips pixels
      for_each_block<kBlockSide, kBlockSide>(
          e, [&](int block, typename V::Mask meets) __attribute__((always_inline)) { visit(k, block, meets); });
    }
  }

 private:
  SPLATKIT_HD bool is_gaussian(const SplatRow<Real>& row) const {
    return with_profile(
        kernel, [&](auto profile) { return profile.is_gaussian(ProfileNumbers<Real>{{row.numbers[0], row.numbers[1], row.numbers[2]}}); });
  }
};

template <class Real>
SPLATKIT_HD TileSplat<Real> splat_of(const SplatBatch<Real>& batch, int k) {
  const SplatRow<Real>& row = *batch.rows[k];
  TileSplat<Real> s;
  s.x = row.x, s.y = row.y, s.a = row.a, s.twice_b = row.twice_b, s.c = row.c;
  s.log2_opacity = row.log2_opacity, s.q_max = batch.q_max[k], s.gaussian = batch.gaussian[k], s.color = row.color;
  for (int j = 0; j < kProfileNumbers; ++j) s.numbers.of[j] = row.numbers[j];
  return s;
}

template <class V, class Real>
SPLATKIT_HD bool misses(const TileSplat<Real>& s, V q) {
  // A whole block is already known to meet the support; parts of it may not.
  if constexpr (V::kLanes == kBlockPixels) return false;
  return !any<V>(q <= V(s.q_max));
}

// What a forward pass keeps of the splats: their colors by weight, or the first channel of the one at which half of the light is gone.
enum Keep { kBlend, kMedian };

// A register of pixels on its way through the list. Those beyond the image's border are finished from the start.
template <class V, int D>
struct ForwardPixels {
  V x, y;           // centers, px
  V transmittance;  // 0 once the pixel is finished
  V left;           // of the light behind the last splat composited
  V features[D];

  template <int What, class Real>
  SPLATKIT_HD void composite(int kernel, const TileSplat<Real>& s) {
    const V dx = x - V(s.x), dy = y - V(s.y), q = squared_distance(s, dx, dy);
    if (misses(s, q)) return;
    const V u = with_profile(kernel, s.gaussian, [&](auto profile) __attribute__((always_inline)) { return profile.value(s.numbers, q); });
    const auto light = absorb(s, u, transmittance);
    if constexpr (What == kMedian) {
      features[0] = select(crosses_half(transmittance, light.left), V(s.color[0]), features[0]);
    } else {
      for (int d = 0; d < D; ++d) features[d] += light.weight * V(s.color[d]);
    }
    transmittance = light.left;
    left = select(light.alive, light.left, left);
  }
};

// The same of a backward pass.
template <class V, int D>
struct BackwardPixels {
  V x, y, transmittance;
  V behind;  // sum over splats behind of weight * (color . v_features + v_alpha)
  V v_alpha, v_features[D];

  // Adds to sums[kSlotGradients + D]. No test whether the pixels take anything: a branch on it is mispredicted more dearly than it saves.
  template <class Profile, int Parts, class Real>
  SPLATKIT_HD void composite(const TileSplat<Real>& s, V* sums) {
    const V dx = x - V(s.x), dy = y - V(s.y), q = squared_distance(s, dx, dy);
    if (misses(s, q)) return;
    const V before = transmittance;
    const auto exponent = Profile::with_derivatives(s.numbers, q);
    const auto light = absorb(s, exponent.u, before);
    transmittance = light.left;
    behind = add_moments<D, Parts>(s, s.color, light, exponent, before, dx, dy, v_features, v_alpha, behind, sums);
  }
};

// The pixels of a tile by register, block after block.
template <class V, class Pixels>
struct TilePixels {
  static constexpr int kRegisters = kBlockPixels / V::kLanes;  // of a block
  Pixels of[kTileBlocks * kRegisters];

  // Blocks in which some pixel is not finished.
  SPLATKIT_HD int live_blocks() const {
    int blocks = 0;
    for (int block = 0; block < kTileBlocks; ++block) {
      V most = of[block * kRegisters].transmittance;
      for (int k = 1; k < kRegisters; ++k) most = max(most, of[block * kRegisters + k].transmittance);
      blocks |= any<V>(most > V(typename V::Lane(0))) << block;
    }
    return blocks;
  }
};

SPLATKIT_ISA_END
