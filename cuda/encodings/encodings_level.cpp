// Compiled once per instruction set. A block of points is done in two steps: indices and weights of all vertices, then the features. So the
// lattice code needs no copy for each type and width of table.
#include "common/simd_integers.h"
#include "encodings/encodings_kernels.h"
#include "encodings/interpolation.h"

SPLATKIT_ISA_BEGIN

constexpr int kBlock = kEncodingBlock;
constexpr int kMaxCorners = 1 << kMaxDims;
constexpr int64_t kPrefetchBytes = 1 << 18;  // smaller tables stay in the nearer caches

template <class Real>
struct Block {
  alignas(64) uint32_t index[kMaxCorners][kBlock];
  alignas(64) Real weight[kMaxCorners][kBlock];
};

template <class Real>
struct LevelCall {
  const EncodingInput<Real>& input;
  const StagedPoints<Real>& staged;
  int level;
  LevelMap<Real> map;

  LevelCall(const EncodingInput<Real>& in, const StagedPoints<Real>& points, int number)
      : input(in), staged(points), level(number), map(make_level_map<Real>(in.levels.at[number], in.dims, in.lattice)) {}
};

// Where a vector of points lies: the cell of each, and where the call has tangents, their skewed values.
template <int D, bool Grid, class V>
SPLATKIT_HD Cell<D, V> load_cell(const LevelCall<typename V::Lane>& call, int64_t point) {
  V position[D];
  for (int i = 0; i < D; ++i) position[i] = load<V>(call.staged.positions + i * call.staged.stride + point);
  return find_cell<D, Grid>(position, call.map);
}

template <int D, bool Grid, class V>
SPLATKIT_HD void load_tangent(const LevelCall<typename V::Lane>& call, int64_t point, V (&skewed)[D]) {
  V shift = V(0);
  for (int i = 0; i < D; ++i) skewed[i] = load<V>(call.staged.tangents + i * call.staged.stride + point), shift += skewed[i];
  shift = shift * V(call.map.skew);
  for (int i = 0; i < D; ++i) skewed[i] = skewed[i] * V(call.map.scale) + (Grid ? V(0) : shift);
}

template <int D, class V>
SPLATKIT_HD void pair_up(const V (&value)[D], const V (&slope)[D], Dual<V, 1> (&out)[D]) {
  for (int i = 0; i < D; ++i) out[i].value = value[i], out[i].slope[0] = slope[i];
}

template <class V>
SPLATKIT_HD LaneIndex<V> point_numbers(int64_t first) {
  LaneIndex<V> numbers;
  for (int i = 0; i < V::kLanes; ++i) numbers[i] = static_cast<uint32_t>(first + i);
  return numbers;
}

// Indices and weights of kBlock points. Returns the number of vertices a point.
template <int D, bool Grid, class V>
int find_corners(const LevelCall<typename V::Lane>& call, int64_t first, Block<typename V::Lane>& block) {
  using Index = LaneIndex<V>;
  constexpr int kCorners = Grid ? 1 << D : D + 1;
  const auto& input = call.input;
  const bool with_tangents = call.staged.tangents != nullptr;
  const bool one = takes_one_vertex(input.interpolation) && !with_tangents;
  for (int lane = 0; lane < kBlock; lane += V::kLanes) {
    Cell<D, V> cell = load_cell<D, Grid, V>(call, first + lane);
    Index index[kCorners];
    V weight[kCorners], tangent[D];
    if (with_tangents) load_tangent<D, Grid>(call, first + lane, tangent);
    if constexpr (Grid) {
      grid_indices(cell, call.map, index);
    } else if (with_tangents) {
      simplex_indices(cell, call.map, index, tangent);
    } else {
      simplex_indices(cell, call.map, index);
    }
    if (one) {
      const Index state = random_state<Index>(point_numbers<V>(first + lane), call.level, input.seed);
      Index chosen, taken = index[0];
      if constexpr (Grid) {
        chosen = grid_vertex(input.interpolation, cell.fraction, state);
      } else {
        chosen = simplex_vertex(input.interpolation, cell.fraction, state);
      }
      for (int k = 1; k < kCorners; ++k) taken = choose(chosen == Index{} + static_cast<uint32_t>(k), index[k], taken);
      store_index<V>(block.index[0] + lane, taken);
      store(block.weight[0] + lane, V(1));
      continue;
    }
    if (with_tangents) {
      Dual<V, 1> fraction[D], slope[kCorners];
      pair_up(cell.fraction, tangent, fraction);
      if constexpr (Grid) {
        grid_weights(input.interpolation, fraction, slope);
      } else {
        simplex_weights(input.interpolation, fraction, slope);
      }
      for (int k = 0; k < kCorners; ++k) weight[k] = slope[k].slope[0];
    } else if constexpr (Grid) {
      grid_weights(input.interpolation, cell.fraction, weight);
    } else {
      simplex_weights(input.interpolation, cell.fraction, weight);
    }
    for (int k = 0; k < kCorners; ++k) {
      store_index<V>(block.index[k] + lane, index[k]);
      store(block.weight[k] + lane, weight[k]);
    }
  }
  return one ? 1 : kCorners;
}

