// Compiled once per instruction set (see CMakeLists.txt): SPLATKIT_ISA names the set, SPLATKIT_LANES the floats in a register.
// Nothing here may instantiate a function with external linkage other than the kernel set itself.
#include <cstring>

#include "common/scalar_math.h"
#include "common/simd.h"
#include "splatting/compositing_rows.h"
#include "splatting/rasterization_kernels.h"

SPLATKIT_ISA_BEGIN

template <class Real>
struct Tile {
  int64_t camera, first, end;         // intersections [first, end)
  int left, top, rows, columns;       // px
  Real column_centers[kTileSize];     // pixel centers relative to `left`

  Tile(const SplatImageInput<Real>& input, const TileLists& lists, int64_t index) {
    const int tiles_x = tile_count(input.width), tiles_y = tile_count(input.height);
    const int64_t tile = index % (int64_t(tiles_x) * tiles_y);
    camera = index / (int64_t(tiles_x) * tiles_y);
    left = static_cast<int>(tile % tiles_x) * kTileSize;
    top = static_cast<int>(tile / tiles_x) * kTileSize;
    rows = input.height - top < kTileSize ? input.height - top : kTileSize;
    columns = input.width - left < kTileSize ? input.width - left : kTileSize;
    first = lists.tile_offsets[index], end = lists.tile_offsets[index + 1];
    for (int i = 0; i < kTileSize; ++i) column_centers[i] = Real(i) + Real(0.5);
  }
};

constexpr int kFinishedCheck = 16;  // splats between two looks at whether all pixels of a tile are finished

template <class V, int D, class Real>
void tile_forward(const SplatImageInput<Real>& input, const TileLists& lists, int64_t index, Real* features, Real* alphas) {
  const Tile<Real> tile(input, lists, index);
  TilePixels<Real> pixels;
  std::memset(pixels.features, 0, sizeof(pixels.features));
  for (int p = 0; p < kTilePixels; ++p) pixels.transmittance[p] = pixels.final_transmittance[p] = Real(1);
  for (int64_t at = tile.first; at < tile.end; ++at) {
    if ((at - tile.first) % kFinishedCheck == 0 && tile_finished<V>(pixels.transmittance, tile.rows)) break;
    const TileSplat<Real> splat = load_splat(input, tile.camera, lists.splat_ids[at], tile.left, tile.top, tile.rows);
    if (splat.gaussian) {
      composite_splat<V, D, true>(splat, tile.left, tile.top, tile.column_centers, pixels);
    } else {
      composite_splat<V, D, false>(splat, tile.left, tile.top, tile.column_centers, pixels);
    }
  }
  for (int row = 0; row < tile.rows; ++row) {
    const int64_t pixel = (tile.camera * input.height + tile.top + row) * input.width + tile.left;
    for (int column = 0; column < tile.columns; ++column) {
      const int p = row * kTileSize + column;
      for (int d = 0; d < D; ++d) features[(pixel + column) * D + d] = pixels.features[d][p];
      alphas[pixel + column] = Real(1) - pixels.final_transmittance[p];
    }
  }
}

// Pixels beyond the image border keep zero gradients and zero transmittance: they take no part.
template <int D, class Real>
void load_gradients(const SplatImageInput<Real>& input, const SplatImageGradient<Real>& gradient, const Tile<Real>& tile,
                    TileGradients<Real>& pixels) {
  std::memset(&pixels, 0, sizeof(pixels));
  for (int row = 0; row < tile.rows; ++row) {
    const int64_t pixel = (tile.camera * input.height + tile.top + row) * input.width + tile.left;
    for (int column = 0; column < tile.columns; ++column) {
      const int p = row * kTileSize + column;
      pixels.transmittance[p] = Real(1);
      pixels.v_alphas[p] = gradient.v_alphas[pixel + column];
      pixels.behind[p] = gradient.alphas[pixel + column] * pixels.v_alphas[p];
      for (int d = 0; d < D; ++d) {
        const Real v = gradient.v_features[(pixel + column) * D + d];
        pixels.v_features[d][p] = v;
        pixels.behind[p] += gradient.features[(pixel + column) * D + d] * v;
      }
    }
  }
}

template <class V, int D, class Real>
void tile_backward(const SplatImageInput<Real>& input, const TileLists& lists, const SplatImageGradient<Real>& gradient, int64_t index) {
  const Tile<Real> tile(input, lists, index);
  TileGradients<Real> pixels;
  load_gradients<D>(input, gradient, tile, pixels);
  constexpr int kSlot = kSlotGradients + D;
  bool finished = false;
  for (int64_t at = tile.first; at < tile.end; ++at) {
    Real* slot = gradient.scratch + int64_t(lists.slots[at]) * kSlot;
    bool touched = false;
    if (!finished && (at - tile.first) % kFinishedCheck == 0) finished = tile_finished<V>(pixels.transmittance, tile.rows);
    if (!finished) {
      const TileSplat<Real> splat = load_splat(input, tile.camera, lists.splat_ids[at], tile.left, tile.top, tile.rows);
      V sums[kSlot];
      for (int k = 0; k < kSlot; ++k) sums[k] = V(Real(0));
      touched = splat.gaussian ? composite_splat_backward<V, D, true>(splat, tile.left, tile.top, tile.column_centers, pixels, sums)
                               : composite_splat_backward<V, D, false>(splat, tile.left, tile.top, tile.column_centers, pixels, sums);
      if (touched) {
        for (int k = 0; k < kSlot; ++k) slot[k] = sum(sums[k]);
        moments_to_gradients(splat, input.opacities[lists.splat_ids[at]], slot);
      }
    }
    if (!touched) std::memset(slot, 0, kSlot * sizeof(Real));
  }
}

template <class V>
void forward(const SplatImageInput<typename V::Lane>& input, const TileLists& lists, int64_t tile, typename V::Lane* features,
             typename V::Lane* alphas) {
  switch (input.channels) {
    case 1: return tile_forward<V, 1>(input, lists, tile, features, alphas);
    case 2: return tile_forward<V, 2>(input, lists, tile, features, alphas);
    case 3: return tile_forward<V, 3>(input, lists, tile, features, alphas);
    case 4: return tile_forward<V, 4>(input, lists, tile, features, alphas);
    default: return tile_forward<V, 5>(input, lists, tile, features, alphas);
  }
}

template <class V>
void backward(const SplatImageInput<typename V::Lane>& input, const TileLists& lists, const SplatImageGradient<typename V::Lane>& gradient,
              int64_t tile) {
  switch (input.channels) {
    case 1: return tile_backward<V, 1>(input, lists, gradient, tile);
    case 2: return tile_backward<V, 2>(input, lists, gradient, tile);
    case 3: return tile_backward<V, 3>(input, lists, gradient, tile);
    case 4: return tile_backward<V, 4>(input, lists, gradient, tile);
    default: return tile_backward<V, 5>(input, lists, gradient, tile);
  }
}

using FloatVec = Vec<float, SPLATKIT_LANES>;
using DoubleVec = Vec<double, SPLATKIT_LANES / 2>;

constexpr RasterizationKernelSet kernel_set = {{forward<FloatVec>, backward<FloatVec>}, {forward<DoubleVec>, backward<DoubleVec>}};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(RasterizationKernelSet, rasterization_kernels, kernel_set)
