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

// What one part of a camera's depth order brings to its tiles.
template <class Real>
struct PartRuns {
  std::unique_ptr<TileRun[]> runs;
  const TileRun* end;
  std::vector<int32_t> changes;  // [T + 1] how much more often a tile is touched than the one before it
  std::vector<int64_t> next;     // [T] where its next splat of a tile goes

  template <class Key>
  void find(const SplatImageInput<Real>& input, const int64_t* splat_offsets, int64_t camera, const DepthEntry<Key>* order, int64_t count) {
    const int64_t* counts = splat_offsets + camera * input.splats;
    int64_t most = 1;  // the kernel uses one up
    for (int64_t k = 0; k < count; ++k) most += counts[order[k].id + 1] - counts[order[k].id];
    runs.reset(new TileRun[most]);
    const auto& kernel = kernels_for<Real>(intersection_kernels());
    TileRun* at = runs.get();
    int32_t ids[kSplatGrain];
    for (int64_t first = 0; first < count; first += kSplatGrain) {
      const int64_t some = std::min(count - first, kSplatGrain);
      for (int64_t k = 0; k < some; ++k) ids[k] = order[first + k].id;
      at = kernel.runs(input, splat_offsets, camera, ids, some, at);
    }
    end = at;
    for (const TileRun* run = runs.get(); run < end; ++run) ++changes[run->first], --changes[run->first + run->count];
  }

  void deal(const TileLists& lists) {
    constexpr int32_t kShort = 2;  // most runs are no longer; a loop of so few turns would be mispredicted at its end
    int32_t ignored;
    for (const TileRun* run = runs.get(); run < end; ++run) {
      for (int32_t k = 0; k < kShort; ++k) {
        int64_t& at = next[run->first + k];
        const bool inside = k < run->count;
        *(inside ? lists.splat_ids + at : &ignored) = run->splat, *(inside ? lists.slots + at : &ignored) = run->slot + k;
        at += inside;
      }
      for (int32_t k = kShort; k < run->count; ++k) {
        const int64_t place = next[run->first + k]++;
        lists.splat_ids[place] = run->splat, lists.slots[place] = run->slot + k;
      }
    }
  }
};

// Deals the splats of one camera to its tiles. A part of the depth order first counts what it brings to each tile, so that all parts can
// then write at once; the lists do not depend on how many parts there are.
template <class Real>
void fill_camera(const SplatImageInput<Real>& input, const TileLists& lists, int64_t camera, int threads) {
  const int64_t tiles = int64_t(tile_count(input.width)) * tile_count(input.height);
  const auto order = depth_order(input, camera, threads);
  const int64_t visible = static_cast<int64_t>(order.size()),
                grain = std::max<int64_t>((visible + part_count(threads) - 1) / part_count(threads), 1);
  std::vector<PartRuns<Real>> parts((visible + grain - 1) / grain);
  parallel_for(visible, grain, threads, [&](int64_t begin, int64_t end) {
    PartRuns<Real>& part = parts[begin / grain];
    part.changes.assign(tiles + 1, 0), part.next.resize(tiles + 1);
    part.find(input, lists.splat_offsets, camera, order.data() + begin, end - begin);
  });
  int64_t* offsets = lists.tile_offsets + camera * tiles;
  int64_t total = lists.splat_offsets[camera * input.splats];
  for (int64_t tile = 0; tile < tiles; ++tile) {
    offsets[tile] = total;
    for (PartRuns<Real>& part : parts) {
      if (tile > 0) part.changes[tile] += part.changes[tile - 1];
      part.next[tile] = total;
      total += part.changes[tile];
    }
  }
  offsets[tiles] = total;
  parallel_for(visible, grain, threads, [&](int64_t begin, int64_t) { parts[begin / grain].deal(lists); });
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
  for (int64_t camera = 0; camera < input.cameras; ++camera) fill_camera(input, lists, camera, threads);
}

template int64_t count_intersections(const SplatImageInput<float>&, int64_t*, int);
template int64_t count_intersections(const SplatImageInput<double>&, int64_t*, int);
template void fill_tile_lists(const SplatImageInput<float>&, const TileLists&, int);
template void fill_tile_lists(const SplatImageInput<double>&, const TileLists&, int);

}  // namespace splatkit
