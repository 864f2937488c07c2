// Compiled once per instruction set (see CMakeLists.txt): SPLATKIT_ISA names the set, SPLATKIT_LANES the floats in a register.
// Nothing here may instantiate a function with external linkage other than the kernel set itself.
#include <cstring>

#include "common/scalar_math.h"
#include "common/simd.h"
#include "splatting/compositing_blocks.h"
#include "splatting/rasterization_kernels.h"
#include "splatting/splat_lanes.h"

SPLATKIT_ISA_BEGIN

template <class V>
void make_rows(const SplatImageInput<typename V::Lane>& input, int64_t begin, int64_t end, SplatRow<typename V::Lane>* rows) {
  using Real = typename V::Lane;
  const SeenSplats<Real> seen(input.extents + 2 * begin, 0, end - begin);
  seen.template for_each_group<V>([&](const SplatGroup<V>& group) {
    alignas(64) Real opacities[V::kLanes], betas[V::kLanes], numbers[kProfileNumbers][V::kLanes];
    for (int l = 0; l < V::kLanes; ++l) {
      const int64_t n = (begin + group.ids[l]) % input.splats;
      opacities[l] = input.opacities[n], betas[l] = input.betas[n];
    }
    store(opacities, log2(load<V>(opacities)));
    with_profile(input.kernel, [&](auto profile) __attribute__((always_inline)) {
      const ProfileNumbers<V> of = profile.numbers(load<V>(betas));
      for (int j = 0; j < kProfileNumbers; ++j) store(numbers[j], of.of[j]);
    });
    for (int l = 0; l < group.count; ++l) {
      const int64_t i = begin + group.ids[l];
      const Real *mean = input.means2d + 2 * i, *conic = input.conics + 3 * i, *extent = input.extents + 2 * i;
      SplatRow<Real>& row = rows[i];
      row.x = mean[0], row.y = mean[1], row.a = conic[0], row.twice_b = 2 * conic[1], row.c = conic[2];
      row.log2_opacity = opacities[l], row.extent_x = extent[0], row.extent_y = extent[1];
      for (int j = 0; j < kProfileNumbers; ++j) row.numbers[j] = numbers[j][l];
      for (int d = 0; d < kMaxChannels; ++d) row.color[d] = d < input.channels ? input.colors[i * input.channels + d] : Real(0);
    }
  });
}

template <class V>
struct Tile {
  using Real = typename V::Lane;
  int64_t camera, first;         // first intersection
  int left, top, rows, columns;  // px
  TileSplats<V> splats;

  Tile(const SplatImageInput<Real>& input, const SplatRow<Real>* splat_rows, const TileLists& lists, int64_t index) {
    const int tiles_x = tile_count(input.width), tiles_y = tile_count(input.height);
    const int64_t tile = index % (int64_t(tiles_x) * tiles_y);
    camera = index / (int64_t(tiles_x) * tiles_y);
    left = static_cast<int>(tile % tiles_x) * kTileSize;
    top = static_cast<int>(tile / tiles_x) * kTileSize;
    rows = input.height - top < kTileSize ? input.height - top : kTileSize;
    columns = input.width - left < kTileSize ? input.width - left : kTileSize;
    first = lists.tile_offsets[index];
    splats = {splat_rows + camera * input.splats, lists.splat_ids + first, lists.tile_offsets[index + 1] - first, input.kernel, left, top};
  }

  // Calls visit(pixel of the image, register, lane) for the pixels inside the image.
  template <class Pixels, class Visit>
  void for_each_pixel(const SplatImageInput<Real>& input, TilePixels<V, Pixels>& pixels, const Visit& visit) const {
    for (int row = 0; row < rows; ++row) {
      const int64_t pixel = (camera * input.height + top + row) * input.width + left;
      for (int column = 0; column < columns; ++column) {
        const int p = block_index(row, column);
        visit(pixel + column, pixels.of[p / V::kLanes], p % V::kLanes);
      }
    }
  }

  template <class Pixels>
  void set_centers(TilePixels<V, Pixels>& pixels) const {
    static const BlockCenters<V> centers;
    constexpr int kRegisters = TilePixels<V, Pixels>::kRegisters;
    for (int block = 0; block < kTileBlocks; ++block) {
      const V x = V(Real(left + block % kBlocksAcross * kBlockSide)), y = V(Real(top + block / kBlocksAcross * kBlockSide));
      for (int r = 0; r < kRegisters; ++r) {
        pixels.of[block * kRegisters + r].x = x + centers.x[r], pixels.of[block * kRegisters + r].y = y + centers.y[r];
      }
    }
  }

  // Asks for the tile's rows of an image ahead of their use.
  void prefetch(const SplatImageInput<Real>& input, const Real* image, int channels) const {
    constexpr int kLine = 64 / sizeof(Real);
    for (int row = 0; row < rows; ++row) {
      const Real* first = image + ((camera * input.height + top + row) * input.width + left) * channels;
      for (int k = 0; k < columns * channels; k += kLine) __builtin_prefetch(first + k);
    }
  }
};

