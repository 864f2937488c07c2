// Compiled once per instruction set (see CMakeLists.txt): SPLATKIT_ISA names the set, SPLATKIT_LANES the floats in a register.
#include "common/simd.h"
#include "isosurface/cell.h"
#include "isosurface/isosurface_kernels.h"
#include "isosurface/range.h"
#include "isosurface/topology.h"

SPLATKIT_ISA_BEGIN

template <class V, class Body>
void for_each_register(int64_t begin, int64_t end, const Body& body) {
  for (; begin + V::kLanes <= end; begin += V::kLanes) body(begin, V::kLanes);
  if (begin < end) body(begin, end - begin);
}
template <class V>
SPLATKIT_HD V load_some(const typename V::Lane* from, int64_t count) {
  if (count == V::kLanes) return load<V>(from);
  V out = V(typename V::Lane(0));
  std::memcpy(&out.v, from, sizeof(typename V::Lane) * count);
  return out;
}
template <class V>
SPLATKIT_HD void store_some(typename V::Lane* to, V value, int64_t count) {
  std::memcpy(to, &value.v, sizeof(typename V::Lane) * count);
}

// Bits of the values below zero; `refused` is set where one is not finite or too large. count <= 64.
template <class V, class Real = typename V::Lane>
uint64_t bits_below_zero(const Real* values, int count, bool& refused) {
  const V zero = V(Real(0)), bound = V(Real(kMaxFieldValue));
  uint64_t bits = 0;
  int i = 0;
  typename V::Mask fits = zero == zero;
  for (; i + V::kLanes <= count; i += V::kLanes) {
    const V value = load<V>(values + i);
    bits |= lane_bits<V>(value < zero) << i;
    fits = fits & (value >= -bound) & (value <= bound);
  }
  if (i < count && count >= V::kLanes) {  // the last register again, so that it ends where the values end
    const V value = load<V>(values + count - V::kLanes);
    bits |= lane_bits<V>(value < zero) << (count - V::kLanes);
    fits = fits & (value >= -bound) & (value <= bound);
    i = count;
  }
  refused |= any<V>(~fits);
  for (; i < count; ++i) {
    bits |= uint64_t(values[i] < Real(0)) << i;
    refused |= !(values[i] >= -Real(kMaxFieldValue) && values[i] <= Real(kMaxFieldValue));
  }
  return bits;
}

template <class Body>
SPLATKIT_HD void for_each_segment(const Lattice& lattice, int64_t begin, int64_t end, const Body& body) {
  Segment at(lattice, begin);
  for (int64_t number = begin; number < end; ++number, at.advance(lattice)) body(number, at);
}

template <class V, class Real = typename V::Lane>
void find_inside(const SurfaceGrid& grid, const Real* field, void* scratch, int64_t begin, int64_t end, int64_t* refused) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  for_each_segment(lattice, begin, end, [&](int64_t number, const Segment& at) {
    const uint64_t real = at.vertex_bits(lattice);
    bits.inside[number] = 0;
    if (real == 0) return;
    const int first = lowest_bit(real), count = bit_count(real);
    const int64_t sizes[2] = {grid.cells[0] + 1, grid.cells[1] + 1};
    const int64_t row = (at.field * sizes[0] + at.x - lattice.pad) * sizes[1] + at.y - lattice.pad;
    const Real* values = field + row * (grid.cells[2] + 1) + kSegment * at.word + first - lattice.pad;
    bool wrong = false;
    bits.inside[number] = bits_below_zero<V>(values, count, wrong) << first;
    if (!wrong || *refused >= 0) return;
    for (int i = 0; i < count; ++i) {
      const bool fits = values[i] >= -Real(kMaxFieldValue) && values[i] <= Real(kMaxFieldValue);
      if (!fits && *refused < 0) *refused = values + i - field;
    }
  });
}

void find_cells(const SurfaceGrid& grid, void* scratch, int64_t begin, int64_t end) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  for_each_segment(lattice, begin, end,
                   [&](int64_t number, const Segment& at) { bits.cells[number] = active_cells(lattice, bits.inside, at); });
}

void count_segments(const SurfaceGrid& grid, void* scratch, int64_t begin, int64_t end) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  for_each_segment(lattice, begin, end, [&](int64_t number, const Segment& at) {
    bits.grid_vertices[number] = active_vertices(lattice, bits.cells, at);
    count_segment(lattice, bits, at);
  });
}

void fill_cell_range(const SurfaceGrid& grid, void* scratch, const SurfaceTopology& topology, int64_t begin, int64_t end) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  for_each_segment(lattice, begin, end, [&](int64_t number, const Segment& at) {
    if (bits.grid_vertices[number] != 0) fill_grid_vertices(lattice, bits, topology, at);
    if (bits.cells[number] != 0) fill_cells(lattice, bits, topology, at);
  });
}

