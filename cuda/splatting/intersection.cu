// Which splats touch which tile, on the device: count per splat, prefix sums (the gradient slots), one (tile, depth) key an intersection,
// and one stable sort. Slots go in splat order, so that equal depths keep their index order.
//
// Two kernels find a splat's tiles, and a compiler may round them differently. The count rules: what is emitted beyond it is left out, and
// slots that nothing is emitted for get a tile behind all tiles. They sort to the end of the lists, where no tile looks.
#include <stdexcept>

#include "common/block.h"
#include "common/device_sort.h"
#include "splatting/tiles.h"

namespace splatkit {
using namespace portable;

namespace {

constexpr int kDepthBits = 32;

int64_t align(int64_t bytes) { return (bytes + 255) / 256 * 256; }

int64_t all_tiles(const SplatImageInput<float>& input) { return input.cameras * tile_count(input.width) * tile_count(input.height); }

// For the numbers of the tiles, and one more.
int key_bits(int64_t tiles) {
  int bits = kDepthBits;
  while ((int64_t(1) << (bits - kDepthBits)) <= tiles) ++bits;
  return bits;
}

// Splat offsets relative to each block of splats, and the blocks' totals.
__global__ void __launch_bounds__(kBlockThreads)
    count_tiles_kernel(SplatImageInput<float> input, int64_t* splat_offsets, int64_t* block_totals) {
  const int64_t i = thread_of_grid();
  int64_t count = 0, total;
  if (i < input.cameras * input.splats) for_each_tile(input, i / input.splats, i % input.splats, [&](int) { ++count; });
  const int64_t sum = block_inclusive_sum(count, &total);
  if (i < input.cameras * input.splats) splat_offsets[i + 1] = sum;
  if (thread_of_block() == 0) block_totals[blockIdx.x] = total;
}

// In one block: totals become sums over the blocks before.
__global__ void __launch_bounds__(kBlockThreads) scan_totals_kernel(int64_t* block_totals, int64_t blocks) {
  int64_t before = 0, total;
  for (int64_t first = 0; first < blocks; first += kBlockThreads) {
    const int64_t i = first + thread_of_block();
    const int64_t value = i < blocks ? block_totals[i] : 0;
    const int64_t sum = block_inclusive_sum(value, &total);
    if (i < blocks) block_totals[i] = before + sum - value;
    before += total;
  }
}

__global__ void __launch_bounds__(kBlockThreads) add_totals_kernel(const int64_t* block_totals, int64_t entries, int64_t* splat_offsets) {
  const int64_t i = thread_of_grid();
  if (i < entries) splat_offsets[i + 1] += block_totals[blockIdx.x];
  if (i == 0) splat_offsets[0] = 0;
}

// By slot: the key to sort by, the splat, and the slot itself.
struct Intersections {
  uint64_t* keys;
  int32_t* splat_ids;
  int32_t* slots;
};

__global__ void __launch_bounds__(kBlockThreads)
    emit_keys_kernel(SplatImageInput<float> input, const int64_t* splat_offsets, Intersections out) {
  const int64_t i = thread_of_grid();
  if (i >= input.cameras * input.splats) return;
  const int64_t camera = i / input.splats, n = i % input.splats;
  const int64_t tiles = int64_t(tile_count(input.width)) * tile_count(input.height);
  const uint64_t depth = ordered_bits(input.depths[i]);
  const int64_t end = splat_offsets[i + 1];
  int64_t slot = splat_offsets[i];
  const auto emit = [&](int64_t tile) {
    if (slot >= end) return;
    out.keys[slot] = static_cast<uint64_t>(tile) << kDepthBits | depth;
    out.splat_ids[slot] = static_cast<int32_t>(n);
    out.slots[slot] = static_cast<int32_t>(slot);
    ++slot;
  };
  for_each_tile(input, camera, n, [&](int tile) { emit(camera * tiles + tile); });
  while (slot < end) emit(input.cameras * tiles);
}

// One thread an intersection in sorted order.
__global__ void __launch_bounds__(kBlockThreads) fill_ids_kernel(const int32_t* ids_by_slot, int64_t count, TileLists lists) {
  const int64_t at = thread_of_grid();
  if (at < count) lists.splat_ids[at] = ids_by_slot[lists.slots[at]];
}

// One thread a tile, and one for the end: the first key that is not of a tile before, by bisection.
__global__ void __launch_bounds__(kBlockThreads)
    find_tiles_kernel(const uint64_t* sorted_keys, int64_t count, int64_t tiles, int64_t* tile_offsets) {
  const int64_t tile = thread_of_grid();
  if (tile > tiles) return;
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (static_cast<int64_t>(sorted_keys[middle] >> kDepthBits) < tile) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  tile_offsets[tile] = low;
}

struct ScratchLayout {
  int64_t keys, sorted_keys, splat_ids, slots, sort;  // bytes from the start; what the sort takes is the rest

