// Compiled once per instruction set (see CMakeLists.txt): SPLATKIT_ISA names the set, SPLATKIT_LANES the floats in a register.
// Nothing here may instantiate a function with external linkage other than the kernel set itself.
#include <cstring>

#include "splatting/camera_partials.h"
#include "splatting/intersection_kernels.h"
#include "splatting/splat_lanes.h"
#include "splatting/support.h"

SPLATKIT_ISA_BEGIN

// The ellipses of a group of splats, walked down one row of tiles at a time.
template <class V>
struct GroupRows {
  using Real = typename V::Lane;
  using Ints = typename V::Mask;
  Ellipse<V> ellipse;
  V far_y, first_row, end_row;  // far_y: of the outermost point to the right; rows of pixels
  V tile_row, tile_row_end;
  int width, height, tiles_x, steps;  // steps: rows of tiles of the highest one
  Ints first, count;                  // tiles of the present row of each: number of the first one; both 0 where the splat passes by

  SPLATKIT_HD GroupRows(const SplatImageInput<Real>& input, const SplatGroup<V>& group)
      : width(input.width), height(input.height), tiles_x(tile_count(input.width)) {
    V mean[2], conic[3], extent[2];
    group.template take<2>(input.means2d, mean);
    group.template take<3>(input.conics, conic);
    group.template take<2>(input.extents, extent);
    ellipse = make_ellipse(mean[0], mean[1], conic[0], conic[1], conic[2], extent[0], extent[1]);
    far_y = -ellipse.b / ellipse.c * ellipse.extent_x;
    first_row = first_pixel(ellipse.y - ellipse.extent_y, height), end_row = end_pixel(ellipse.y + ellipse.extent_y, height);
    tile_row = tile_of(first_row);
    tile_row_end = select(first_row < end_row, tile_of(end_row - V(Real(1))) + V(Real(1)), tile_row);
    const V high = tile_row_end - tile_row;
    Real most = 0;
    for (int l = 0; l < V::kLanes; ++l) most = max(most, Real(high.v[l]));
    steps = static_cast<int>(most);
  }

  // Finds first and count of the row of tiles `step` below each splat's top.
  SPLATKIT_HD void look_at(int step) {
    const V tile = tile_row + V(Real(step)), one = V(Real(1)), half = V(Real(0.5));
    const V row = max(tile * V(Real(kTileSize)), first_row), end = min((tile + one) * V(Real(kTileSize)), end_row);
    V low, high;
    reach(ellipse, ellipse.a, far_y, row + half - ellipse.y, end - half - ellipse.y, low, high);
    const V left = first_pixel(ellipse.x + low, width), right = end_pixel(ellipse.x + high, width);
    const V column = tile_of(left), found = tile_of(right - one) + one - column;
    const auto inside = (tile < tile_row_end) & (left < right);
    first = inside & integers(tile * V(Real(tiles_x)) + column), count = inside & integers(found);
  }

 private:
  // As pixels_between: the pixel centers in [low, high].
  SPLATKIT_HD static V first_pixel(V low, int size) {
    const V edge = clamp(low - V(Real(0.5 + kSupportSlack)), V(Real(0)), V(Real(size))), whole = truncate(edge);
    return whole + select(whole < edge, V(Real(1)), V(Real(0)));
  }
  SPLATKIT_HD static V end_pixel(V high, int size) {
    const V edge = high - V(Real(0.5 - kSupportSlack)), zero = V(Real(0)), one = V(Real(1));
    return select(edge < zero, zero, truncate(clamp(edge, zero, V(Real(size - 1)))) + one);
  }
  SPLATKIT_HD static Ints integers(V whole) { return __builtin_convertvector(whole.v, Ints); }
  SPLATKIT_HD static V tile_of(V pixel) { return truncate(pixel * V(Real(1.0 / kTileSize))); }
};

// Calls visit(group, rows) for the visible splats among entries [begin, end).
template <class V, class Real, class Visit>
SPLATKIT_HD void for_each_group(const SplatImageInput<Real>& input, int64_t begin, int64_t end, const Visit& visit) {
  SplatImageInput<Real> chunk = input;  // entries of it are numbered from `begin`, so that they fit 32 bits
  chunk.means2d += 2 * begin, chunk.conics += 3 * begin, chunk.extents += 2 * begin;
  const SeenSplats<Real> seen(chunk.extents, 0, end - begin);
  seen.template for_each_group<V>([&](const SplatGroup<V>& group) { visit(group, GroupRows<V>(chunk, group)); });
}