void fill_quad_range(const SurfaceGrid& grid, void* scratch, const SurfaceTopology& topology, int64_t begin, int64_t end) {
  const Lattice lattice(grid);
  const SurfaceBits bits(lattice, scratch);
  for_each_segment(lattice, begin, end, [&](int64_t number, const Segment& at) {
    if (bits.cells[number] != 0) fill_quads(lattice, bits, topology, at);
  });
}

template <class Real>
void vertex_range(const SurfaceInput<Real>& input, Real* vertices, Real* deviations, int64_t begin, int64_t end) {
  for (int64_t cell = begin; cell < end; ++cell) cell_vertices(input, cell, vertices, deviations);
}

template <class Real>
void center_range(const SurfaceInput<Real>& input, Real* vertices, int64_t begin, int64_t end) {
  for (int64_t quad = begin; quad < end; ++quad) quad_center(input, quad, vertices);
}

template <class Real>
void quad_backward_range(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, Real* quads, int64_t begin, int64_t end) {
  for (int64_t quad = begin; quad < end; ++quad) quad_backward(input, gradient, quad, quads);
}

template <class Real>
void cell_backward_range(const SurfaceInput<Real>& input, const SurfaceGradient<Real>& gradient, const Real* quads, int64_t begin,
                         int64_t end) {
  const CornerSums<Real> corners(input, gradient);
  for (int64_t cell = begin; cell < end; ++cell) cell_backward(input, gradient, quads, corners, cell);
}

// Results do not depend on where a range begins: the rest behind the last whole register is computed in one as well.
template <class V, class Real = typename V::Lane>
void range_value_range(const WeightRange& range, const WeightRows& rows, const Real* raw, Real* values, int64_t begin, int64_t end) {
  const Real rate = Real(range.rate), scale = Real(range.scale), offset = Real(range.offset);
  const int64_t first = begin * rows.width, size = sizeof(Real) * rows.width;
  for (int64_t i = begin; i < end && rows.places != nullptr; ++i) {
    Real* row = values + i * rows.width;
    if (rows.places[i] < 0) {
      std::memset(row, 0, size);
    } else {
      std::memcpy(row, raw + rows.places[i] * rows.width, size);
    }
  }
  const Real* from = rows.places != nullptr ? values : raw;
  for_each_register<V>(first, end * rows.width, [&](int64_t at, int64_t count) {
    store_some(values + at, range_value(load_some<V>(from + at, count), rate, scale, offset), count);
  });
}

template <class V, class Real = typename V::Lane>
void range_backward_range(const WeightRange& range, const WeightRows& rows, const Real* values, const Real* v_values, Real* v_raw,
                          int64_t begin, int64_t end) {
  const Real rate = Real(range.rate), scale = Real(range.scale), offset = Real(range.offset);
  const auto slopes = [&](int64_t first, int64_t last, Real* out) {
    for_each_register<V>(first, last, [&](int64_t at, int64_t count) {
      store_some(out + at - first, load_some<V>(v_values + at, count) * range_slope(load_some<V>(values + at, count), rate, scale, offset),
                 count);
    });
  };
  if (rows.places == nullptr) return slopes(begin * rows.width, end * rows.width, v_raw + begin * rows.width);
  Real block[kMaxRowWidth * V::kLanes];  // a register of rows at a time, whose places then differ
  for (int64_t first = begin; first < end; first += V::kLanes) {
    const int64_t last = first + V::kLanes < end ? first + V::kLanes : end;
    slopes(first * rows.width, last * rows.width, block);
    for (int64_t i = first; i < last; ++i) {
      if (rows.places[i] >= 0)
        std::memcpy(v_raw + rows.places[i] * rows.width, block + (i - first) * rows.width, sizeof(Real) * rows.width);
    }
  }
}

template <class Real>
void face_range(const SurfaceInput<Real>& input, bool centers, const Real* vertices, int64_t* faces, int64_t begin, int64_t end) {
  for (int64_t quad = begin; quad < end; ++quad) quad_faces(input, centers, vertices, quad, faces);
}

template <class V, class Real = typename V::Lane>
constexpr SurfaceKernels<Real> kernels_of() {
  return {find_inside<V>,       vertex_range<Real>,      center_range<Real>, quad_backward_range<Real>, cell_backward_range<Real>,
          range_value_range<V>, range_backward_range<V>, face_range<Real>};
}

constexpr SurfaceKernelSet kernel_set = {kernels_of<Vec<float, SPLATKIT_LANES>>(),
                                         kernels_of<Vec<double, SPLATKIT_LANES / 2>>(),
                                         find_cells,
                                         count_segments,
                                         fill_cell_range,
                                         fill_quad_range};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(SurfaceKernelSet, surface_kernels, kernel_set)
