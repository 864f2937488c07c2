// Which cells a surface passes and how its vertices are joined, on bits: a segment is 64 grid vertices along z, or the 64 cells above them.
// A closed surface lives on a lattice with one more layer on each side, where all bits are zero: outside.
#pragma once
#include "isosurface/case_table.h"
#include "include/splatkit_native.h"

SPLATKIT_ISA_BEGIN

constexpr int kSegment = 64, kSegmentShift = 6;
constexpr int kScanSegments = 2048;  // whose counts a block of the device sums

SPLATKIT_HD int bit_count(uint64_t bits) {
#if defined(__CUDA_ARCH__)
  return __popcll(bits);
#else
  return __builtin_popcountll(bits);
#endif
}
SPLATKIT_HD int lowest_bit(uint64_t bits) {
#if defined(__CUDA_ARCH__)
  return __ffsll(static_cast<long long>(bits)) - 1;
#else
  return __builtin_ctzll(bits);
#endif
}
// The bits from first to last - 1, counted from the segment's own.
SPLATKIT_HD uint64_t bits_between(int64_t first, int64_t last) {
  if (first < 0) first = 0;
  if (last > kSegment) last = kSegment;
  if (last <= first) return 0;
  return (last == kSegment ? ~uint64_t(0) : (uint64_t(1) << last) - 1) & (~uint64_t(0) << first);
}

// The lattice with its outer layer.
struct Lattice {
  int64_t fields, cells[3], pad, words;  // words: segments of a row of vertices

  SPLATKIT_HD explicit Lattice(const SurfaceGrid& grid) : fields(grid.fields), pad(grid.closed ? 1 : 0) {
    for (int i = 0; i < 3; ++i) cells[i] = grid.cells[i] + 2 * pad;
    words = cells[2] / kSegment + 1;
  }
  SPLATKIT_HD int64_t rows() const { return fields * (cells[0] + 1) * (cells[1] + 1); }
  SPLATKIT_HD int64_t segments() const { return rows() * words; }
  SPLATKIT_HD int64_t slabs() const { return fields * (cells[0] + 1); }  // all segments of one x; the last of a field has no cells
  SPLATKIT_HD int64_t row_step(int axis) const { return axis == 0 ? cells[1] + 1 : 1; }
};

// Where a segment lies. x, y: of the lattice; z = 64 * word + bit.
struct Segment {
  int64_t row, word, field, x, y;

  SPLATKIT_HD Segment(const Lattice& lattice, int64_t number) : row(number / lattice.words), word(number % lattice.words) {
    y = row % (lattice.cells[1] + 1);
    x = row / (lattice.cells[1] + 1) % (lattice.cells[0] + 1);
    field = row / ((lattice.cells[0] + 1) * (lattice.cells[1] + 1));
  }
  SPLATKIT_HD int64_t number(const Lattice& lattice) const { return row * lattice.words + word; }
  // The one behind, without a division.
  SPLATKIT_HD void advance(const Lattice& lattice) {
    if (++word < lattice.words) return;
    word = 0, ++row;
    if (++y <= lattice.cells[1]) return;
    y = 0;
    if (++x <= lattice.cells[0]) return;
    x = 0, ++field;
  }
  SPLATKIT_HD bool is_cell(const Lattice& lattice) const { return x < lattice.cells[0] && y < lattice.cells[1]; }
  SPLATKIT_HD uint64_t cell_bits(const Lattice& lattice) const { return bits_between(0, lattice.cells[2] - kSegment * word); }
  // Grid vertices that exist.
  SPLATKIT_HD uint64_t vertex_bits(const Lattice& lattice) const {
    if (x < lattice.pad || x > lattice.cells[0] - lattice.pad || y < lattice.pad || y > lattice.cells[1] - lattice.pad) return 0;
    return bits_between(lattice.pad - kSegment * word, lattice.cells[2] - lattice.pad + 1 - kSegment * word);
  }
};

enum Count { kCells = 0, kGridVertices, kVertices, kCrossings, kQuads, kCounts };

// What the first pass leaves for the others, by segment.
struct SurfaceBits {
  uint64_t *inside, *cells, *grid_vertices;  // grid vertices inside; active cells; grid vertices that are corners of these
  int64_t* before[kCounts];                  // numbers in all segments before; [segments + 1]
  int64_t* refused;                          // the first value that is refused, or a large number
  int64_t* totals;                           // [kCounts] behind it: one copy takes both to the host
  int64_t* block_sums[kCounts];              // of kScanSegments each; on the device alone

  static SPLATKIT_HD int64_t scan_blocks(const Lattice& lattice) { return (lattice.segments() + kScanSegments - 1) / kScanSegments; }