// The given splats of a batch, bit k for splat k, front to back.
template <int What, class V, int D, class Real>
SPLATKIT_HD void composite_register(int kernel, const SplatBatch<Real>& batch, uint32_t splats, ForwardPixels<V, D>& pixels) {
  ForwardPixels<V, D> of = pixels;
  for (; splats != 0; splats &= splats - 1) of.template composite<What>(kernel, splat_of(batch, __builtin_ctz(splats)));
  // Member by member, which does without a copy in memory.
  pixels.transmittance = of.transmittance, pixels.left = of.left;
  for (int d = 0; d < D; ++d) pixels.features[d] = of.features[d];
}

// alphas may be null.
template <class V, int D, int What, class Real>
void tile_forward(const SplatImageInput<Real>& input, const SplatRow<Real>* rows, const TileLists& lists, int64_t index, Real* features,
                  Real* alphas) {
  using Pixels = ForwardPixels<V, D>;
  const Tile<V> tile(input, rows, lists, index);
  TilePixels<V, Pixels> pixels;
  std::memset(static_cast<void*>(&pixels), 0, sizeof(pixels));
  tile.set_centers(pixels);
  tile.for_each_pixel(input, pixels, [&](int64_t, Pixels& of, int lane) { of.transmittance.v[lane] = of.left.v[lane] = Real(1); });
  SplatBatch<Real> batch;
  for (int64_t first = 0; first < tile.splats.count; first += kBatch) {
    int live = pixels.live_blocks();
    if (live == 0) break;
    uint32_t splats[kTileBlocks] = {};  // bit k: splat k of the batch meets the block
    tile.splats.load(first, batch, [&](int k, int block, typename V::Mask meets) __attribute__((always_inline)) {
      splats[block] |= static_cast<uint32_t>(lane_bits<V>(meets)) << k;
    });
    const uint32_t all = ~uint32_t(0) >> (32 - batch.count);
    for (; live != 0; live &= live - 1) {
      const int block = __builtin_ctz(live);
      for (int r = block * pixels.kRegisters; r < (block + 1) * pixels.kRegisters; ++r) {
        composite_register<What>(input.kernel, batch, splats[block] & all, pixels.of[r]);
      }
    }
  }
  tile.for_each_pixel(input, pixels, [&](int64_t pixel, const Pixels& of, int lane) {
    for (int d = 0; d < D; ++d) features[pixel * D + d] = of.features[d].v[lane];
    if (alphas != nullptr) alphas[pixel] = Real(1) - of.left.v[lane];
  });
}

// Pixels beyond the image border keep zero gradients and zero transmittance: they take no part.
template <int D, class V, class Real>
void load_gradients(const SplatImageInput<Real>& input, const SplatImageGradient<Real>& gradient, const Tile<V>& tile,
                    TilePixels<V, BackwardPixels<V, D>>& pixels) {
  const Real *features = gradient.features, *alphas = gradient.alphas, *v_features = gradient.v_features, *v_alphas = gradient.v_alphas;
  tile.prefetch(input, features, D), tile.prefetch(input, v_features, D);
  tile.prefetch(input, alphas, 1), tile.prefetch(input, v_alphas, 1);
  std::memset(static_cast<void*>(&pixels), 0, sizeof(pixels));
  tile.set_centers(pixels);
  tile.for_each_pixel(input, pixels, [&](int64_t pixel, BackwardPixels<V, D>& of, int lane) {
    const Real v_alpha = v_alphas[pixel];
    Real behind = alphas[pixel] * v_alpha;
    for (int d = 0; d < D; ++d) {
      const Real v = v_features[pixel * D + d];
      set_lane(of.v_features[d], lane, v);
      behind += features[pixel * D + d] * v;
    }
    set_lane(of.transmittance, lane, Real(1)), set_lane(of.v_alpha, lane, v_alpha), set_lane(of.behind, lane, behind);
  });
}

// One splat in one tile: its slot.
template <class V, int D, int Parts, class Real>
SPLATKIT_HD void splat_backward(const SplatBatch<Real>& batch, int k, int kernel, int blocks, TilePixels<V, BackwardPixels<V, D>>& pixels,
                                Real* slot) {
  constexpr int kSlot = kSlotGradients + D, kSums = 16, kRegisters = TilePixels<V, BackwardPixels<V, D>>::kRegisters;
  if (blocks == 0) {
    std::memset(slot, 0, kSlot * sizeof(Real));
    return;
  }
  static_assert(kSlot <= kSums, "sums of a slot fill one tree");
  alignas(64) Real totals[kSums];
  with_profile(kernel, batch.gaussian[k], [&](auto profile) __attribute__((always_inline)) {
    V sums[kSums];
    for (int j = 0; j < kSums; ++j) sums[j] = V(Real(0));
    for (int left = blocks; left != 0; left &= left - 1) {
      const int block = __builtin_ctz(left);
      for (int r = block * kRegisters; r < (block + 1) * kRegisters; ++r) {
        pixels.of[r].template composite<decltype(profile), Parts>(splat_of(batch, k), sums);
      }
    }
    sum_each<kSums>(sums, totals);
  });
  std::memcpy(slot, totals, kSlot * sizeof(Real));
}

