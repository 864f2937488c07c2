// Surfaces on the CPU: signs become bits, counts of segments become places, then cells and quads are written without looking for anything.
#include <atomic>
#include <cstring>

#include "common/host_memory.h"
#include "common/parallel.h"
#include "isosurface/cell.h"
#include "isosurface/isosurface_kernels.h"
#include "isosurface/topology.h"

namespace splatkit {
using namespace portable;

namespace {

constexpr int64_t kSegmentGrain = 1024, kCellGrain = 256, kQuadGrain = 1024, kRowGrain = 1024, kValueGrain = 1 << 14;

}  // namespace

template <class Real>
SurfaceCounts count_surface(const SurfaceGrid& grid, const Real* field, void* scratch, int threads) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t segments = lattice.segments();
  prefer_huge_pages(scratch, surface_scratch_size(grid));
  std::atomic<int64_t> first_refused{INT64_MAX};
  parallel_for(segments, kSegmentGrain, threads, [&](int64_t begin, int64_t end) {
    int64_t refused = -1;
    kernels_for<Real>(surface_kernels()).find_inside(grid, field, scratch, begin, end, &refused);
    if (refused < 0) return;
    for (int64_t before = first_refused; refused < before && !first_refused.compare_exchange_weak(before, refused);) {}
  });
  if (first_refused != INT64_MAX) return {0, 0, 0, 0, 0, first_refused};
  const SurfaceKernelSet& set = surface_kernels();
  parallel_for(segments, kSegmentGrain, threads, [&](int64_t begin, int64_t end) { set.find_cells(grid, scratch, begin, end); });
  parallel_for(segments, kSegmentGrain, threads, [&](int64_t begin, int64_t end) { set.count_segments(grid, scratch, begin, end); });
  int64_t total[kCounts];
  parallel_for(kCounts, 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t sum = 0;
      for (int64_t segment = 0; segment < segments; ++segment) {
        const int64_t count = bits.before[i][segment];
        bits.before[i][segment] = sum;
        sum += count;
      }
      total[i] = bits.before[i][segments] = sum;
    }
  });
  return {total[kCells], total[kGridVertices], total[kVertices], total[kCrossings], total[kQuads], -1};
}

void fill_surface(const SurfaceGrid& grid, const void* const_scratch, const SurfaceTopology& topology, int threads) {
  void* scratch = const_cast<void*>(const_scratch);  // read alone
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t segments = lattice.segments(), cells = bits.before[kCells][segments];
  const SurfaceKernelSet& set = surface_kernels();
  prefer_huge_pages(topology.corners, sizeof(int32_t) * 8 * cells);
  prefer_huge_pages(topology.quads, sizeof(int32_t) * 4 * bits.before[kQuads][segments]);
  prefer_huge_pages(topology.coordinates, sizeof(int32_t) * 3 * bits.before[kGridVertices][segments]);
  parallel_for(segments, kSegmentGrain, threads, [&](int64_t begin, int64_t end) { set.fill_cells(grid, scratch, topology, begin, end); });
  topology.first_vertex[cells] = static_cast<int32_t>(bits.before[kVertices][segments]);
  topology.first_crossing[cells] = static_cast<int32_t>(bits.before[kCrossings][segments]);
  parallel_for(segments, kSegmentGrain, threads, [&](int64_t begin, int64_t end) { set.fill_quads(grid, scratch, topology, begin, end); });
  for (int64_t field = 0; field <= grid.fields; ++field) {
    const int64_t segment = field * (segments / grid.fields);
    topology.field_vertices[field] = bits.before[kVertices][segment];
    topology.field_quads[field] = bits.before[kQuads][segment];
  }
  const int64_t slabs = lattice.slabs();
  for (int64_t slab = 0; slab <= slabs; ++slab) topology.slab_cells[slab] = bits.before[kCells][slab * (segments / slabs)];
}

template <class Real>
void surface_vertices(const SurfaceInput<Real>& input, bool centers, Real* vertices, Real* deviations, int threads) {
  prefer_huge_pages(vertices, sizeof(Real) * input.channels * (input.vertices + (centers ? input.quads : 0)));
  if (deviations != nullptr) prefer_huge_pages(deviations, sizeof(Real) * input.crossings);
  parallel_for(input.active_cells, kCellGrain, threads,
               [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).vertices(input, vertices, deviations, begin, end); });
  if (!centers) return;
  parallel_for(input.quads, kQuadGrain, threads,
               [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).centers(input, vertices, begin, end); });
}