  SPLATKIT_HD SurfaceBits(const Lattice& lattice, void* scratch) {
    const int64_t segments = lattice.segments();
    inside = static_cast<uint64_t*>(scratch), cells = inside + segments, grid_vertices = cells + segments;
    int64_t* next = reinterpret_cast<int64_t*>(grid_vertices + segments);
    for (int i = 0; i < kCounts; ++i) before[i] = next, next += segments + 1;
    refused = next, totals = refused + 1, next = totals + kCounts;
    for (int i = 0; i < kCounts; ++i) block_sums[i] = next, next += scan_blocks(lattice);
  }
};

SPLATKIT_HD int64_t surface_scratch_size(const SurfaceGrid& grid) {
  const Lattice lattice(grid);
  return int64_t(sizeof(int64_t)) * ((3 + kCounts) * lattice.segments() + 2 * kCounts + 1 + kCounts * SurfaceBits::scan_blocks(lattice));
}

// The bits of one row's segment, those of the vertices right above, and those right below.
SPLATKIT_HD uint64_t bits_at(const uint64_t* plane, const Lattice& lattice, int64_t row, int64_t word) {
  return plane[row * lattice.words + word];
}
SPLATKIT_HD uint64_t bits_above(const uint64_t* plane, const Lattice& lattice, int64_t row, int64_t word) {
  const uint64_t next = word + 1 < lattice.words ? plane[row * lattice.words + word + 1] << (kSegment - 1) : 0;
  return bits_at(plane, lattice, row, word) >> 1 | next;
}
SPLATKIT_HD uint64_t bits_below(const uint64_t* plane, const Lattice& lattice, int64_t row, int64_t word) {
  const uint64_t last = word > 0 ? plane[row * lattice.words + word - 1] >> (kSegment - 1) : 0;
  return bits_at(plane, lattice, row, word) << 1 | last;
}

// The bits of a plane at the corners of a segment's cells: of the four rows round these, and of the vertices right above.
struct CornerBits {
  uint64_t low[4], high[4];

  SPLATKIT_HD CornerBits(const Lattice& lattice, const uint64_t* plane, int64_t first_row, int64_t word) {
    for (int k = 0; k < 4; ++k) {
      const int64_t row = first_row + (k & 1) * lattice.row_step(0) + (k >> 1);
      low[k] = bits_at(plane, lattice, row, word), high[k] = bits_above(plane, lattice, row, word);
    }
  }
  // The eight corners' bits of one cell.
  SPLATKIT_HD int number(int bit) const {
    int number = 0;
    for (int k = 0; k < 4; ++k) number |= static_cast<int>((low[k] >> bit & 1) << k | (high[k] >> bit & 1) << (k + 4));
    return number;
  }
};

// Cells of the segment whose corners are not all on one side.
SPLATKIT_HD uint64_t active_cells(const Lattice& lattice, const uint64_t* inside, const Segment& at) {
  if (!at.is_cell(lattice)) return 0;
  const CornerBits corners(lattice, inside, at.row, at.word);
  uint64_t any = 0, all = ~uint64_t(0);
  for (int k = 0; k < 4; ++k) any |= corners.low[k] | corners.high[k], all &= corners.low[k] & corners.high[k];
  return any & ~all & at.cell_bits(lattice);
}

// Grid vertices of the segment that are corners of active cells.
SPLATKIT_HD uint64_t active_vertices(const Lattice& lattice, const uint64_t* cells, const Segment& at) {
  const uint64_t real = at.vertex_bits(lattice);
  if (real == 0) return 0;
  uint64_t any = 0;
  for (int k = 0; k < 4; ++k) {
    if ((k & 1) > at.x || (k >> 1) > at.y) continue;
    const int64_t row = at.row - (k & 1) * lattice.row_step(0) - (k >> 1);
    any |= bits_at(cells, lattice, row, at.word) | bits_below(cells, lattice, row, at.word);
  }
  return any & real;
}

// Crossed edges along the axis from the segment's vertices on, round which all four cells exist.
SPLATKIT_HD uint64_t quad_edges(const Lattice& lattice, const uint64_t* inside, const Segment& at, int axis) {
  const int64_t place[3] = {at.x, at.y, 0};
  for (int i = 0; i < 2; ++i) {
    if (place[i] >= lattice.cells[i] || (i != axis && place[i] == 0)) return 0;
  }
  const uint64_t here = bits_at(inside, lattice, at.row, at.word);
  const uint64_t there =
      axis == 2 ? bits_above(inside, lattice, at.row, at.word) : bits_at(inside, lattice, at.row + lattice.row_step(axis), at.word);
  uint64_t range = at.cell_bits(lattice);
  if (axis != 2 && at.word == 0) range &= ~uint64_t(1);
  return (here ^ there) & range;
}

