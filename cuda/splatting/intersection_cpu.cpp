// Which splats touch which tile. Splats are sorted by depth once, then dealt to tiles by a stable counting sort: each tile's list comes
// out front to back without sorting intersections.
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

template <class Real>
void fill_camera(const SplatImageInput<Real>& input, const TileLists& lists, int64_t camera) {
  const int64_t tiles = int64_t(tile_count(input.width)) * tile_count(input.height);
  int64_t* offsets = lists.tile_offsets + camera * tiles;
  std::vector<int64_t> next(tiles, 0);
  for (int64_t n = 0; n < input.splats; ++n) for_each_tile(input, camera, n, [&](int tile) { ++next[tile]; });
  int64_t total = lists.splat_offsets[camera * input.splats];
  for (int64_t tile = 0; tile < tiles; ++tile) {
    offsets[tile] = total;
    total += next[tile];
    next[tile] = offsets[tile];
  }
  offsets[tiles] = total;
  for (const auto& entry : depth_order(input, camera)) {
    int64_t slot = lists.splat_offsets[camera * input.splats + entry.id];
    for_each_tile(input, camera, entry.id, [&](int tile) {
      const int64_t at = next[tile]++;
      lists.splat_ids[at] = entry.id;
      lists.slots[at] = static_cast<int32_t>(slot++);
    });
  }
}

}  // namespace

template <class Real>
int64_t count_intersections(const SplatImageInput<Real>& input, int64_t* splat_offsets, int threads) {
  const int64_t entries = input.cameras * input.splats;
  parallel_for(entries, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t count = 0;
      for_each_tile(input, i / input.splats, i % input.splats, [&](int) { ++count; });
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
  parallel_for(input.cameras, 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t camera = begin; camera < end; ++camera) fill_camera(input, lists, camera);
  });
}

template int64_t count_intersections(const SplatImageInput<float>&, int64_t*, int);
template int64_t count_intersections(const SplatImageInput<double>&, int64_t*, int);
template void fill_tile_lists(const SplatImageInput<float>&, const TileLists&, int);
template void fill_tile_lists(const SplatImageInput<double>&, const TileLists&, int);

}  // namespace splatkit
