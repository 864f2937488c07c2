// Surfaces on the device, by the same passes as on the CPU: a thread a segment of the grid, then a thread a cell, a quad or a grid vertex.
// Sums have fixed orders: the same bits in every run.
#include "common/block.h"
#include "isosurface/cell.h"
#include "isosurface/range.h"
#include "isosurface/topology.h"

namespace splatkit {
using namespace portable;

namespace {

constexpr int kScanItems = kScanSegments / kBlockThreads;
constexpr int kBackwardBlocks = 2;  // resident: with more, too few registers are left and the kernel spills

__global__ void __launch_bounds__(kBlockThreads) surface_begin_kernel(SurfaceGrid grid, void* scratch) {
  if (thread_of_grid() == 0) *SurfaceBits(Lattice(grid), scratch).refused = INT64_MAX;
}

// A warp a segment: two ballots make its bits.
__global__ void __launch_bounds__(kBlockThreads) surface_inside_kernel(SurfaceGrid grid, const float* field, void* scratch) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t number = thread_of_grid() / kWarpThreads;
  const int lane = thread_of_block() % kWarpThreads;
  if (number >= lattice.segments()) return;
  const Segment at(lattice, number);
  const uint64_t real = at.vertex_bits(lattice);
  const int64_t row = (at.field * (grid.cells[0] + 1) + at.x - lattice.pad) * (grid.cells[1] + 1) + at.y - lattice.pad;
  const float* values = field + row * (grid.cells[2] + 1) + kSegment * at.word - lattice.pad;
  uint64_t inside = 0;
  for (int half = 0; half < 2; ++half) {
    const int bit = half * kWarpThreads + lane;
    const float value = real >> bit & 1 ? values[bit] : 1.0f;
    inside |= uint64_t(__ballot_sync(kWholeWarp, value < 0)) << (half * kWarpThreads);
    const float bound = static_cast<float>(kMaxFieldValue);
    if (!(value >= -bound && value <= bound)) {
      atomicMin(reinterpret_cast<long long*>(bits.refused), static_cast<long long>(values + bit - field));
    }
  }
  if (lane == 0) bits.inside[number] = inside;
}

__global__ void __launch_bounds__(kBlockThreads) surface_cells_kernel(SurfaceGrid grid, void* scratch) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t number = thread_of_grid();
  if (number < lattice.segments()) bits.cells[number] = active_cells(lattice, bits.inside, Segment(lattice, number));
}

__global__ void __launch_bounds__(kBlockThreads) surface_count_kernel(SurfaceGrid grid, void* scratch) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t number = thread_of_grid();
  if (number >= lattice.segments()) return;
  const Segment at(lattice, number);
  bits.grid_vertices[number] = active_vertices(lattice, bits.cells, at);
  count_segment(lattice, bits, at);
}

// Counts become sums over the segments before, in three steps. First within kScanSegments of them: a block each, for each kind of count.
__global__ void __launch_bounds__(kBlockThreads) surface_scan_kernel(SurfaceGrid grid, void* scratch) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t segments = lattice.segments(), block = blockIdx.x / kCounts;
  int64_t* counts = bits.before[blockIdx.x % kCounts];
  const int64_t own = block * kScanSegments + thread_of_block() * kScanItems;
  int64_t sum = 0, total;
  for (int i = 0; i < kScanItems; ++i) sum += own + i < segments ? counts[own + i] : 0;
  int64_t next = block_inclusive_sum(sum, &total) - sum;
  for (int i = 0; i < kScanItems && own + i < segments; ++i) {
    const int64_t count = counts[own + i];
    counts[own + i] = next;
    next += count;
  }
  if (thread_of_block() == 0) bits.block_sums[blockIdx.x % kCounts][block] = total;
}

// Then over the blocks of a kind, by one block.
__global__ void __launch_bounds__(kBlockThreads) surface_scan_blocks_kernel(SurfaceGrid grid, void* scratch) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  int64_t* sums = bits.block_sums[blockIdx.x];
  const int64_t blocks = SurfaceBits::scan_blocks(lattice);
  int64_t before = 0, total;
  for (int64_t first = 0; first < blocks; first += kBlockThreads) {
    const int64_t i = first + thread_of_block();
    const int64_t value = i < blocks ? sums[i] : 0;
    const int64_t sum = block_inclusive_sum(value, &total);
    if (i < blocks) sums[i] = before + sum - value;
    before += total;
  }
  if (thread_of_block() != 0) return;
  bits.before[blockIdx.x][lattice.segments()] = bits.totals[blockIdx.x] = before;
}

