// Which splats touch which tile. Splats are sorted by depth once, then dealt to tiles by a stable counting sort: each tile's list comes
// out front to back without sorting intersections.
#include <algorithm>
#include <vector>

#include "common/parallel.h"
#include "include/splatkit_native.h"
#include "splatting/camera_partials.h"
#include "splatting/tiles.h"

namespace splatkit {
using namespace portable;

namespace {

template <class Key>
struct DepthEntry {
  Key key;
  int32_t id;
};

// Stable radix sort, least significant digit first.
template <class Key>
void sort_by_key(std::vector<DepthEntry<Key>>& entries) {
  constexpr int kDigit = 11, kBuckets = 1 << kDigit;
  std::vector<DepthEntry<Key>> other(entries.size());
  for (int shift = 0; shift < static_cast<int>(8 * sizeof(Key)); shift += kDigit) {
    int64_t starts[kBuckets + 1] = {0};
    for (const auto& entry : entries) ++starts[((entry.key >> shift) & (kBuckets - 1)) + 1];
    for (int b = 0; b < kBuckets; ++b) starts[b + 1] += starts[b];
    for (const auto& entry : entries) other[starts[(entry.key >> shift) & (kBuckets - 1)]++] = entry;
    entries.swap(other);
  }
}

template <class Real>
auto depth_order(const SplatImageInput<Real>& input, int64_t camera) {
  using Key = decltype(ordered_bits(Real(0)));
  std::vector<DepthEntry<Key>> entries;
  entries.reserve(input.splats);
  for (int64_t n = 0; n < input.splats; ++n) {
    const int64_t i = camera * input.splats + n;
    if (input.extents[2 * i] > 0) entries.push_back({ordered_bits(input.depths[i]), static_cast<int32_t>(n)});
  }
  sort_by_key(entries);
  return entries;
}

// Tiles of each intersection in slot order: splat by splat, row by row.
template <class Real>
std::vector<int32_t> tiles_by_slot(const SplatImageInput<Real>& input, const TileLists& lists, int threads) {
  const int64_t entries = input.cameras * input.splats;
  std::vector<int32_t> tiles(lists.splat_offsets[entries]);
  parallel_for(entries, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t slot = lists.splat_offsets[i];
      for_each_tile(input, i / input.splats, i % input.splats, [&](int tile) { tiles[slot++] = tile; });
    }
  });
  return tiles;
}

// Deals the splats of one camera to its tiles. A part of the depth order first counts what it brings to each tile, so that all parts can then
// write at once; the lists do not depend on how many parts there are.
template <class Real>
void fill_camera(const SplatImageInput<Real>& input, const TileLists& lists, const std::vector<int32_t>& tiles_by_slot, int64_t camera,
                 int threads) {
  const int64_t tiles = int64_t(tile_count(input.width)) * tile_count(input.height), first_entry = camera * input.splats;
  const auto order = depth_order(input, camera);
  const int64_t visible = static_cast<int64_t>(order.size()), parts = threads > 1 ? 4 * threads : 1;
  const int64_t grain = std::max<int64_t>((visible + parts - 1) / parts, 1);
  std::vector<int64_t> next(tiles * parts, 0);  // [part][tile]
  parallel_for(visible, grain, threads, [&](int64_t begin, int64_t end) {
    int64_t* count = next.data() + begin / grain * tiles;
    for (int64_t k = begin; k < end; ++k) {
      const int64_t* slots = lists.splat_offsets + first_entry + order[k].id;
      for (int64_t slot = slots[0]; slot < slots[1]; ++slot) ++count[tiles_by_slot[slot]];
    }
  });
  int64_t* offsets = lists.tile_offsets + camera * tiles;
  int64_t total = lists.splat_offsets[first_entry];
  for (int64_t tile = 0; tile < tiles; ++tile) {
    offsets[tile] = total;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t count = next[part * tiles + tile];
      next[part * tiles + tile] = total;
      total += count;
    }
  }
  offsets[tiles] = total;
  parallel_for(visible, grain, threads, [&](int64_t begin, int64_t end) {
    int64_t* at = next.data() + begin / grain * tiles;
    for (int64_t k = begin; k < end; ++k) {
      const int64_t* slots = lists.splat_offsets + first_entry + order[k].id;
      for (int64_t slot = slots[0]; slot < slots[1]; ++slot) {
        const int64_t place = at[tiles_by_slot[slot]]++;
        lists.splat_ids[place] = order[k].id;
        lists.slots[place] = static_cast<int32_t>(slot);
      }
    }
  });
}

}  // namespace

template <class Real>
int64_t count_intersections(const SplatImageInput<Real>& input, int64_t* splat_offsets, int threads) {
  const int64_t entries = input.cameras * input.splats;
  parallel_for(entries, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t count = 0;
      for_each_row(input, i / input.splats, i % input.splats, [&](int first, int last) { count += last - first + 1; });
      splat_offsets[i + 1] = count;
    }
  });
  splat_offsets[0] = 0;
  for (int64_t i = 0; i < entries; ++i) splat_offsets[i + 1] += splat_offsets[i];
  return splat_offsets[entries];
}

template <class Real>
void fill_tile_lists(const SplatImageInput<Real>& input, const TileLists& lists, int threads) {
  lists.tile_offsets[0] = 0;
  const std::vector<int32_t> tiles = tiles_by_slot(input, lists, threads);
  for (int64_t camera = 0; camera < input.cameras; ++camera) fill_camera(input, lists, tiles, camera, threads);
}

template int64_t count_intersections(const SplatImageInput<float>&, int64_t*, int);
template int64_t count_intersections(const SplatImageInput<double>&, int64_t*, int);
template void fill_tile_lists(const SplatImageInput<float>&, const TileLists&, int);
template void fill_tile_lists(const SplatImageInput<double>&, const TileLists&, int);

}  // namespace splatkit