// The case of a cell of a segment: the complement of its corners where both cells at a problem face have it.
SPLATKIT_HD int resolved_case(const Lattice& lattice, const uint64_t* inside, const Segment& at, const CornerBits& corners, int64_t z) {
  const int number = corners.number(static_cast<int>(z & (kSegment - 1))), face = surface_case(number).problem_face;
  if (face < 0) return number;
  const int axis = face / 2, step = 2 * (face % 2) - 1;
  const int64_t place[3] = {at.x, at.y, z};
  if (place[axis] + step < 0 || place[axis] + step >= lattice.cells[axis]) return number;
  const int64_t row = axis == 2 ? at.row : at.row + step * lattice.row_step(axis), other_z = axis == 2 ? z + step : z;
  const CornerBits others(lattice, inside, row, other_z >> kSegmentShift);
  const int other = others.number(static_cast<int>(other_z & (kSegment - 1)));
  return surface_case(other).problem_face < 0 ? number : 255 - number;
}

// Ranks of the bits of a segment's four rows among all bits of a plane.
struct CornerRanks {
  uint64_t bits[4];
  int64_t before[4];

  // The row k & 1 steps along x and k >> 1 along y from the first, backward where step is -1; rows beyond the lattice have no bits.
  SPLATKIT_HD CornerRanks(const Lattice& lattice, const uint64_t* plane, const int64_t* counts, const Segment& at, int step) {
    for (int k = 0; k < 4; ++k) {
      const bool exists = step > 0 || ((k & 1) <= at.x && (k >> 1) <= at.y);
      const int64_t row = at.row + step * ((k & 1) * lattice.row_step(0) + (k >> 1)), segment = row * lattice.words + at.word;
      bits[k] = exists ? plane[segment] : 0, before[k] = exists ? counts[segment] : 0;
    }
  }
  SPLATKIT_HD int rank(int k, int bit) const { return static_cast<int>(before[k] + bit_count(bits[k] & ((uint64_t(1) << bit) - 1))); }
};

// Calls body(z) for each bit.
template <class Body>
SPLATKIT_HD void for_each_bit(uint64_t bits, int64_t word, const Body& body) {
  for (; bits != 0; bits &= bits - 1) body(kSegment * word + lowest_bit(bits));
}

// Counts of a segment, once the planes are filled.
SPLATKIT_HD void count_segment(const Lattice& lattice, const SurfaceBits& bits, const Segment& at) {
  const int64_t number = at.number(lattice);
  const uint64_t cells = bits.cells[number];
  int64_t vertices = 0, crossings = 0, quads = 0;
  if (cells != 0) {
    const CornerBits corners(lattice, bits.inside, at.row, at.word);
    for_each_bit(cells, at.word, [&](int64_t z) {
      const SurfaceCase& found = surface_case(resolved_case(lattice, bits.inside, at, corners, z));
      vertices += found.loops, crossings += found.begin[found.loops];
    });
    // The cell at a quad's edge is active: without cells there are no quads.
    for (int axis = 0; axis < 3; ++axis) quads += bit_count(quad_edges(lattice, bits.inside, at, axis));
  }
  bits.before[kCells][number] = bit_count(cells);
  bits.before[kGridVertices][number] = bit_count(bits.grid_vertices[number]);
  bits.before[kVertices][number] = vertices;
  bits.before[kCrossings][number] = crossings;
  bits.before[kQuads][number] = quads;
}