// Adds the gradient with respect to kBlock points; value[k]: of vertex k, its features times v_features.
template <int D, bool Grid, class V>
void pull_corners(const LevelCall<typename V::Lane>& call, int64_t first, const Block<typename V::Lane>& block) {
  using Index = LaneIndex<V>;
  constexpr int kCorners = Grid ? 1 << D : D + 1;
  const bool with_tangents = call.staged.tangents != nullptr;
  for (int lane = 0; lane < kBlock; lane += V::kLanes) {
    Cell<D, V> cell = load_cell<D, Grid, V>(call, first + lane);
    V value[kCorners], tangent[D], v_fraction[D], gradient[D];
    for (int k = 0; k < kCorners; ++k) value[k] = load<V>(block.weight[k] + lane);
    for (int i = 0; i < D; ++i) tangent[i] = V(0);
    if (with_tangents) load_tangent<D, Grid>(call, first + lane, tangent);
    Index axis[D];
    for (int i = 0; i < D; ++i) axis[i] = Index{} + static_cast<uint32_t>(i);
    if constexpr (!Grid) sort_falling(cell.fraction, tangent, axis);
    if (with_tangents) {
      Dual<V, 1> fraction[D], v_dual[D];
      pair_up(cell.fraction, tangent, fraction);
      if constexpr (Grid) {
        grid_gradient(call.input.interpolation, fraction, value, v_dual);
      } else {
        simplex_gradient(call.input.interpolation, fraction, value, v_dual);
      }
      for (int i = 0; i < D; ++i) v_fraction[i] = v_dual[i].slope[0];
    } else if constexpr (Grid) {
      grid_gradient(call.input.interpolation, cell.fraction, value, v_fraction);
    } else {
      simplex_gradient(call.input.interpolation, cell.fraction, value, v_fraction);
    }
    V sum = V(0);
    for (int i = 0; i < D; ++i) {
      if constexpr (Grid) {
        gradient[i] = v_fraction[i];
      } else {  // back from falling order
        gradient[i] = V(0);
        for (int k = 0; k < D; ++k) gradient[i] += select(axis[k] == Index{} + static_cast<uint32_t>(i), v_fraction[k], V(0));
        sum += gradient[i];
      }
    }
    for (int i = 0; i < D; ++i) {
      auto* at = call.staged.v_positions + i * call.staged.stride + first + lane;
      store(at, load<V>(at) + V(call.map.scale) * gradient[i] + V(call.map.skew) * sum);
    }
  }
}

template <class Real>
struct LatticeFunctions {
  int (*find)(const LevelCall<Real>&, int64_t first, Block<Real>&);
  void (*pull)(const LevelCall<Real>&, int64_t first, const Block<Real>&);
};

template <class V, bool Grid>
LatticeFunctions<typename V::Lane> functions_of(int dims) {
  switch (dims) {
    case 2: return {find_corners<2, Grid, V>, pull_corners<2, Grid, V>};
    case 3: return {find_corners<3, Grid, V>, pull_corners<3, Grid, V>};
    case 4: return {find_corners<4, Grid, V>, pull_corners<4, Grid, V>};
    case 5: return {find_corners<5, Grid, V>, pull_corners<5, Grid, V>};
    case 6: return {find_corners<6, Grid, V>, pull_corners<6, Grid, V>};
    case 7: return {find_corners<7, Grid, V>, pull_corners<7, Grid, V>};
    default: return {find_corners<8, Grid, V>, pull_corners<8, Grid, V>};
  }
}

template <class V>
LatticeFunctions<typename V::Lane> functions_of(int dims, int lattice) {
  return lattice == kGridLattice ? functions_of<V, true>(dims) : functions_of<V, false>(dims);
}

template <class Real>
void prefetch_entries(const Block<Real>& block, int corners, const void* table, int64_t entry_bytes) {
  const char* bytes = static_cast<const char*>(table);
  for (int k = 0; k < corners; ++k) {
    for (int point = 0; point < kBlock; ++point) __builtin_prefetch(bytes + entry_bytes * block.index[k][point]);
  }
}

