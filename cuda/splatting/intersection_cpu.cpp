// Which splats touch which tile. Splats are sorted by depth once, then dealt to tiles by a stable counting sort: each tile's list comes
// out front to back without sorting intersections.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "common/parallel.h"
#include "splatting/camera_partials.h"
#include "splatting/intersection_kernels.h"
#include "splatting/tiles.h"

namespace splatkit {
using namespace portable;

namespace {

template <class Key>
struct DepthEntry {
  Key key;
  int32_t id;
};

// Parts that work is cut into, so that each can count before all write. Results do not depend on their number.
int64_t part_count(int threads) { return threads > 1 ? 4 * threads : 1; }

constexpr int64_t kAhead = 16;  // splats to look ahead

// Stable radix sort, least significant digit first.
template <class Key>
void sort_by_key(std::vector<DepthEntry<Key>>& entries, int threads) {
  constexpr int kDigit = 11, kBuckets = 1 << kDigit;
  const int64_t count = static_cast<int64_t>(entries.size()), parts = part_count(threads);
  const int64_t grain = std::max<int64_t>((count + parts - 1) / parts, 1);
  std::vector<DepthEntry<Key>> other(entries.size());
  std::vector<int64_t> next(parts * kBuckets);  // [part][digit]
  for (int shift = 0; shift < static_cast<int>(8 * sizeof(Key)); shift += kDigit) {
    std::fill(next.begin(), next.end(), 0);
    parallel_for(count, grain, threads, [&](int64_t begin, int64_t end) {
      int64_t* digits = next.data() + begin / grain * kBuckets;
      for (int64_t k = begin; k < end; ++k) ++digits[(entries[k].key >> shift) & (kBuckets - 1)];
    });
    int64_t total = 0;
    for (int digit = 0; digit < kBuckets; ++digit) {
      for (int64_t part = 0; part < parts; ++part) total += std::exchange(next[part * kBuckets + digit], total);
    }
    parallel_for(count, grain, threads, [&](int64_t begin, int64_t end) {
      int64_t* to = next.data() + begin / grain * kBuckets;
      for (int64_t k = begin; k < end; ++k) other[to[(entries[k].key >> shift) & (kBuckets - 1)]++] = entries[k];
    });
    entries.swap(other);
  }
}

template <class Real>
auto depth_order(const SplatImageInput<Real>& input, int64_t camera, int threads) {
  using Key = decltype(ordered_bits(Real(0)));
  std::vector<DepthEntry<Key>> entries;
  entries.reserve(input.splats);
  for (int64_t n = 0; n < input.splats; ++n) {
    const int64_t i = camera * input.splats + n;
    if (input.extents[2 * i] > 0) entries.push_back({ordered_bits(input.depths[i]), static_cast<int32_t>(n)});
  }
  sort_by_key(entries, threads);
  return entries;
}

// Deals the splats of one camera to its tiles. A part of the depth order first counts what it brings to each tile, so that all parts can
// then write at once; the lists do not depend on how many parts there are.
template <class Real>
void fill_camera(const SplatImageInput<Real>& input, const TileLists& lists, const int32_t* tiles_by_slot, int64_t camera, int threads) {
  const int64_t tiles = int64_t(tile_count(input.width)) * tile_count(input.height), first_entry = camera * input.splats;
  const auto order = depth_order(input, camera, threads);
  const int64_t visible = static_cast<int64_t>(order.size()), parts = part_count(threads);
  const int64_t grain = std::max<int64_t>((visible + parts - 1) / parts, 1);
  std::vector<int64_t> next(tiles * parts, 0);  // [part][tile]
  // Splats lie in memory far from their neighbors in depth.
  const auto slots_of = [&](int64_t k) {
    const int64_t ahead = k + kAhead < visible ? k + kAhead : visible - 1, soon = k + kAhead / 2 < visible ? k + kAhead / 2 : visible - 1;
    __builtin_prefetch(lists.splat_offsets + first_entry + order[ahead].id);
    __builtin_prefetch(tiles_by_slot + lists.splat_offsets[first_entry + order[soon].id]);
    return lists.splat_offsets + first_entry + order[k].id;
  };
  parallel_for(visible, grain, threads, [&](int64_t begin, int64_t end) {
    int64_t* count = next.data() + begin / grain * tiles;
    for (int64_t k = begin; k < end; ++k) {
      const int64_t* slots = slots_of(k);
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
      const int64_t* slots = slots_of(k);
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
  const auto& kernel = kernels_for<Real>(intersection_kernels());
  parallel_for(entries, kSplatGrain, threads, [&](int64_t begin, int64_t end) { kernel.count(input, begin, end, splat_offsets + 1); });
  splat_offsets[0] = 0;
  for (int64_t i = 0; i < entries; ++i) splat_offsets[i + 1] += splat_offsets[i];
  return splat_offsets[entries];
}

template <class Real>
void fill_tile_lists(const SplatImageInput<Real>& input, const TileLists& lists, int threads) {
  lists.tile_offsets[0] = 0;
  const auto& kernel = kernels_for<Real>(intersection_kernels());
  const int64_t entries = input.cameras * input.splats;
  // Tiles of each intersection in slot order: splat by splat, row by row.
  const std::unique_ptr<int32_t[]> tiles(new int32_t[lists.splat_offsets[entries]]);
  parallel_for(entries, kSplatGrain, threads,
               [&](int64_t begin, int64_t end) { kernel.tiles(input, begin, end, lists.splat_offsets, tiles.get()); });
  for (int64_t camera = 0; camera < input.cameras; ++camera) fill_camera(input, lists, tiles.get(), camera, threads);
}

template int64_t count_intersections(const SplatImageInput<float>&, int64_t*, int);
template int64_t count_intersections(const SplatImageInput<double>&, int64_t*, int);
template void fill_tile_lists(const SplatImageInput<float>&, const TileLists&, int);
template void fill_tile_lists(const SplatImageInput<double>&, const TileLists&, int);

}  // namespace splatkit
