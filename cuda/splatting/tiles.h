// The tiles that a splat touches, the blocks of a tile that it touches, and keys that order like depths: shared by the CPU's and the device's tile lists.
#pragma once
#include <cstdint>
#include <cstring>

#include "include/splatkit_native.h"
#include "splatting/support.h"

SPLATKIT_ISA_BEGIN

// Calls visit(first tile, last tile) for the rows of tiles of one camera that splat n touches, from the top.
template <class Real, class Visit>
SPLATKIT_HD void for_each_row(const SplatImageInput<Real>& input, int64_t camera, int64_t n, const Visit& visit) {
  const int64_t i = camera * input.splats + n;
  if (!(input.extents[2 * i] > 0)) return;
  const Ellipse<Real> ellipse = make_ellipse(input.means2d + 2 * i, input.conics + 3 * i, input.extents + 2 * i);
  const PixelSpan rows = row_span(ellipse, input.height);
  const int tiles_x = tile_count(input.width);
  for (int row = rows.first; row < rows.end;) {
    const int tile_y = row / kTileSize, tile_end = (tile_y + 1) * kTileSize, next = tile_end < rows.end ? tile_end : rows.end;
    const PixelSpan columns = column_span(ellipse, {row, next}, input.width);
    if (columns.first < columns.end) {
      visit(tile_y * tiles_x + columns.first / kTileSize, tile_y * tiles_x + (columns.end - 1) / kTileSize);
    }
    row = next;
  }
}

// Calls visit(tile) for each of them.
template <class Real, class Visit>
SPLATKIT_HD void for_each_tile(const SplatImageInput<Real>& input, int64_t camera, int64_t n, const Visit& visit) {
  for_each_row(input, camera, n, [&](int first, int last) {
    for (int tile = first; tile <= last; ++tile) visit(tile);
  });
}

// Calls visit(block, whether the ellipse meets it) for the blocks of Width x Height pixels of a tile, row by row. The ellipse's center is
// relative to the tile's corner.
template <int Width, int Height, class Real, class Visit>
SPLATKIT_HD void for_each_block(const Ellipse<Real>& e, const Visit& visit) {
  const Real far_y = -e.b / e.c * e.extent_x;
  for (int y = 0; y < kTileSize; y += Height) {
    const Real top = Real(y + 0.5 - kSupportSlack) - e.y, bottom = Real(y + Height - 0.5 + kSupportSlack) - e.y;
    Real low, high;
    reach(e, e.a, far_y, top, bottom, low, high);
    const auto in_rows = (bottom >= -e.extent_y) & (top <= e.extent_y);
    for (int x = 0; x < kTileSize; x += Width) {
      const Real left = Real(x + 0.5 - kSupportSlack) - e.x, right = Real(x + Width - 0.5 + kSupportSlack) - e.x;
      visit(y / Height * (kTileSize / Width) + x / Width, in_rows & (high >= left) & (low <= right));
    }
  }
}

// Bits that order like the value, for values >= 0.
SPLATKIT_HD uint32_t ordered_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}
SPLATKIT_HD uint64_t ordered_bits(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

SPLATKIT_ISA_END
