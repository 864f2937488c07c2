// Encodings on the device. Gather and scatter: one thread a point and level, levels the slow part of the grid, so that all points pass one
// level's table while it lies in the L2 cache. Pull: one thread a point, its gradient summed over the levels in registers.
#include <stdexcept>

#include "common/block.h"
#include "common/half_floats.h"
#include "encodings/interpolation.h"

namespace splatkit {
using namespace portable;

namespace {

constexpr int kMaxGridDims = 4;  // of cubes: the vertices of larger ones do not fit into registers

struct Table {
  const void* values;
  TableType type;
  int features;
};

// A pair of neighboring features, or one where there is one.
struct Pair {
  float first, second;
};

__device__ inline Pair load_pair(const Table& table, int64_t entry, int pair) {
  const int64_t at = entry * table.features + 2 * pair;
  if (table.type == TableType::kReal) {
    const float* values = static_cast<const float*>(table.values) + at;
    if (table.features == 1) return {values[0], 0};
#if defined(__CUDA_ARCH__)
    const float2 both = __ldg(reinterpret_cast<const float2*>(values));
    return {both.x, both.y};
#else
    return {values[0], values[1]};
#endif
  }
  const bool brain = table.type == TableType::kBfloat16;
  uint32_t bits;
  if (table.features == 1) {
    bits = static_cast<const uint16_t*>(table.values)[at];
  } else {
    bits = static_cast<const uint32_t*>(table.values)[at / 2];
  }
  const uint16_t low = static_cast<uint16_t>(bits), high = static_cast<uint16_t>(bits >> 16);
  return brain ? Pair{float_of_bfloat16(low), float_of_bfloat16(high)} : Pair{float_of_float16(low), float_of_float16(high)};
}

__device__ inline int pairs_of(int features) { return (features + 1) / 2; }

template <int D>
__device__ inline void load_position(const EncodingInput<float>& input, int64_t point, float (&position)[D]) {
  for (int i = 0; i < D; ++i) {
    const float x = input.positions[point * D + i];
    position[i] = x < 0 ? 0 : (x > 1 ? 1 : x);  // NaN stays
  }
}

// The tangent in skewed coordinates; zero along axes where the position is held.
template <int D, bool Grid>
__device__ inline void load_tangent(const EncodingInput<float>& input, const LevelMap<float>& map, int64_t point, float (&skewed)[D]) {
  float shift = 0;
  for (int i = 0; i < D; ++i) {
    const float x = input.positions[point * D + i];
    skewed[i] = x >= 0 && x <= 1 ? input.tangents[point * D + i] : 0.0f;
    shift += skewed[i];
  }
  for (int i = 0; i < D; ++i) skewed[i] = skewed[i] * map.scale + (Grid ? 0.0f : shift * map.skew);
}

template <int D, bool Grid>
struct Corners {
  static constexpr int kCount = Grid ? 1 << D : D + 1;
  uint32_t index[kCount];
  float weight[kCount];
  int count;  // 1 where one vertex stands for all
};

template <int D>
__device__ inline void pair_up(const float (&value)[D], const float (&slope)[D], Dual<float, 1> (&out)[D]) {
  for (int i = 0; i < D; ++i) out[i].value = value[i], out[i].slope[0] = slope[i];
}

template <int D, bool Grid>
__device__ inline void find_corners(const EncodingInput<float>& input, int level, int64_t point, Corners<D, Grid>& corners) {
  constexpr int kCount = Corners<D, Grid>::kCount;
  const LevelMap<float> map = make_level_map<float>(input.levels.at[level], D, input.lattice);
  float position[D], tangent[D] = {0};
  load_position(input, point, position);
  Cell<D, float> cell = find_cell<D, Grid>(position, map);
  const bool with_tangents = input.tangents != nullptr;
  if (with_tangents) load_tangent<D, Grid>(input, map, point, tangent);
  if constexpr (Grid) {
    grid_indices(cell, map, corners.index);
  } else {
    simplex_indices(cell, map, corners.index, tangent);
  }
  corners.count = kCount;
  if (with_tangents) {
    Dual<float, 1> fraction[D], slope[kCount];
    pair_up(cell.fraction, tangent, fraction);
    if constexpr (Grid) {
      grid_weights(input.interpolation, fraction, slope);
    } else {
      simplex_weights(input.interpolation, fraction, slope);
    }
#pragma unroll
    for (int k = 0; k < kCount; ++k) corners.weight[k] = slope[k].slope[0];
  } else if (takes_one_vertex(input.interpolation)) {
    const uint32_t state = random_state(static_cast<uint32_t>(point), level, input.seed);
    uint32_t chosen;
    if constexpr (Grid) {
      chosen = grid_vertex(input.interpolation, cell.fraction, state);
    } else {
      chosen = simplex_vertex(input.interpolation, cell.fraction, state);
    }
#pragma unroll
    for (int k = 1; k < kCount; ++k) corners.index[0] = chosen == uint32_t(k) ? corners.index[k] : corners.index[0];
    corners.weight[0] = 1;
    corners.count = 1;
  } else if constexpr (Grid) {
    grid_weights(input.interpolation, cell.fraction, corners.weight);
  } else {
    simplex_weights(input.interpolation, cell.fraction, corners.weight);
  }
}

// What a thread of gather and scatter works on.
struct Job {
  int level;
  int64_t point;