template <class V>
void count_tiles(const SplatImageInput<typename V::Lane>& input, int64_t begin, int64_t end, int64_t* counts) {
  for (int64_t i = begin; i < end; ++i) counts[i] = 0;
  for_each_group<V>(input, begin, end, [&](const SplatGroup<V>& group, GroupRows<V> rows) {
    typename V::Mask total = {};
    for (int step = 0; step < rows.steps; ++step) {
      rows.look_at(step);
      total += rows.count;
    }
    for (int l = 0; l < group.count; ++l) counts[begin + group.ids[l]] = total[l];
  });
}

// Some rows of tiles of a group, for a look at them splat by splat.
template <class V>
struct RowsAside {
  static constexpr int kMost = 8;
  int steps;
  alignas(64) typename V::Int first[kMost][V::kLanes], count[kMost][V::kLanes];

  SPLATKIT_HD RowsAside(GroupRows<V>& rows, int first_step) : steps(rows.steps - first_step < kMost ? rows.steps - first_step : kMost) {
    for (int step = 0; step < steps; ++step) {
      rows.look_at(first_step + step);
      std::memcpy(first[step], &rows.first, sizeof(rows.first)), std::memcpy(count[step], &rows.count, sizeof(rows.count));
    }
  }
};

// Splats lie in memory far from their neighbors in depth.
template <class Real>
SPLATKIT_HD void prefetch_splat(const SplatImageInput<Real>& input, const int64_t* splat_offsets, int32_t n) {
  __builtin_prefetch(input.means2d + 2 * n), __builtin_prefetch(input.conics + 3 * n), __builtin_prefetch(input.extents + 2 * n);
  __builtin_prefetch(splat_offsets + n);
}

template <class V>
TileRun* list_runs(const SplatImageInput<typename V::Lane>& all, const int64_t* splat_offsets, int64_t camera, const int32_t* splats,
                   int64_t count, TileRun* runs) {
  SplatImageInput<typename V::Lane> input = all;  // of the camera
  const int64_t begin = camera * all.splats;
  input.means2d += 2 * begin, input.conics += 3 * begin, input.extents += 2 * begin, splat_offsets += begin;
  for (int64_t at = 0; at < count; at += V::kLanes) {
    for (int64_t k = at + V::kLanes; k < at + 2 * V::kLanes && k < count; ++k) prefetch_splat(input, splat_offsets, splats[k]);
    const SplatGroup<V> group(count - at, [&](int l) { return int64_t(splats[at + l]); });
    GroupRows<V> rows(input, group);
    // Runs go splat by splat; a group with high splats is looked at again for each of them.
    const int together = rows.steps <= RowsAside<V>::kMost ? group.count : 1;
    for (int lane = 0; lane < group.count; lane += together) {
      int32_t slots[V::kLanes];
      for (int l = lane; l < lane + together; ++l) slots[l] = static_cast<int32_t>(splat_offsets[group.ids[l]]);
      for (int step = 0; step < rows.steps; step += RowsAside<V>::kMost) {
        const RowsAside<V> aside(rows, step);
        for (int l = lane; l < lane + together; ++l) {
          for (int k = 0; k < aside.steps; ++k) {  // no branch on empty rows: it would be mispredicted too often
            const int32_t first = static_cast<int32_t>(aside.first[k][l]), tiles = static_cast<int32_t>(aside.count[k][l]);
            *runs = {first, tiles, static_cast<int32_t>(group.ids[l]), slots[l]};
            runs += tiles > 0, slots[l] += tiles;
          }
        }
      }
    }
  }
  return runs;
}

using FloatVec = Vec<float, SPLATKIT_LANES>;
using DoubleVec = Vec<double, SPLATKIT_LANES / 2>;

constexpr IntersectionKernelSet kernel_set = {{count_tiles<FloatVec>, list_runs<FloatVec>}, {count_tiles<DoubleVec>, list_runs<DoubleVec>}};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(IntersectionKernelSet, intersection_kernels, kernel_set)