template <class V, int D, int Parts, class Real>
void tile_backward(const SplatImageInput<Real>& input, const SplatRow<Real>* rows, const TileLists& lists,
                   const SplatImageGradient<Real>& gradient, int64_t index) {
  const Tile<V> tile(input, rows, lists, index);
  TilePixels<V, BackwardPixels<V, D>> pixels;
  load_gradients<D>(input, gradient, tile, pixels);
  constexpr int kSlot = kSlotGradients + D;
  const int32_t* slots = lists.slots + tile.first;
  const auto slot_of = [&](int64_t k) { return gradient.scratch + int64_t(slots[k]) * kSlot; };
  SplatBatch<Real> batch;
  int64_t first = 0;
  for (; first < tile.splats.count; first += kBatch) {
    const int live = pixels.live_blocks();
    if (live == 0) break;
    typename V::Mask blocks[kBatch / V::kLanes] = {};
    for (int64_t k = first; k < first + kBatch && k < tile.splats.count; ++k) {
      __builtin_prefetch(slot_of(k), 1), __builtin_prefetch(slot_of(k) + kSlot - 1, 1);
    }
    tile.splats.load(first, batch, [&](int k, int block, typename V::Mask meets) __attribute__((always_inline)) {
      blocks[k / V::kLanes] |= meets & (1 << block);
    });
    for (int k = 0; k < batch.count; ++k) {
      const int met = static_cast<int>(blocks[k / V::kLanes][k % V::kLanes]) & live;
      splat_backward<V, D, Parts>(batch, k, input.kernel, met, pixels, slot_of(first + k));
    }
  }
  for (; first < tile.splats.count; ++first) std::memset(slot_of(first), 0, kSlot * sizeof(Real));
}

template <class V>
void forward(const SplatImageInput<typename V::Lane>& input, const SplatRow<typename V::Lane>* rows, const TileLists& lists, int64_t tile,
             typename V::Lane* features, typename V::Lane* alphas) {
  switch (input.channels) {
    case 1: return tile_forward<V, 1, kBlend>(input, rows, lists, tile, features, alphas);
    case 2: return tile_forward<V, 2, kBlend>(input, rows, lists, tile, features, alphas);
    case 3: return tile_forward<V, 3, kBlend>(input, rows, lists, tile, features, alphas);
    case 4: return tile_forward<V, 4, kBlend>(input, rows, lists, tile, features, alphas);
    default: return tile_forward<V, 5, kBlend>(input, rows, lists, tile, features, alphas);
  }
}

// The input's only channel is the depth.
template <class V>
void median(const SplatImageInput<typename V::Lane>& input, const SplatRow<typename V::Lane>* rows, const TileLists& lists, int64_t tile,
            typename V::Lane* depths) {
  tile_forward<V, 1, kMedian>(input, rows, lists, tile, depths, static_cast<typename V::Lane*>(nullptr));
}

template <class V, int D>
void backward_parts(const SplatImageInput<typename V::Lane>& input, const SplatRow<typename V::Lane>* rows, const TileLists& lists,
                    const SplatImageGradient<typename V::Lane>& gradient, int64_t tile) {
  if (gradient.v_means2d_abs != nullptr) return tile_backward<V, D, kAllParts>(input, rows, lists, gradient, tile);
  if (gradient.v_betas != nullptr) return tile_backward<V, D, kBetaParts>(input, rows, lists, gradient, tile);
  tile_backward<V, D, kNoParts>(input, rows, lists, gradient, tile);
}

template <class V>
void backward(const SplatImageInput<typename V::Lane>& input, const SplatRow<typename V::Lane>* rows, const TileLists& lists,
              const SplatImageGradient<typename V::Lane>& gradient, int64_t tile) {
  switch (input.channels) {
    case 1: return backward_parts<V, 1>(input, rows, lists, gradient, tile);
    case 2: return backward_parts<V, 2>(input, rows, lists, gradient, tile);
    case 3: return backward_parts<V, 3>(input, rows, lists, gradient, tile);
    case 4: return backward_parts<V, 4>(input, rows, lists, gradient, tile);
    default: return backward_parts<V, 5>(input, rows, lists, gradient, tile);
  }
}

using FloatVec = Vec<float, SPLATKIT_LANES>;
using DoubleVec = Vec<double, SPLATKIT_LANES / 2>;

constexpr RasterizationKernelSet kernel_set = {{make_rows<FloatVec>, forward<FloatVec>, backward<FloatVec>, median<FloatVec>},
                                               {make_rows<DoubleVec>, forward<DoubleVec>, backward<DoubleVec>, median<DoubleVec>}};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(RasterizationKernelSet, rasterization_kernels, kernel_set)