  __device__ explicit Job(const EncodingInput<float>& input) {
    const int64_t blocks = (input.points + kBlockThreads - 1) / kBlockThreads;
    level = static_cast<int>(blockIdx.x / blocks);
    point = (blockIdx.x % blocks) * kBlockThreads + threadIdx.x;
  }
};

template <int D, bool Grid>
__global__ void __launch_bounds__(kBlockThreads) encoding_gather_kernel(EncodingInput<float> input, Table table, float* features) {
  const Job job(input);
  if (job.point >= input.points) return;
  float* row = features + int64_t(job.level) * table.features * input.points + job.point;
  if (job.level >= input.levels.active) {
    for (int f = 0; f < table.features; ++f) row[f * input.points] = 0;
    return;
  }
  Corners<D, Grid> corners;
  find_corners(input, job.level, job.point, corners);
  const int64_t offset = input.levels.at[job.level].offset;
  for (int pair = 0; pair < pairs_of(table.features); ++pair) {
    Pair sum = {0, 0};
#pragma unroll
    for (int k = 0; k < Corners<D, Grid>::kCount; ++k) {
      if (k >= corners.count) break;
      const Pair value = load_pair(table, offset + corners.index[k], pair);
      sum.first += corners.weight[k] * value.first, sum.second += corners.weight[k] * value.second;
    }
    row[2 * pair * input.points] = sum.first;
    if (2 * pair + 1 < table.features) row[(2 * pair + 1) * input.points] = sum.second;
  }
}

// Adds the values of the lanes that share an index; the lowest of them writes the sum. Coarse levels, where many lanes meet, gain.
__device__ inline void add_together(float* values, uint32_t index, int features, int feature, float value, unsigned lanes) {
  const unsigned lane = threadIdx.x % kWarpThreads;
  const unsigned group = __match_any_sync(lanes, index);
  unsigned above = group & ~((2u << lane) - 1u);
  unsigned rank = __popc(group & ((1u << lane) - 1u));
  while (__any_sync(lanes, above != 0)) {  // halves the number of lanes that hold a part of a group's sum
    const int next = __ffs(static_cast<int>(above));
    const float other = __shfl_sync(lanes, value, next > 0 ? next - 1 : static_cast<int>(lane));
    if (next > 0) value += other;
    above &= ~__ballot_sync(lanes, rank & 1u);
    rank /= 2;
  }
  if (lane + 1 == static_cast<unsigned>(__ffs(static_cast<int>(group)))) atomicAdd(values + int64_t(index) * features + feature, value);
}

// body(entry, feature, addend) for all that a thread adds to its level's table.
template <int D, bool Grid, class Body>
__device__ inline void for_each_addend(const EncodingInput<float>& input, const Job& job, const float* v_features, const Body& body) {
  Corners<D, Grid> corners;
  find_corners(input, job.level, job.point, corners);
  const float* row = v_features + int64_t(job.level) * input.features * input.points + job.point;
  for (int f = 0; f < input.features; ++f) {
    const float v = row[f * input.points];
#pragma unroll
    for (int k = 0; k < Corners<D, Grid>::kCount; ++k) {
      if (k >= corners.count) break;
      body(corners.index[k], f, corners.weight[k] * v);
    }
  }
}

template <int D, bool Grid>
__global__ void __launch_bounds__(kBlockThreads)
    encoding_scatter_kernel(EncodingInput<float> input, const float* v_features, float* v_table, int together) {
  const Job job(input);
  const bool present = job.point < input.points;
  const unsigned lanes = __ballot_sync(kWholeWarp, present);
  if (!present) return;
  float* values = v_table + input.levels.at[job.level].offset * input.features;
  for_each_addend<D, Grid>(input, job, v_features, [&](uint32_t entry, int feature, float addend) {
    if (job.level < together) {
      add_together(values, entry, input.features, feature, addend, lanes);
    } else {
      atomicAdd(values + int64_t(entry) * input.features + feature, addend);
    }
  });
}

// Sums of whole numbers do not depend on their order. A level's addends, of which the largest is first found, are counted in units so small
// that 2^62 of them are more than all addends together could reach; no sum overflows.

constexpr int kSumBits = 62;

__device__ inline bool is_finite(float x) { return x - x == 0; }

// largest: of a level's addends, as the bits of floats >= 0, which rise with them.
template <int D, bool Grid>
__global__ void __launch_bounds__(kBlockThreads)
    encoding_largest_kernel(EncodingInput<float> input, const float* v_features, unsigned* largest) {
  const Job job(input);
  float found = 0;
  if (job.point < input.points) {
    for_each_addend<D, Grid>(input, job, v_features, [&](uint32_t, int, float addend) {
      const float size = fabsf(addend);
      if (is_finite(size) && size > found) found = size;
    });
  }
  for (int lanes = kWarpThreads / 2; lanes > 0; lanes /= 2) {
    const float other = __shfl_xor_sync(kWholeWarp, found, lanes);
    if (other > found) found = other;
  }
  unsigned bits;
  memcpy(&bits, &found, sizeof(bits));
  if (threadIdx.x % kWarpThreads == 0 && found > 0) atomicMax(largest + job.level, bits);
}

// Power of two of a level's unit. addends: more than one entry can get.
__device__ inline int unit_exponent(unsigned largest, int64_t addends) {
  float size;
  memcpy(&size, &largest, sizeof(size));
  int bits = 0;
  while (addends >> bits != 0) ++bits;
  return (size > 0 ? ilogbf(size) + 1 : 0) + bits - kSumBits;
}

__device__ inline int64_t addends_of(const EncodingInput<float>& input, int corners) { return input.points * corners; }

// An addend that is not finite makes its entry NaN at once; the others are counted in `totals`.
template <int D, bool Grid>
__global__ void __launch_bounds__(kBlockThreads)
    encoding_count_kernel(EncodingInput<float> input, const float* v_features, const unsigned* largest, long long* totals, float* v_table) {
  const Job job(input);
  if (job.point >= input.points) return;
  const double units = ldexp(1.0, -unit_exponent(largest[job.level], addends_of(input, Corners<D, Grid>::kCount)));
  const int64_t first = input.levels.at[job.level].offset * input.features;
  for_each_addend<D, Grid>(input, job, v_features, [&](uint32_t entry, int feature, float addend) {
    const int64_t at = first + int64_t(entry) * input.features + feature;
    if (!is_finite(addend)) {
      atomicExch(v_table + at, NAN);
    } else {  // negative numbers in two's complement: sums of unsigned ones are the same bits
      atomicAdd(reinterpret_cast<unsigned long long*>(totals + at), static_cast<unsigned long long>(llrint(addend * units)));
    }
  });
}

__global__ void __launch_bounds__(kBlockThreads)
    encoding_total_kernel(EncodingInput<float> input, const unsigned* largest, const long long* totals, int corners, float* v_table) {
  const int64_t i = thread_of_grid();
  if (i >= input.entries * input.features) return;
  int level = 0;
  while (level + 1 < input.levels.count && i >= input.levels.at[level + 1].offset * input.features) ++level;
  if (v_table[i] == 0)
    v_table[i] = static_cast<float>(ldexp(static_cast<double>(totals[i]), unit_exponent(largest[level], addends_of(input, corners))));
}

__global__ void __launch_bounds__(kBlockThreads) encoding_zero_kernel(float* values, int64_t count) {
  const int64_t i = thread_of_grid();
  if (i < count) values[i] = 0;
}

// Without a number of blocks (0) the compiler takes too few registers for simplices in the plane, and spills (sm_100).
template <int D, bool Grid>
__global__ void __launch_bounds__(kBlockThreads, D == 2 && !Grid ? kResidentBlocks : 0)
    encoding_pull_kernel(EncodingInput<float> input, Table table, const float* v_features, float* v_positions) {
  const int64_t point = thread_of_grid();
  if (point >= input.points) return;
  constexpr int kCount = Corners<D, Grid>::kCount;
  float total[D] = {0};
  for (int level = 0; level < input.levels.active; ++level) {
    const EncodingLevel& at = input.levels.at[level];
    const LevelMap<float> map = make_level_map<float>(at, D, input.lattice);
    const float* row = v_features + int64_t(level) * table.features * input.points + point;
    float position[D], tangent[D] = {0}, value[kCount], v_fraction[D];
    uint32_t index[kCount], axis[D];
    load_position(input, point, position);
    if (input.tangents != nullptr) load_tangent<D, Grid>(input, map, point, tangent);
    Cell<D, float> cell = find_cell<D, Grid>(position, map);
    for (int i = 0; i < D; ++i) axis[i] = static_cast<uint32_t>(i);
    if constexpr (Grid) {
      grid_indices(cell, map, index);
    } else {
      simplex_indices(cell, map, index, tangent, axis);
    }
#pragma unroll
    for (int k = 0; k < kCount; ++k) value[k] = 0;
    for (int pair = 0; pair < pairs_of(table.features); ++pair) {
      const float v_first = row[2 * pair * input.points];
      const float v_second = 2 * pair + 1 < table.features ? row[(2 * pair + 1) * input.points] : 0;
#pragma unroll
      for (int k = 0; k < kCount; ++k) {
        const Pair entry = load_pair(table, at.offset + index[k], pair);
        value[k] += v_first * entry.first + v_second * entry.second;
      }
    }
    if (input.tangents != nullptr) {
      Dual<float, 1> fraction[D], v_dual[D];
      pair_up(cell.fraction, tangent, fraction);
      if constexpr (Grid) {
        grid_gradient(input.interpolation, fraction, value, v_dual);
      } else {
        simplex_gradient(input.interpolation, fraction, value, v_dual);
      }
      for (int i = 0; i < D; ++i) v_fraction[i] = v_dual[i].slope[0];
    } else if constexpr (Grid) {
      grid_gradient(input.interpolation, cell.fraction, value, v_fraction);
    } else {
      simplex_gradient(input.interpolation, cell.fraction, value, v_fraction);
    }
    float sum = 0;
    if constexpr (!Grid) {
      for (int i = 0; i < D; ++i) sum += v_fraction[i];
    }
#pragma unroll
    for (int i = 0; i < D; ++i) {
      float gradient = Grid ? v_fraction[i] : 0;
      if constexpr (!Grid) {  // back from falling order
#pragma unroll
        for (int k = 0; k < D; ++k) gradient += axis[k] == uint32_t(i) ? v_fraction[k] : 0;
      }
      total[i] += map.scale * gradient + map.skew * sum;
    }
  }
  for (int i = 0; i < D; ++i) {
    const float x = input.positions[point * D + i];
    v_positions[point * D + i] = x >= 0 && x <= 1 ? total[i] : 0;
  }
}

// body(dims, grid) with both as constants.
template <class Body>
void with_lattice(const EncodingInput<float>& input, const Body& body) {
  using std::integral_constant;
  if (input.lattice == kGridLattice) {
    switch (input.dims) {
      case 2: return body(integral_constant<int, 2>(), std::true_type());
      case 3: return body(integral_constant<int, 3>(), std::true_type());
      case kMaxGridDims: return body(integral_constant<int, kMaxGridDims>(), std::true_type());
      default:
        throw std::invalid_argument("positions: the grid has CUDA kernels for 2 to 4 dimensions; take the simplex lattice, or the CPU");
    }
  }
  switch (input.dims) {
    case 2: return body(integral_constant<int, 2>(), std::false_type());
    case 3: return body(integral_constant<int, 3>(), std::false_type());
    case 4: return body(integral_constant<int, 4>(), std::false_type());
    case 5: return body(integral_constant<int, 5>(), std::false_type());
    case 6: return body(integral_constant<int, 6>(), std::false_type());
    case 7: return body(integral_constant<int, 7>(), std::false_type());
    default: return body(integral_constant<int, 8>(), std::false_type());
  }
}

dim3 grid_of_levels(int64_t points, int levels) { return dim3(static_cast<unsigned>(blocks_of(points, kBlockThreads) * levels)); }

// Levels with fewer than a quarter as many entries as points: neighbors in a warp often meet there.
int crowded_levels(const EncodingInput<float>& input) {
  int count = 0;
  while (count < input.levels.active && input.levels.at[count].size * 4 < input.points) ++count;
  return count;
}

void scatter_in_any_order(const EncodingInput<float>& input, const float* v_features, int64_t* totals_of_values, float* v_table,
                          CudaStream stream) {
  const int64_t values = input.entries * input.features;
  auto* totals = reinterpret_cast<long long*>(totals_of_values);
  auto* largest = reinterpret_cast<unsigned*>(totals + values);  // of the levels
  with_lattice(input, [&](auto dims, auto grid) {
    constexpr int D = decltype(dims)::value;
    constexpr bool Grid = decltype(grid)::value;
    const dim3 threads(kBlockThreads), blocks = grid_of_levels(input.points, input.levels.active);
    launch(encoding_largest_kernel<D, Grid>, blocks, threads, 0, stream, input, v_features, largest);
    launch(encoding_count_kernel<D, Grid>, blocks, threads, 0, stream, input, v_features, largest, totals, v_table);
    launch(encoding_total_kernel, grid_of(values), threads, 0, stream, input, largest, totals, Corners<D, Grid>::kCount, v_table);
  });
}

}  // namespace

void encode_cuda(const EncodingInput<float>& input, const void* table, TableType type, float* features, CudaStream stream) {
  with_lattice(input, [&](auto dims, auto grid) {
    launch(encoding_gather_kernel<decltype(dims)::value, decltype(grid)::value>, grid_of_levels(input.points, input.levels.count),
           dim3(kBlockThreads), 0, stream, input, Table{table, type, input.features}, features);
  });
}

void encode_scatter_cuda(const EncodingInput<float>& input, const float* v_features, int64_t* totals, float* v_table, CudaStream stream) {
  const int64_t values = input.entries * input.features;
  launch(encoding_zero_kernel, grid_of(values), dim3(kBlockThreads), 0, stream, v_table, values);
  if (totals != nullptr) return scatter_in_any_order(input, v_features, totals, v_table, stream);
  with_lattice(input, [&](auto dims, auto grid) {
    launch(encoding_scatter_kernel<decltype(dims)::value, decltype(grid)::value>, grid_of_levels(input.points, input.levels.active),
           dim3(kBlockThreads), 0, stream, input, v_features, v_table, crowded_levels(input));
  });
}

void encode_pull_cuda(const EncodingInput<float>& input, const void* table, TableType type, const float* v_features, float* v_positions,
                      CudaStream stream) {
  with_lattice(input, [&](auto dims, auto grid) {
    launch(encoding_pull_kernel<decltype(dims)::value, decltype(grid)::value>, grid_of(input.points), dim3(kBlockThreads), 0, stream, input,
           Table{table, type, input.features}, v_features, v_positions);
  });
}

}  // namespace splatkit