// body(block, corners, first, count) for the blocks of a range.
template <class V, class Body>
void for_each_block(const LevelCall<typename V::Lane>& call, int64_t begin, int64_t end, const Body& body) {
  const auto find = functions_of<V>(call.input.dims, call.input.lattice).find;
  Block<typename V::Lane> block;
  for (int64_t first = begin; first < end; first += kBlock) {
    const int corners = find(call, first, block);
    body(block, corners, first, static_cast<int>(end - first < kBlock ? end - first : kBlock));
  }
}

// The same, with each block's entries asked for one block ahead: stores wait for them, where loads of a gather overlap by themselves.
template <class V, class Body>
void for_each_block_ahead(const LevelCall<typename V::Lane>& call, int64_t begin, int64_t end, const void* table, int64_t entry_bytes,
                          const Body& body) {
  const auto find = functions_of<V>(call.input.dims, call.input.lattice).find;
  const bool ahead = call.input.levels.at[call.level].size * entry_bytes > kPrefetchBytes;
  Block<typename V::Lane> blocks[2];
  int corners = find(call, begin, blocks[0]), now = 0;
  for (int64_t first = begin; first < end; first += kBlock, now = 1 - now) {
    if (first + kBlock < end) {
      corners = find(call, first + kBlock, blocks[1 - now]);
      if (ahead) prefetch_entries(blocks[1 - now], corners, table, entry_bytes);
    }
    body(blocks[now], corners, first, static_cast<int>(end - first < kBlock ? end - first : kBlock));
  }
}

// Features of `Width` values from entries: pairs of values at once, one value at a time where there is one.
template <class Table, int Width, class V>
SPLATKIT_HD void load_entry(const typename Table::Stored* table, const uint32_t* index, V (&value)[Width]) {
  if constexpr (Width == 1) {
    for (int i = 0; i < V::kLanes; ++i) value[0].v[i] = Table::value(table[index[i]]);
  } else if constexpr (Width == 2) {
    Table::pairs(table, index, value[0], value[1]);
  } else {
    alignas(64) uint32_t pair[V::kLanes];
    for (int f = 0; f < Width; f += 2) {
      for (int i = 0; i < V::kLanes; ++i) pair[i] = index[i] * (Width / 2) + f / 2;
      Table::pairs(table, pair, value[f], value[f + 1]);
    }
  }
}

template <class V>
SPLATKIT_HD void store_first(typename V::Lane* to, V value, int count) {
  if (count >= V::kLanes) return store(to, value);
  for (int i = 0; i < count; ++i) to[i] = value.v[i];
}
template <class V>
SPLATKIT_HD V load_first(const typename V::Lane* from, int count) {
  if (count >= V::kLanes) return load<V>(from);
  V value = V(0);
  for (int i = 0; i < count; ++i) value.v[i] = from[i];
  return value;
}

template <class V, class Table, int Width, class Real = typename V::Lane>
void gather_level(const LevelCall<Real>& call, int64_t begin, int64_t end, const typename Table::Stored* table, Real* rows) {
  for_each_block<V>(call, begin, end, [&](const Block<Real>& block, int corners, int64_t first, int count) {
    for (int lane = 0; lane < count; lane += V::kLanes) {
      V sum[Width], value[Width];
      for (int f = 0; f < Width; ++f) sum[f] = V(0);
      for (int k = 0; k < corners; ++k) {
        load_entry<Table, Width>(table, block.index[k] + lane, value);
        const V weight = load<V>(block.weight[k] + lane);
        for (int f = 0; f < Width; ++f) sum[f] += weight * value[f];
      }
      for (int f = 0; f < Width; ++f) store_first(rows + f * call.input.points + first + lane, sum[f], count - lane);
    }
  });
}

template <class V, class Table, int Width, class Real = typename V::Lane>
void pull_level(const LevelCall<Real>& call, int64_t begin, int64_t end, const typename Table::Stored* table, const Real* rows) {
  const auto pull = functions_of<V>(call.input.dims, call.input.lattice).pull;
  for_each_block<V>(call, begin, end, [&](Block<Real>& block, int corners, int64_t first, int count) {
    for (int lane = 0; lane < kBlock; lane += V::kLanes) {
      V v_feature[Width], value[Width];
      for (int f = 0; f < Width; ++f) v_feature[f] = load_first<V>(rows + f * call.input.points + first + lane, count - lane);
      for (int k = 0; k < corners; ++k) {
        load_entry<Table, Width>(table, block.index[k] + lane, value);
        V product = v_feature[0] * value[0];
        for (int f = 1; f < Width; ++f) product += v_feature[f] * value[f];
        store(block.weight[k] + lane, product);
      }
    }
    pull(call, first, block);
  });
}