// Writes the cells of a segment, which has some.
SPLATKIT_HD void fill_cells(const Lattice& lattice, const SurfaceBits& bits, const SurfaceTopology& out, const Segment& at) {
  const int64_t number = at.number(lattice), pad = lattice.pad;
  int64_t cell = bits.before[kCells][number], vertex = bits.before[kVertices][number], crossing = bits.before[kCrossings][number];
  const CornerBits inside(lattice, bits.inside, at.row, at.word), present(lattice, bits.grid_vertices, at.row, at.word);
  const CornerRanks ranks(lattice, bits.grid_vertices, bits.before[kGridVertices], at, 1);
  const int64_t sizes[3] = {lattice.cells[0] - 2 * pad, lattice.cells[1] - 2 * pad, lattice.cells[2] - 2 * pad};
  const bool row_exists = at.x >= pad && at.x < pad + sizes[0] && at.y >= pad && at.y < pad + sizes[1];
  const int64_t row_id = ((at.field * sizes[0] + at.x - pad) * sizes[1] + at.y - pad) * sizes[2] - pad;
  for_each_bit(bits.cells[number], at.word, [&](int64_t z) {
    const int bit = static_cast<int>(z & (kSegment - 1)), found_case = resolved_case(lattice, bits.inside, at, inside, z);
    const SurfaceCase& found = surface_case(found_case);
    out.cells[cell] = row_exists && z >= pad && z < pad + sizes[2] ? row_id + z : -1;
    out.cases[cell] = static_cast<uint8_t>(found_case);
    for (int c = 0; c < 4; ++c) {
      const int low = present.low[c] >> bit & 1, high = present.high[c] >> bit & 1, rank = ranks.rank(c, bit);
      out.corners[8 * cell + c] = low ? rank : -1;
      out.corners[8 * cell + c + 4] = high ? rank + low : -1;  // numbers go along rows: the vertex above is the next
    }
    out.first_vertex[cell] = static_cast<int32_t>(vertex);
    out.first_crossing[cell] = static_cast<int32_t>(crossing);
    for (int loop = 0; loop < found.loops; ++loop) out.vertex_cells[vertex++] = static_cast<int32_t>(cell);
    for (int edge = 0; edge < found.begin[found.loops]; ++edge) out.crossing_quads[crossing++] = -1;
    ++cell;
  });
}

// Writes the grid vertices of a segment.
SPLATKIT_HD void fill_grid_vertices(const Lattice& lattice, const SurfaceBits& bits, const SurfaceTopology& out, const Segment& at) {
  const int64_t number = at.number(lattice), pad = lattice.pad, x = at.x - pad, y = at.y - pad;
  const int64_t row_id =
      ((at.field * (lattice.cells[0] - 2 * pad + 1) + x) * (lattice.cells[1] - 2 * pad + 1) + y) * (lattice.cells[2] - 2 * pad + 1);
  int64_t grid_vertex = bits.before[kGridVertices][number];
  for_each_bit(bits.grid_vertices[number], at.word, [&](int64_t z) {
    int32_t* place = out.coordinates + 3 * grid_vertex;
    place[0] = static_cast<int32_t>(x), place[1] = static_cast<int32_t>(y), place[2] = static_cast<int32_t>(z - pad);
    out.grid_vertices[grid_vertex++] = row_id + z - pad;
  });
}

// Writes the quads whose edges begin in a segment, which has cells, and their number to the cells round them. The cells are written
// already.
SPLATKIT_HD void fill_quads(const Lattice& lattice, const SurfaceBits& bits, const SurfaceTopology& out, const Segment& at) {
  const int64_t number = at.number(lattice);
  int64_t quad = bits.before[kQuads][number];
  uint64_t edges[3];
  for (int axis = 0; axis < 3; ++axis) edges[axis] = quad_edges(lattice, bits.inside, at, axis);
  const CornerRanks ranks(lattice, bits.cells, bits.before[kCells], at, -1);
  const uint64_t inside = bits.inside[number];
  for_each_bit(edges[0] | edges[1] | edges[2], at.word, [&](int64_t z) {
    const int bit = static_cast<int>(z & (kSegment - 1)), starts_inside = inside >> bit & 1;
    int cells[4];  // at z in the four rows
    for (int k = 0; k < 4; ++k) cells[k] = ranks.rank(k, bit);
    for (int axis = 0; axis < 3; ++axis) {
      if (!(edges[axis] >> bit & 1)) continue;
      const int u = 1 << (axis + 1) % 3, v = 1 << (axis + 2) % 3;
      for (int k = 0; k < 4; ++k) {
        // Counter-clockwise round the axis: the cells low-low, high-low, high-high, low-high; the other way where the edge starts outside.
        const int turn = starts_inside ? k : (4 - k) % 4;
        const bool low_u = turn == 0 || turn == 3, low_v = turn < 2;
        const int steps = (low_u ? u : 0) | (low_v ? v : 0);   // down, by axes
        const int64_t cell = cells[steps & 3] - (steps >> 2);  // all of these cells are active: the one below is the one before
        const SurfaceCase& found = surface_case(out.cases[cell]);
        const int edge = 4 * axis + (low_u ? 1 : 0) + (low_v ? 2 : 0);
        out.quads[4 * quad + k] = out.first_vertex[cell] + found.loop_of[edge];
        out.crossing_quads[out.first_crossing[cell] + found.place[edge]] = static_cast<int32_t>(4 * quad + k);
      }
      ++quad;
    }
  });
}

SPLATKIT_ISA_END
