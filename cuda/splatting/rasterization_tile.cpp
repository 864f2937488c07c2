// Compiled once per instruction set (see CMakeLists.txt): SPLATKIT_ISA names the set, SPLATKIT_LANES the floats in a register.
// Nothing here may instantiate a function with external linkage other than the kernel set itself.
#include <cstring>

#include "common/scalar_math.h"
#include "common/simd.h"
#include "splatting/compositing_blocks.h"
#include "splatting/rasterization_kernels.h"

SPLATKIT_ISA_BEGIN

template <class Real>
struct Tile {
  int64_t camera, first, end;    // intersections [first, end)
  int left, top, rows, columns;  // px

  Tile(const SplatImageInput<Real>& input, const TileLists& lists, int64_t index) {
    const int tiles_x = tile_count(input.width), tiles_y = tile_count(input.height);
    const int64_t tile = index % (int64_t(tiles_x) * tiles_y);
    camera = index / (int64_t(tiles_x) * tiles_y);
    left = static_cast<int>(tile % tiles_x) * kTileSize;
    top = static_cast<int>(tile / tiles_x) * kTileSize;
    rows = input.height - top < kTileSize ? input.height - top : kTileSize;
    columns = input.width - left < kTileSize ? input.width - left : kTileSize;
    first = lists.tile_offsets[index], end = lists.tile_offsets[index + 1];
  }

  // Calls visit(pixel of the image, place in the tile's arrays) for the pixels inside the image.
  template <class Visit>
  void for_each_pixel(const SplatImageInput<Real>& input, const Visit& visit) const {
    for (int row = 0; row < rows; ++row) {
      const int64_t pixel = (camera * input.height + top + row) * input.width + left;
      for (int column = 0; column < columns; ++column) visit(pixel + column, block_index(row, column));
    }
  }
};

// alphas may be null.
template <class V, int D, int What, class Real>
void tile_forward(const SplatImageInput<Real>& input, const TileLists& lists, int64_t index, Real* features, Real* alphas) {
  const Tile<Real> tile(input, lists, index);
  static const PixelCenters<Real> centers;
  TilePixels<Real> pixels;
  std::memset(&pixels, 0, sizeof(pixels));  // pixels beyond the border stay finished
  tile.for_each_pixel(input, [&](int64_t, int p) { pixels.transmittance[p] = Real(1); });
  SplatBatch<Real> batch;
  for (int64_t at = tile.first; at < tile.end; at += kBatch) {
    const int live = live_blocks<V>(pixels.transmittance);
    if (live == 0) break;
    load_batch<V>(input, lists, tile.camera, at, at + kBatch < tile.end ? at + kBatch : tile.end, tile.left, tile.top, batch);
    for (int k = 0; k < batch.count; ++k) {
      const TileSplat<Real> splat = splat_of(batch, k);
      const Real* color = input.colors + (tile.camera * input.splats + batch.ids[k]) * D;
      const int blocks = static_cast<int>(batch.blocks[k]) & live;
      with_profile(input.kernel, splat.gaussian, [&](auto profile) __attribute__((always_inline)) {
        composite_splat<V, decltype(profile), D, What>(splat, color, blocks, centers, pixels);
      });
    }
  }
  tile.for_each_pixel(input, [&](int64_t pixel, int p) {
    for (int d = 0; d < D; ++d) features[pixel * D + d] = pixels.features[d][p];
    if (alphas == nullptr) return;
    alphas[pixel] = Real(1) - (pixels.transmittance[p] < 0 ? -pixels.transmittance[p] : pixels.transmittance[p]);
  });
}

// Pixels beyond the image border keep zero gradients and zero transmittance: they take no part.
template <int D, class Real>
void load_gradients(const SplatImageInput<Real>& input, const SplatImageGradient<Real>& gradient, const Tile<Real>& tile,
                    TileGradients<Real>& pixels) {
  std::memset(&pixels, 0, sizeof(pixels));
  tile.for_each_pixel(input, [&](int64_t pixel, int p) {
    pixels.transmittance[p] = Real(1);
    pixels.v_alphas[p] = gradient.v_alphas[pixel];
    pixels.behind[p] = gradient.alphas[pixel] * pixels.v_alphas[p];
    for (int d = 0; d < D; ++d) {
      const Real v = gradient.v_features[pixel * D + d];
      pixels.v_features[d][p] = v;
      pixels.behind[p] += gradient.features[pixel * D + d] * v;
    }
  });
}

