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

constexpr int64_t kSegmentGrain = 1024, kCellGrain = 256, kQuadGrain = 1024, kValueGrain = 1 << 14;

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
  parallel_for(segments, kSegmentGrain, threads, [&](int64_t begin, int64_t end) { set.fill_cells(grid, scratch, topology, begin, end); });
  topology.first_vertex[cells] = static_cast<int32_t>(bits.before[kVertices][segments]);
  topology.first_crossing[cells] = static_cast<int32_t>(bits.before[kCrossings][segments]);
  parallel_for(segments, kSegmentGrain, threads, [&](int64_t begin, int64_t end) { set.fill_quads(grid, scratch, topology, begin, end); });
  for (int64_t field = 0; field <= grid.fields; ++field) {
    const int64_t segment = field * (segments / grid.fields);
    topology.field_vertices[field] = bits.before[kVertices][segment];
    topology.field_quads[field] = bits.before[kQuads][segment];
  }
}

template <class Real>
void surface_vertices(const SurfaceInput<Real>& input, bool centers, Real* vertices, Real* deviations, int threads) {
  parallel_for(input.active_cells, kCellGrain, threads,
               [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).vertices(input, vertices, deviations, begin, end); });
  if (!centers) return;
  parallel_for(input.quads, kQuadGrain, threads,
               [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).centers(input, vertices, begin, end); });
}

template <class Real>
void surface_vertices_backward(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, int threads) {
  const int64_t stride = 8 * (1 + input.channels);
  Real *slots = gradient.scratch, *quads = slots + stride * input.grid_vertices;
  prefer_huge_pages(slots, sizeof(Real) * surface_gradient_scratch_size(input.grid_vertices, input.quads, input.channels));
  parallel_for(input.grid_vertices, kQuadGrain, threads,
               [&](int64_t begin, int64_t end) { std::memset(slots + stride * begin, 0, sizeof(Real) * stride * (end - begin)); });
  if (gradient.centers) {
    parallel_for(input.quads, kQuadGrain, threads,
                 [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).quads_backward(input, gradient, quads, begin, end); });
  }
  parallel_for(input.active_cells, kCellGrain, threads,
               [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).cells_backward(input, gradient, quads, slots, begin, end); });
  parallel_for(input.grid_vertices, kQuadGrain, threads,
               [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).sum_slots(input, gradient, slots, begin, end); });
}

template <class Real>
void surface_faces(const SurfaceInput<Real>& input, bool centers, const Real* vertices, int64_t* faces, int threads) {
  parallel_for(input.quads, kQuadGrain, threads,
               [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).faces(input, centers, vertices, faces, begin, end); });
}

template <class Real>
void range_values(const WeightRange& range, const Real* raw, Real* values, int64_t count, int threads) {
  parallel_for(count, kValueGrain, threads,
               [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).range_values(range, raw, values, begin, end); });
}

template <class Real>
void range_backward(const WeightRange& range, const Real* values, const Real* v_values, Real* v_raw, int64_t count, int threads) {
  parallel_for(count, kValueGrain, threads,
               [&](int64_t begin, int64_t end) { kernels_for<Real>(surface_kernels()).range_backward(range, values, v_values, v_raw, begin, end); });
}

template void range_values(const WeightRange&, const float*, float*, int64_t, int);
template void range_values(const WeightRange&, const double*, double*, int64_t, int);
template void range_backward(const WeightRange&, const float*, const float*, float*, int64_t, int);
template void range_backward(const WeightRange&, const double*, const double*, double*, int64_t, int);
template SurfaceCounts count_surface(const SurfaceGrid&, const float*, void*, int);
template SurfaceCounts count_surface(const SurfaceGrid&, const double*, void*, int);
template void surface_vertices(const SurfaceInput<float>&, bool, float*, float*, int);
template void surface_vertices(const SurfaceInput<double>&, bool, double*, double*, int);
template void surface_vertices_backward(const SurfaceInput<float>&, const SurfaceGradient<float>&, int);
template void surface_vertices_backward(const SurfaceInput<double>&, const SurfaceGradient<double>&, int);
template void surface_faces(const SurfaceInput<float>&, bool, const float*, int64_t*, int);
template void surface_faces(const SurfaceInput<double>&, bool, const double*, int64_t*, int);

}  // namespace splatkit