// And together.
__global__ void __launch_bounds__(kBlockThreads) surface_add_blocks_kernel(SurfaceGrid grid, void* scratch) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t number = thread_of_grid();
  if (number >= lattice.segments()) return;
  for (int kind = 0; kind < kCounts; ++kind) bits.before[kind][number] += bits.block_sums[kind][number / kScanSegments];
}

__global__ void __launch_bounds__(kBlockThreads) surface_fill_cells_kernel(SurfaceGrid grid, void* scratch, SurfaceTopology topology) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t number = thread_of_grid(), segments = lattice.segments();
  const Segment at(lattice, number);
  if (number < segments && bits.grid_vertices[number] != 0) fill_grid_vertices(lattice, bits, topology, at);
  if (number < segments && bits.cells[number] != 0) fill_cells(lattice, bits, topology, at);
  if (number != 0) return;
  topology.first_vertex[bits.before[kCells][segments]] = static_cast<int32_t>(bits.before[kVertices][segments]);
  topology.first_crossing[bits.before[kCells][segments]] = static_cast<int32_t>(bits.before[kCrossings][segments]);
}

__global__ void __launch_bounds__(kBlockThreads) surface_fill_quads_kernel(SurfaceGrid grid, void* scratch, SurfaceTopology topology) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t number = thread_of_grid(), segments = lattice.segments();
  if (number < segments && bits.cells[number] != 0) fill_quads(lattice, bits, topology, Segment(lattice, number));
  const int64_t slabs = lattice.slabs();
  if (number <= slabs) topology.slab_cells[number] = bits.before[kCells][number * (segments / slabs)];
  if (number > grid.fields) return;
  topology.field_vertices[number] = bits.before[kVertices][number * (segments / grid.fields)];
  topology.field_quads[number] = bits.before[kQuads][number * (segments / grid.fields)];
}

__global__ void __launch_bounds__(kBlockThreads) surface_vertices_kernel(SurfaceInput<float> input, float* vertices, float* deviations) {
  const int64_t cell = thread_of_grid();
  if (cell < input.active_cells) cell_vertices(input, cell, vertices, deviations);
}

__global__ void __launch_bounds__(kBlockThreads) surface_centers_kernel(SurfaceInput<float> input, float* vertices) {
  const int64_t quad = thread_of_grid();
  if (quad < input.quads) quad_center(input, quad, vertices);
}

__global__ void __launch_bounds__(kBlockThreads) surface_zero_kernel(float* values, int64_t count) {
  const int64_t i = thread_of_grid();
  if (i < count) values[i] = 0;
}

__global__ void __launch_bounds__(kBlockThreads)
    surface_quads_backward_kernel(SurfaceInput<float> input, SurfaceGradient<float> gradient, float* quads) {
  const int64_t quad = thread_of_grid();
  if (quad < input.quads) quad_backward(input, gradient, quad, quads);
}

__global__ void __launch_bounds__(kBlockThreads, kBackwardBlocks)
    surface_cells_backward_kernel(SurfaceInput<float> input, SurfaceGradient<float> gradient, const float* quads, float* slots) {
  const int64_t cell = thread_of_grid();
  if (cell < input.active_cells) cell_backward(input, gradient, quads, CornerSlots<float>{slots, input.channels}, cell);
}

__global__ void __launch_bounds__(kBlockThreads)
    surface_sum_kernel(SurfaceInput<float> input, SurfaceGradient<float> gradient, const float* slots) {
  const int64_t vertex = thread_of_grid();
  if (vertex < input.grid_vertices) sum_slots(input, gradient, slots, vertex);
}

__global__ void __launch_bounds__(kBlockThreads)
    surface_faces_kernel(SurfaceInput<float> input, bool centers, const float* vertices, int64_t* faces) {
  const int64_t quad = thread_of_grid();
  if (quad < input.quads) quad_faces(input, centers, vertices, quad, faces);
}

// Where a value's raw parameter lies; -1 where it has none.
__device__ int64_t raw_place(const WeightRows& rows, int64_t i) {
  if (rows.places == nullptr) return i;
  const int64_t place = rows.places[i / rows.width];
  return place < 0 ? -1 : place * rows.width + i % rows.width;
}

__global__ void __launch_bounds__(kBlockThreads) range_values_kernel(WeightRange range, WeightRows rows, const float* raw, float* values) {
  const int64_t i = thread_of_grid();
  if (i >= rows.count * rows.width) return;
  const int64_t from = raw_place(rows, i);
  values[i] = range_value(from < 0 ? 0.0f : raw[from], float(range.rate), float(range.scale), float(range.offset));
}