// Point by point in order, whatever the threads: one of them owns the level.
template <class V, int Width, class Real = typename V::Lane>
void scatter_level(const LevelCall<Real>& call, int64_t begin, int64_t end, const Real* rows, Real* v_table) {
  typedef Real Entry __attribute__((vector_size(sizeof(Real) * Width), aligned(sizeof(Real)), may_alias));
  for_each_block_ahead<V>(call, begin, end, v_table, Width * sizeof(Real),
                          [&](const Block<Real>& block, int corners, int64_t first, int count) {
                            Real v_entry[kBlock][Width];
                            for (int f = 0; f < Width; ++f) {
                              for (int point = 0; point < count; ++point) v_entry[point][f] = rows[f * call.input.points + first + point];
                            }
                            for (int point = 0; point < count; ++point) {
                              Entry v;
                              std::memcpy(&v, v_entry[point], sizeof(v));
                              for (int k = 0; k < corners; ++k) {
                                Entry* at = reinterpret_cast<Entry*>(v_table + size_t(block.index[k][point]) * Width);
                                *at += v * block.weight[k][point];
                              }
                            }
                          });
}

// body(width) with the number of features as a constant.
template <class Body>
void with_width(int features, const Body& body) {
  switch (features) {
    case 1: return body(std::integral_constant<int, 1>());
    case 2: return body(std::integral_constant<int, 2>());
    case 4: return body(std::integral_constant<int, 4>());
    default: return body(std::integral_constant<int, 8>());
  }
}

// body(table, width): pointer to the level's part of the table, by the type that reads it.
template <class Real, class Body>
void with_table(const LevelCall<Real>& call, const void* table, TableType type, const Body& body) {
  const auto read = [&](auto kind) {
    using Stored = typename decltype(kind)::Stored;
    const Stored* entries = static_cast<const Stored*>(table) + call.input.levels.at[call.level].offset * call.input.features;
    with_width(call.input.features, [&](auto width) { body(kind, entries, width); });
  };
  if constexpr (sizeof(Real) == sizeof(double)) {
    (void)type;
    read(DoubleTable());
  } else if (type == TableType::kReal) {
    read(FloatTable());
  } else if (type == TableType::kBfloat16) {
    read(Bfloat16Table());
  } else {
    read(Float16Table());
  }
}

template <class V, class Real = typename V::Lane>
void gather(const EncodingInput<Real>& input, const StagedPoints<Real>& staged, int level, int64_t begin, int64_t end, const void* table,
            TableType type, Real* features) {
  const LevelCall<Real> call(input, staged, level);
  Real* rows = features + int64_t(level) * input.features * input.points;
  with_table(call, table, type, [&](auto kind, auto* entries, auto width) {
    gather_level<V, decltype(kind), decltype(width)::value>(call, begin, end, entries, rows);
  });
}

template <class V, class Real = typename V::Lane>
void pull(const EncodingInput<Real>& input, const StagedPoints<Real>& staged, int level, int64_t begin, int64_t end, const void* table,
          TableType type, const Real* v_features) {
  // Values are pulled through all vertices, whatever the weights of the forward pass were.
  EncodingInput<Real> all = input;
  if (all.interpolation == kStochastic) all.interpolation = kLinear;
  const LevelCall<Real> call(all, staged, level);
  const Real* rows = v_features + int64_t(level) * input.features * input.points;
  with_table(call, table, type, [&](auto kind, auto* entries, auto width) {
    pull_level<V, decltype(kind), decltype(width)::value>(call, begin, end, entries, rows);
  });
}

template <class V, class Real = typename V::Lane>
void scatter(const EncodingInput<Real>& input, const StagedPoints<Real>& staged, int level, int64_t begin, int64_t end,
             const Real* v_features, Real* v_table) {
  const LevelCall<Real> call(input, staged, level);
  const Real* rows = v_features + int64_t(level) * input.features * input.points;
  Real* entries = v_table + input.levels.at[level].offset * input.features;
  with_width(input.features, [&](auto width) { scatter_level<V, decltype(width)::value>(call, begin, end, rows, entries); });
}

using FloatVec = Vec<float, SPLATKIT_LANES>;
using DoubleVec = Vec<double, SPLATKIT_LANES / 2>;

constexpr EncodingKernelSet kernel_set = {{gather<FloatVec>, scatter<FloatVec>, pull<FloatVec>},
                                          {gather<DoubleVec>, scatter<DoubleVec>, pull<DoubleVec>}};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(EncodingKernelSet, encoding_kernels, kernel_set)
