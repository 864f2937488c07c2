#include <algorithm>
#include <memory>
#include <vector>

#include "common/parallel.h"
#include "include/splatkit_native.h"
#include "splatting/camera_partials.h"
#include "splatting/compositing.h"
#include "splatting/rasterization_kernels.h"

namespace splatkit {
using namespace portable;

namespace {

// Adds a splat's slots of the given lists, in slot order, to its gradients; `first` starts them.
template <class Real>
void sum_slots(const SplatImageInput<Real>& input, const int64_t* splat_offsets, const SplatImageGradient<Real>& gradient, bool first,
               int threads) {
  const int slot_size = kSlotGradients + input.channels;
  parallel_for(input.splats, kSplatGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      Real v_opacity = first ? Real(0) : gradient.v_opacities[n];
      Real v_beta = first || gradient.v_betas == nullptr ? Real(0) : gradient.v_betas[n];
      for (int64_t c = 0; c < input.cameras; ++c) {
        const int64_t i = c * input.splats + n;
        Real sum[kSlotGradients + kMaxChannels] = {0};
        for (int64_t slot = splat_offsets[i]; slot < splat_offsets[i + 1]; ++slot) {
          for (int k = 0; k < slot_size; ++k) sum[k] += gradient.scratch[slot * slot_size + k];
        }
        if (splat_offsets[i] < splat_offsets[i + 1]) moments_to_gradients(input.conics + 3 * i, input.opacities[n], sum);
        if (first || splat_offsets[i] < splat_offsets[i + 1]) {
          for (int k = 0; k < slot_size; ++k) {
            Real* to = splat_gradient(gradient, input.channels, i, k);
            if (to != nullptr) *to = first ? sum[k] : *to + sum[k];
          }
        }
        v_opacity += sum[kOpacity], v_beta += sum[kBeta];
      }
      gradient.v_opacities[n] = v_opacity;
      if (gradient.v_betas != nullptr) gradient.v_betas[n] = v_beta;
    }
  });
}

// Gradient slots of some of the tiles, numbered splat by splat like those of all tiles.
struct GroupSlots {
  std::vector<int64_t> splat_offsets;  // [C * N + 1]
  std::vector<int32_t> slots;          // by intersection, from the group's first

  template <class Real>
  GroupSlots(const SplatImageInput<Real>& input, const TileLists& lists, int64_t first_tile, int64_t end_tile)
      : splat_offsets(input.cameras * input.splats + 1, 0) {
    const int64_t tiles = int64_t(tile_count(input.width)) * tile_count(input.height), first = lists.tile_offsets[first_tile];
    slots.resize(lists.tile_offsets[end_tile] - first);
    const auto for_each_intersection = [&](const auto& visit) {
      for (int64_t tile = first_tile; tile < end_tile; ++tile) {
        for (int64_t at = lists.tile_offsets[tile]; at < lists.tile_offsets[tile + 1]; ++at) {
          visit(at - first, tile / tiles * input.splats + lists.splat_ids[at]);
        }
      }
    };
    for_each_intersection([&](int64_t, int64_t splat) { ++splat_offsets[splat + 1]; });
    for (size_t i = 1; i < splat_offsets.size(); ++i) splat_offsets[i] += splat_offsets[i - 1];
    std::vector<int64_t> next(splat_offsets.begin(), splat_offsets.end() - 1);
    for_each_intersection([&](int64_t at, int64_t splat) { slots[at] = static_cast<int32_t>(next[splat]++); });
  }
};

int64_t all_tiles(int64_t cameras, int width, int height) { return cameras * tile_count(width) * tile_count(height); }

// Rows of the visible splats; the others' stay as they are.
template <class Real>
std::unique_ptr<SplatRow<Real>[]> rows_of(const SplatImageInput<Real>& input, int threads) {
  const auto& kernel = kernels_for<Real>(rasterization_kernels());
  const int64_t entries = input.cameras * input.splats;
  std::unique_ptr<SplatRow<Real>[]> rows(new SplatRow<Real>[entries]);
  parallel_for(entries, kSplatGrain, threads, [&](int64_t begin, int64_t end) { kernel.rows(input, begin, end, rows.get()); });
  return rows;
}

template <class Real>
void backward_of_tiles(const SplatImageInput<Real>& input, const SplatRow<Real>* rows, const TileLists& lists,
                       const SplatImageGradient<Real>& gradient, int64_t first, int64_t end, int threads) {
  const auto& kernel = kernels_for<Real>(rasterization_kernels());
  parallel_for(end - first, 1, threads, [&](int64_t begin, int64_t stop) {
    for (int64_t tile = begin; tile < stop; ++tile) kernel.backward(input, rows, lists, gradient, first + tile);
  });
}

}  // namespace

template <class Real>
void rasterize_splats(const SplatImageInput<Real>& input, const TileLists& lists, Real* features, Real* alphas, int threads) {
  const auto& kernel = kernels_for<Real>(rasterization_kernels());
  const auto rows = rows_of(input, threads);
  parallel_for(all_tiles(input.cameras, input.width, input.height), 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) kernel.forward(input, rows.get(), lists, tile, features, alphas);
  });
}

template <class Real>
void median_depths(const SplatImageInput<Real>& input, const TileLists& lists, Real* depths, int threads) {
  const auto& kernel = kernels_for<Real>(rasterization_kernels());
  SplatImageInput<Real> of_depths = input;
  of_depths.channels = 1, of_depths.colors = input.depths;
  const auto rows = rows_of(of_depths, threads);
  parallel_for(all_tiles(input.cameras, input.width, input.height), 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) kernel.median(of_depths, rows.get(), lists, tile, depths);
  });
}

template <class Real>
void rasterize_splats_backward(const SplatImageInput<Real>& input, const TileLists& lists, const SplatImageGradient<Real>& gradient,
                               int threads) {
  const int64_t tiles = all_tiles(input.cameras, input.width, input.height), rows = gradient.scratch_rows;
  const auto splat_rows = rows_of(input, threads);
  if (rows == 0 || rows >= lists.tile_offsets[tiles]) {
    backward_of_tiles(input, splat_rows.get(), lists, gradient, 0, tiles, threads);
    return sum_slots(input, lists.splat_offsets, gradient, true, threads);
  }
  for (int64_t first = 0, end = 0; first < tiles; first = end) {
    const int64_t full = lists.tile_offsets[first] + rows;
    end = std::upper_bound(lists.tile_offsets + first + 1, lists.tile_offsets + tiles + 1, full) - lists.tile_offsets - 1;
    GroupSlots group(input, lists, first, end);
    TileLists group_lists = lists;
    group_lists.slots = group.slots.data() - lists.tile_offsets[first];
    backward_of_tiles(input, splat_rows.get(), group_lists, gradient, first, end, threads);
    sum_slots(input, group.splat_offsets.data(), gradient, first == 0, threads);
  }
}

template void rasterize_splats(const SplatImageInput<float>&, const TileLists&, float*, float*, int);
template void rasterize_splats(const SplatImageInput<double>&, const TileLists&, double*, double*, int);
template void median_depths(const SplatImageInput<float>&, const TileLists&, float*, int);
template void median_depths(const SplatImageInput<double>&, const TileLists&, double*, int);
template void rasterize_splats_backward(const SplatImageInput<float>&, const TileLists&, const SplatImageGradient<float>&, int);
template void rasterize_splats_backward(const SplatImageInput<double>&, const TileLists&, const SplatImageGradient<double>&, int);

}  // namespace splatkit
