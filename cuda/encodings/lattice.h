// Which entries of a level's table a position reads: cells of the skewed simplex lattice (and, without the skew, Kuhn's) or cubes, and the
// index of their vertices. The definition and its sources are in splatkit/reference/encodings.py.
// Real: float, double or Vec. Indices are unsigned integers of as many lanes; coordinates stay below 2^30.
#pragma once
#include "common/host_device.h"
#include "common/lane_integers.h"
#include "common/scalar_math.h"
#include "include/splatkit_native.h"

SPLATKIT_ISA_BEGIN

constexpr int kMaxDims = 8;

// The prime of an axis. By a switch, because device code has no array of the host's.
SPLATKIT_HD constexpr uint32_t prime_of(int axis) {
  switch (axis) {
    case 0: return 1u;
    case 1: return 2654435761u;
    case 2: return 805459861u;
    case 3: return 3674653429u;
    case 4: return 2097192037u;
    case 5: return 1434869437u;
    case 6: return 2165219737u;
    default: return 3242174893u;
  }
}

enum Lattice { kSimplexLattice = 0, kKuhnLattice = 1, kGridLattice = 2 };

// F of the skew x + F sum(x): (sqrt(d + 1) - 1) / d.
SPLATKIT_HD double skew_factor(int dims, int lattice) { return lattice == kSimplexLattice ? (::sqrt(dims + 1.0) - 1) / dims : 0.0; }

// What a level is, in the precision at hand.
template <class Scalar>
struct LevelMap {
  Scalar scale, skew;    // u = x * scale + sum(x) * skew; skew: scale * F
  uint32_t size;         // entries
  uint32_t modulus;      // 0: hashed, size is a power of two
  uint32_t step, along;  // of the quotient index; along: modulus + dims * step
  bool quotient;
};

template <class Scalar>
SPLATKIT_HD LevelMap<Scalar> make_level_map(const EncodingLevel& level, int dims, int lattice) {
  LevelMap<Scalar> map;
  map.scale = Scalar(level.scale);
  map.skew = Scalar(level.scale * skew_factor(dims, lattice));
  map.size = static_cast<uint32_t>(level.size);
  map.modulus = static_cast<uint32_t>(level.modulus), map.step = static_cast<uint32_t>(level.step);
  map.along = map.modulus + static_cast<uint32_t>(dims) * map.step;
  map.quotient = lattice == kSimplexLattice;
  return map;
}

// Cell and place in it. All backends round each product and sum by itself, so that they agree on the cell bit for bit.
template <int D, class Real>
struct Cell {
  LaneIndex<Real> base[D];
  Real fraction[D];  // in [0, 1)
};

template <int D, bool Grid, class Real, class Scalar>
SPLATKIT_HD Cell<D, Real> find_cell(const Real (&position)[D], const LevelMap<Scalar>& map) {
  Cell<D, Real> cell;
  Real shift = Real(Scalar(0.5));
  if constexpr (!Grid) {
    Real sum = position[0];
    for (int i = 1; i < D; ++i) sum = sum + position[i];
    shift = rounded_product(sum, Real(map.skew));
  }
  for (int i = 0; i < D; ++i) {
    const Real u = rounded_product(position[i], Real(map.scale)) + shift;
    cell.base[i] = truncated(u);
    cell.fraction[i] = u - real_of<Real>(cell.base[i]);
    if (map.modulus != 0) cell.base[i] = cell.base[i] & 0x3fffffffu;  // the cell of a NaN becomes one that exists
  }
  return cell;
}

// Sorts values to fall; each payload follows its value. Equal values keep their order. A network of neighbors: the same steps whatever the
// values.
template <int D, class Real, class... Payload>
SPLATKIT_HD void sort_falling(Real (&values)[D], Payload (&... payload)[D]) {
  for (int last = D - 1; last > 0; --last) {
    for (int j = 0; j < last; ++j) {
      const auto rises = values[j + 1] > values[j];
      const Real high = max(values[j], values[j + 1]), low = min(values[j], values[j + 1]);
      values[j] = high, values[j + 1] = low;
      (swap_where(rises, payload[j], payload[j + 1]), ...);
    }
  }
}