// One splat in one tile: its slot.
template <class V, int D, int Parts, class Real>
SPLATKIT_HD void splat_backward(const TileSplat<Real>& splat, int kernel, const Real* color, Real opacity, int blocks,
                                const PixelCenters<Real>& centers, TileGradients<Real>& pixels, Real* slot) {
  constexpr int kSlot = kSlotGradients + D, kSums = 16;
  if (blocks == 0) {
    std::memset(slot, 0, kSlot * sizeof(Real));
    return;
  }
  static_assert(kSlot <= kSums, "sums of a slot fill one tree");
  alignas(64) V sums[kSums];
  alignas(64) Real totals[kSums];
  for (int k = 0; k < kSums; ++k) sums[k] = V(Real(0));
  with_profile(kernel, splat.gaussian, [&](auto profile) __attribute__((always_inline)) {
    composite_splat_backward<V, decltype(profile), D, Parts>(splat, color, blocks, centers, pixels, sums);
  });
  sum_each<kSums>(sums, totals);
  moments_to_gradients(splat, opacity, totals);
  std::memcpy(slot, totals, kSlot * sizeof(Real));
}

template <class V, int D, int Parts, class Real>
void tile_backward(const SplatImageInput<Real>& input, const TileLists& lists, const SplatImageGradient<Real>& gradient, int64_t index) {
  const Tile<Real> tile(input, lists, index);
  static const PixelCenters<Real> centers;
  TileGradients<Real> pixels;
  load_gradients<D>(input, gradient, tile, pixels);
  constexpr int kSlot = kSlotGradients + D;
  SplatBatch<Real> batch;
  int live = -1;
  for (int64_t at = tile.first; at < tile.end; at += kBatch) {
    if (live != 0) live = live_blocks<V>(pixels.transmittance);
    const int64_t end = at + kBatch < tile.end ? at + kBatch : tile.end;
    if (live == 0) {
      for (int64_t k = at; k < end; ++k) std::memset(gradient.scratch + int64_t(lists.slots[k]) * kSlot, 0, kSlot * sizeof(Real));
      continue;
    }
    load_batch<V>(input, lists, tile.camera, at, end, tile.left, tile.top, batch);
    for (int k = 0; k < batch.count; ++k) {
      const Real* color = input.colors + (tile.camera * input.splats + batch.ids[k]) * D;
      splat_backward<V, D, Parts>(splat_of(batch, k), input.kernel, color, batch.opacity[k], static_cast<int>(batch.blocks[k]) & live,
                                  centers, pixels, gradient.scratch + int64_t(lists.slots[at + k]) * kSlot);
    }
  }
}

template <class V>
void forward(const SplatImageInput<typename V::Lane>& input, const TileLists& lists, int64_t tile, typename V::Lane* features,
             typename V::Lane* alphas) {
  switch (input.channels) {
    case 1: return tile_forward<V, 1, kBlend>(input, lists, tile, features, alphas);
    case 2: return tile_forward<V, 2, kBlend>(input, lists, tile, features, alphas);
    case 3: return tile_forward<V, 3, kBlend>(input, lists, tile, features, alphas);
    case 4: return tile_forward<V, 4, kBlend>(input, lists, tile, features, alphas);
    default: return tile_forward<V, 5, kBlend>(input, lists, tile, features, alphas);
  }
}

// The input's only channel is the depth.
template <class V>
void median(const SplatImageInput<typename V::Lane>& input, const TileLists& lists, int64_t tile, typename V::Lane* depths) {
  tile_forward<V, 1, kMedian>(input, lists, tile, depths, static_cast<typename V::Lane*>(nullptr));
}

template <class V, int D>
void backward_parts(const SplatImageInput<typename V::Lane>& input, const TileLists& lists,
                    const SplatImageGradient<typename V::Lane>& gradient, int64_t tile) {
  if (gradient.v_means2d_abs != nullptr) return tile_backward<V, D, kAllParts>(input, lists, gradient, tile);
  if (gradient.v_betas != nullptr) return tile_backward<V, D, kBetaParts>(input, lists, gradient, tile);
  tile_backward<V, D, kNoParts>(input, lists, gradient, tile);
}

template <class V>
void backward(const SplatImageInput<typename V::Lane>& input, const TileLists& lists, const SplatImageGradient<typename V::Lane>& gradient,
              int64_t tile) {
  switch (input.channels) {
    case 1: return backward_parts<V, 1>(input, lists, gradient, tile);
    case 2: return backward_parts<V, 2>(input, lists, gradient, tile);
    case 3: return backward_parts<V, 3>(input, lists, gradient, tile);
    case 4: return backward_parts<V, 4>(input, lists, gradient, tile);
    default: return backward_parts<V, 5>(input, lists, gradient, tile);
  }
}

using FloatVec = Vec<float, SPLATKIT_LANES>;
using DoubleVec = Vec<double, SPLATKIT_LANES / 2>;

constexpr RasterizationKernelSet kernel_set = {{forward<FloatVec>, backward<FloatVec>, median<FloatVec>},
                                               {forward<DoubleVec>, backward<DoubleVec>, median<DoubleVec>}};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(RasterizationKernelSet, rasterization_kernels, kernel_set)