// Cells add to the gradients of their corners. Those of a slab, all cells of one x, touch grid vertices of two planes: every other slab at
// a time, no two meet, and each sum has one order for any number of threads.
template <class Real>
void surface_vertices_backward(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, int threads) {
  const SurfaceKernels<Real>& kernels = kernels_for<Real>(surface_kernels());
  Real* quads = gradient.scratch;
  if (gradient.centers) {
    parallel_for(input.quads, kQuadGrain, threads,
                 [&](int64_t begin, int64_t end) { kernels.quads_backward(input, gradient, quads, begin, end); });
  }
  prefer_huge_pages(gradient.v_points, sizeof(Real) * input.channels * input.grid_vertices);
  if (gradient.v_alphas != nullptr) prefer_huge_pages(gradient.v_alphas, sizeof(Real) * 8 * input.active_cells);
  if (gradient.v_betas != nullptr) prefer_huge_pages(gradient.v_betas, sizeof(Real) * 12 * input.active_cells);
  parallel_for(input.grid_vertices, kValueGrain, threads, [&](int64_t begin, int64_t end) {
    std::memset(gradient.v_values + begin, 0, sizeof(Real) * (end - begin));
    std::memset(gradient.v_points + begin * input.channels, 0, sizeof(Real) * input.channels * (end - begin));
  });
  for (int64_t parity = 0; parity < 2; ++parity) {
    parallel_for((input.slabs + 1 - parity) / 2, 1, threads, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t* cells = input.slab_cells + 2 * i + parity;
        kernels.cells_backward(input, gradient, quads, cells[0], cells[1]);
      }
    });
  }
}

template <class Real>
void surface_faces(const SurfaceInput<Real>& input, bool centers, const Real* vertices, int64_t* faces, int threads) {
  prefer_huge_pages(faces, sizeof(int64_t) * (centers ? 12 : 6) * input.quads);
  parallel_for(input.quads, kQuadGrain, threads, [&](int64_t begin, int64_t end) {
    kernels_for<Real>(surface_kernels()).faces(input, centers, vertices, faces, begin, end);
  });
}

template <class Real>
void range_values(const WeightRange& range, const WeightRows& rows, const Real* raw, Real* values, int threads) {
  prefer_huge_pages(values, sizeof(Real) * rows.count * rows.width);
  parallel_for(rows.count, kRowGrain, threads, [&](int64_t begin, int64_t end) {
    kernels_for<Real>(surface_kernels()).range_values(range, rows, raw, values, begin, end);
  });
}

template <class Real>
void range_backward(const WeightRange& range, const WeightRows& rows, const Real* values, const Real* v_values, Real* v_raw, int threads) {
  prefer_huge_pages(v_raw, sizeof(Real) * rows.raw_count * rows.width);
  if (rows.places != nullptr) {
    parallel_for(rows.raw_count, kRowGrain, threads, [&](int64_t begin, int64_t end) {
      std::memset(v_raw + begin * rows.width, 0, sizeof(Real) * rows.width * (end - begin));
    });
  }
  parallel_for(rows.count, kRowGrain, threads, [&](int64_t begin, int64_t end) {
    kernels_for<Real>(surface_kernels()).range_backward(range, rows, values, v_values, v_raw, begin, end);
  });
}

template void range_values(const WeightRange&, const WeightRows&, const float*, float*, int);
template void range_values(const WeightRange&, const WeightRows&, const double*, double*, int);
template void range_backward(const WeightRange&, const WeightRows&, const float*, const float*, float*, int);
template void range_backward(const WeightRange&, const WeightRows&, const double*, const double*, double*, int);
template SurfaceCounts count_surface(const SurfaceGrid&, const float*, void*, int);
template SurfaceCounts count_surface(const SurfaceGrid&, const double*, void*, int);
template void surface_vertices(const SurfaceInput<float>&, bool, float*, float*, int);
template void surface_vertices(const SurfaceInput<double>&, bool, double*, double*, int);
template void surface_vertices_backward(const SurfaceInput<float>&, const SurfaceGradient<float>&, int);
template void surface_vertices_backward(const SurfaceInput<double>&, const SurfaceGradient<double>&, int);
template void surface_faces(const SurfaceInput<float>&, bool, const float*, int64_t*, int);
template void surface_faces(const SurfaceInput<double>&, bool, const double*, int64_t*, int);

}  // namespace splatkit