// Index of a vertex modulo the lattice a I + b J, a = modulus, b = step: see reference.encodings.quotient_index. The index is
// first + along * residues, first in [0, along).
template <int D, class Index, class Scalar>
SPLATKIT_HD void quotient_place(const Index (&vertex)[D], const LevelMap<Scalar>& map, Index& first, Index& residues) {
  using Signed = SignedOf<Index>;
  const Signed zero = Signed{}, a = zero + static_cast<int32_t>(map.modulus), b = zero + static_cast<int32_t>(map.step);
  const Signed along = zero + static_cast<int32_t>(map.along);
  Signed start = (Signed)vertex[0];
  residues = Index{};
  for (int i = D - 1; i > 0; --i) {
    const Signed away = (Signed)(vertex[i] - vertex[0]);
    const auto below = away < zero, above = away >= a;
    start = start + choose(below, b, zero) - choose(above, b, zero);
    residues = residues * map.modulus + (Index)(away + choose(below, a, zero) - choose(above, a, zero));
  }
  start = start + choose(start < zero, along, zero);
  start = start - choose(start >= along, along, zero);
  first = (Index)start;
}

// Indices of the D + 1 vertices on the path from the cell's origin, the largest fraction's axis first. Sorts the fractions; payloads
// follow.
template <int D, class Real, class Scalar, class... Payload>
SPLATKIT_HD void simplex_indices(Cell<D, Real>& cell, const LevelMap<Scalar>& map, LaneIndex<Real> (&index)[D + 1],
                                 Payload (&... payload)[D]) {
  using Index = LaneIndex<Real>;
  Index step[D];
  if (map.modulus == 0) {  // a step along an axis flips the bits that differ
    index[0] = Index{};
    for (int i = 0; i < D; ++i) {
      const Index term = cell.base[i] * prime_of(i);
      index[0] = index[0] ^ term;
      step[i] = (term ^ (term + prime_of(i))) & (map.size - 1);
    }
    index[0] = index[0] & (map.size - 1);
    sort_falling(cell.fraction, step, payload...);
    for (int k = 0; k < D; ++k) index[k + 1] = index[k] ^ step[k];
  } else if (!map.quotient) {
    index[0] = Index{};
    for (int i = D - 1; i >= 0; --i) index[0] = index[0] * map.modulus + cell.base[i];
    step[0] = Index{} + 1u;
    for (int i = 1; i < D; ++i) step[i] = step[i - 1] * map.modulus;
    sort_falling(cell.fraction, step, payload...);
    for (int k = 0; k < D; ++k) index[k + 1] = index[k] + step[k];
  } else {
    for (int i = 0; i < D; ++i) step[i] = Index{} + static_cast<uint32_t>(i);
    sort_falling(cell.fraction, step, payload...);
    Index first, residues;
    quotient_place(cell.base, map, first, residues);
    index[0] = first + residues * map.along;
    // The last vertex is one step along (1, ..., 1) from the first: the next entry, or the first one of its row.
    const Index next = first + 1u;
    index[D] = index[0] + 1u - choose(next == Index{} + map.along, next, Index{});
    for (int k = 0; k + 1 < D; ++k) {
      for (int i = 0; i < D; ++i)
        cell.base[i] = cell.base[i] + choose(step[k] == Index{} + static_cast<uint32_t>(i), Index{} + 1u, Index{});
      quotient_place(cell.base, map, first, residues);
      index[k + 1] = first + residues * map.along;
    }
  }
}

// Indices of the 2^D corners of a cube, axis 0 in the lowest bit of a corner's number.
template <int D, class Real, class Scalar>
SPLATKIT_HD void grid_indices(const Cell<D, Real>& cell, const LevelMap<Scalar>& map, LaneIndex<Real> (&index)[1 << D]) {
  using Index = LaneIndex<Real>;
  index[0] = Index{};
  uint32_t stride = 1;
  for (int i = 0; i < D; ++i) {
    const uint32_t factor = map.modulus == 0 ? prime_of(i) : stride;
    const Index low = cell.base[i] * factor, high = low + factor;
    for (int k = 0; k < 1 << i; ++k) {
      index[k + (1 << i)] = map.modulus == 0 ? index[k] ^ high : index[k] + high;
      index[k] = map.modulus == 0 ? index[k] ^ low : index[k] + low;
    }
    stride *= map.modulus;
  }
  for (int k = 0; k < 1 << D; ++k) {
    // Dense: the last vertices wrap around, as in tiny-cuda-nn.
    index[k] =
        map.modulus == 0 ? index[k] & (map.size - 1) : index[k] - choose(index[k] >= Index{} + map.size, Index{} + map.size, Index{});
  }
}

SPLATKIT_ISA_END