  explicit ScratchLayout(int64_t count) {
    keys = 0;
    sorted_keys = keys + align(count * int64_t(sizeof(uint64_t)));
    splat_ids = sorted_keys + align(count * int64_t(sizeof(uint64_t)));
    slots = splat_ids + align(count * int64_t(sizeof(int32_t)));
    sort = slots + align(count * int64_t(sizeof(int32_t)));
  }
};

}  // namespace

int64_t count_scratch_size_cuda(int64_t entries) { return blocks_of(entries, kBlockThreads) * int64_t(sizeof(int64_t)); }

int64_t tile_lists_scratch_size_cuda(int64_t tiles, int64_t intersections) {
  return ScratchLayout(intersections).sort + static_cast<int64_t>(device_sort_scratch_size(intersections, key_bits(tiles)));
}

int64_t count_intersections_cuda(const SplatImageInput<float>& input, int64_t* splat_offsets, void* scratch, CudaStream stream) {
  const int64_t entries = input.cameras * input.splats;
  int64_t* block_totals = static_cast<int64_t*>(scratch);
  launch(count_tiles_kernel, grid_of(entries), dim3(kBlockThreads), 0, stream, input, splat_offsets, block_totals);
  launch(scan_totals_kernel, dim3(1), dim3(kBlockThreads), 0, stream, block_totals, blocks_of(entries, kBlockThreads));
  // At least one block, which writes the first offset even where there are no splats.
  launch(add_totals_kernel, grid_of(entries > 0 ? entries : 1), dim3(kBlockThreads), 0, stream, block_totals, entries, splat_offsets);
  int64_t count = 0;
  copy_to_host(&count, splat_offsets + entries, sizeof(count), stream);
  return count;
}

void fill_tile_lists_cuda(const SplatImageInput<float>& input, const TileLists& lists, int64_t count, void* scratch, int64_t scratch_size,
                          CudaStream stream) {
  const int64_t tiles = all_tiles(input);
  const ScratchLayout layout(count);
  if (scratch_size < layout.sort) throw std::invalid_argument("scratch: smaller than tile_lists_scratch_size");
  char* bytes = static_cast<char*>(scratch);
  const Intersections unsorted = {reinterpret_cast<uint64_t*>(bytes + layout.keys), reinterpret_cast<int32_t*>(bytes + layout.splat_ids),
                                  reinterpret_cast<int32_t*>(bytes + layout.slots)};
  uint64_t* sorted_keys = reinterpret_cast<uint64_t*>(bytes + layout.sorted_keys);
  launch(emit_keys_kernel, grid_of(input.cameras * input.splats), dim3(kBlockThreads), 0, stream, input, lists.splat_offsets, unsorted);
  device_sort(bytes + layout.sort, static_cast<size_t>(scratch_size - layout.sort), unsorted.keys, sorted_keys, unsorted.slots, lists.slots,
              count, key_bits(tiles), stream);
  launch(fill_ids_kernel, grid_of(count), dim3(kBlockThreads), 0, stream, unsorted.splat_ids, count, lists);
  launch(find_tiles_kernel, grid_of(tiles + 1), dim3(kBlockThreads), 0, stream, sorted_keys, count, tiles, lists.tile_offsets);
}

}  // namespace splatkit