__global__ void __launch_bounds__(kBlockThreads)
    range_backward_kernel(WeightRange range, WeightRows rows, const float* values, const float* v_values, float* v_raw) {
  const int64_t i = thread_of_grid();
  if (i >= rows.count * rows.width) return;
  const int64_t to = raw_place(rows, i);
  if (to >= 0) v_raw[to] = v_values[i] * range_slope(values[i], float(range.rate), float(range.scale), float(range.offset));
}

}  // namespace

void range_values_cuda(const WeightRange& range, const WeightRows& rows, const float* raw, float* values, CudaStream stream) {
  launch(range_values_kernel, grid_of(rows.count * rows.width), dim3(kBlockThreads), 0, stream, range, rows, raw, values);
}

void range_backward_cuda(const WeightRange& range, const WeightRows& rows, const float* values, const float* v_values, float* v_raw,
                         CudaStream stream) {
  const dim3 block(kBlockThreads);
  const int64_t raw_count = rows.raw_count * rows.width;
  if (rows.places != nullptr) launch(surface_zero_kernel, grid_of(raw_count), block, 0, stream, v_raw, raw_count);
  launch(range_backward_kernel, grid_of(rows.count * rows.width), block, 0, stream, range, rows, values, v_values, v_raw);
}

SurfaceCounts count_surface_cuda(const SurfaceGrid& grid, const float* field, void* scratch, CudaStream stream) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  const int64_t segments = lattice.segments();
  const dim3 block(kBlockThreads);
  launch(surface_begin_kernel, dim3(1), block, 0, stream, grid, scratch);
  launch(surface_inside_kernel, grid_of(segments * kWarpThreads), block, 0, stream, grid, field, scratch);
  launch(surface_cells_kernel, grid_of(segments), block, 0, stream, grid, scratch);
  launch(surface_count_kernel, grid_of(segments), block, 0, stream, grid, scratch);
  launch(surface_scan_kernel, dim3(static_cast<unsigned>(SurfaceBits::scan_blocks(lattice) * kCounts)), block, 0, stream, grid, scratch);
  launch(surface_scan_blocks_kernel, dim3(kCounts), block, 0, stream, grid, scratch);
  launch(surface_add_blocks_kernel, grid_of(segments), block, 0, stream, grid, scratch);
  int64_t found[1 + kCounts];  // bits.refused and bits.totals
  copy_to_host(found, bits.refused, sizeof(found), stream);
  const int64_t refused = found[0], *totals = found + 1;
  return {totals[kCells],     totals[kGridVertices], totals[kVertices],
          totals[kCrossings], totals[kQuads],        refused == INT64_MAX ? -1 : refused};
}

void fill_surface_cuda(const SurfaceGrid& grid, const void* scratch, const SurfaceTopology& topology, CudaStream stream) {
  const int64_t segments = Lattice(grid).segments();
  const dim3 block(kBlockThreads);
  launch(surface_fill_cells_kernel, grid_of(segments), block, 0, stream, grid, const_cast<void*>(scratch), topology);
  launch(surface_fill_quads_kernel, grid_of(segments), block, 0, stream, grid, const_cast<void*>(scratch), topology);
}

void surface_vertices_cuda(const SurfaceInput<float>& input, bool centers, float* vertices, float* deviations, CudaStream stream) {
  launch(surface_vertices_kernel, grid_of(input.active_cells), dim3(kBlockThreads), 0, stream, input, vertices, deviations);
  if (centers) launch(surface_centers_kernel, grid_of(input.quads), dim3(kBlockThreads), 0, stream, input, vertices);
}

void surface_vertices_backward_cuda(const SurfaceInput<float>& input, const SurfaceGradient<float>& gradient, CudaStream stream) {
  const int64_t slots = corner_slots_size(input.grid_vertices, input.channels);
  const dim3 block(kBlockThreads);
  float *at_slots = gradient.scratch, *quads = at_slots + slots;
  launch(surface_zero_kernel, grid_of(slots), block, 0, stream, at_slots, slots);
  if (gradient.centers) launch(surface_quads_backward_kernel, grid_of(input.quads), block, 0, stream, input, gradient, quads);
  launch(surface_cells_backward_kernel, grid_of(input.active_cells), block, 0, stream, input, gradient, quads, at_slots);
  launch(surface_sum_kernel, grid_of(input.grid_vertices), block, 0, stream, input, gradient, at_slots);
}

void surface_faces_cuda(const SurfaceInput<float>& input, bool centers, const float* vertices, int64_t* faces, CudaStream stream) {
  launch(surface_faces_kernel, grid_of(input.quads), dim3(kBlockThreads), 0, stream, input, centers, vertices, faces);
}

}  // namespace splatkit
