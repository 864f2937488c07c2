// Work on the CPU goes level by level, so that one level's part of the table stays in the caches while all points pass.
#include <cstring>

#include "common/host_memory.h"
#include "common/parallel.h"
#include "encodings/encodings_kernels.h"

namespace splatkit {
namespace {

constexpr int64_t kGrain = 32 * kEncodingBlock;  // points of a chunk

int64_t padded(int64_t points) { return (points + kEncodingBlock - 1) / kEncodingBlock * kEncodingBlock; }

template <class Real>
bool inside(Real x) {
  return x >= 0 && x <= 1;
}

// Positions axis by axis, held to the unit cube; NaN stays NaN. Tangents are zero where a position is held.
template <class Real>
StagedPoints<Real> stage(const EncodingInput<Real>& input, Real* scratch, int threads) {
  const int64_t stride = padded(input.points), dims = input.dims;
  Real *positions = scratch, *tangents = scratch + dims * stride, *v_positions = scratch + 2 * dims * stride;
  parallel_for(stride, kGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t axis = 0; axis < dims; ++axis) {
      Real *to = positions + axis * stride, *along = tangents + axis * stride;
      const int64_t stop = end < input.points ? end : input.points;
      for (int64_t n = begin; n < stop; ++n) {
        const Real x = input.positions[n * dims + axis];
        to[n] = x < 0 ? Real(0) : (x > 1 ? Real(1) : x);
      }
      for (int64_t n = stop > begin ? stop : begin; n < end; ++n) to[n] = 0;
      if (input.tangents == nullptr) continue;
      for (int64_t n = begin; n < stop; ++n)
        along[n] = inside(input.positions[n * dims + axis]) ? input.tangents[n * dims + axis] : Real(0);
      for (int64_t n = stop > begin ? stop : begin; n < end; ++n) along[n] = 0;
    }
  });
  return {positions, input.tangents == nullptr ? nullptr : tangents, v_positions, stride};
}

// Brings a level's part of the table into the caches where its points will read most of it anyway.
template <class Real>
void read_level_ahead(const EncodingInput<Real>& input, int level, const void* table, TableType type) {
  const EncodingLevel& at = input.levels.at[level];
  if (input.points * 8 < at.size) return;
  const size_t entry = input.features * (type == TableType::kReal ? sizeof(Real) : sizeof(uint16_t));
  read_ahead(static_cast<const char*>(table) + at.offset * entry, at.size * entry);
}

}  // namespace

int64_t encoding_scratch_size(int64_t points, int dims) { return 3 * dims * padded(points); }

template <class Real>
void encode(const EncodingInput<Real>& input, const void* table, TableType type, Real* scratch, Real* features, int threads) {
  const StagedPoints<Real> staged = stage(input, scratch, threads);
  const int64_t chunks = (input.points + kGrain - 1) / kGrain, rows = int64_t(input.levels.active) * input.features;
  prefer_huge_pages(features, sizeof(Real) * input.levels.count * input.features * input.points);
  parallel_for(chunks * input.levels.active, 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % chunks * kGrain, last = first + kGrain < input.points ? first + kGrain : input.points;
      if (first == 0) read_level_ahead(input, static_cast<int>(task / chunks), table, type);
      kernels_for<Real>(encoding_kernels()).gather(input, staged, static_cast<int>(task / chunks), first, last, table, type, features);
    }
  });
  std::memset(features + rows * input.points, 0, sizeof(Real) * (int64_t(input.levels.count) * input.features - rows) * input.points);
}

template <class Real>
void encode_scatter(const EncodingInput<Real>& input, const Real* v_features, Real* scratch, Real* v_table, int threads) {
  const StagedPoints<Real> staged = stage(input, scratch, threads);
  const int last = input.levels.count - 1;
  prefer_huge_pages(v_table, sizeof(Real) * input.entries * input.features);
  parallel_for(input.levels.count, 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int level = last - static_cast<int>(task);  // the fine ones, which take longest, first
      const EncodingLevel& at = input.levels.at[level];
      std::memset(v_table + at.offset * input.features, 0, sizeof(Real) * at.size * input.features);
      if (level < input.levels.active && input.points > 0)
        kernels_for<Real>(encoding_kernels()).scatter(input, staged, level, 0, input.points, v_features, v_table);
    }
  });
}

template <class Real>
void encode_pull(const EncodingInput<Real>& input, const void* table, TableType type, const Real* v_features, Real* scratch,
                 Real* v_positions, int threads) {
  const StagedPoints<Real> staged = stage(input, scratch, threads);
  const int64_t dims = input.dims;
  std::memset(staged.v_positions, 0, sizeof(Real) * dims * staged.stride);
  for (int level = 0; level < input.levels.active; ++level) {
    parallel_for(input.points, kGrain, threads, [&](int64_t begin, int64_t end) {
      if (begin == 0) read_level_ahead(input, level, table, type);
      kernels_for<Real>(encoding_kernels()).pull(input, staged, level, begin, end, table, type, v_features);
    });
  }
  parallel_for(input.points, kGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t axis = 0; axis < dims; ++axis) {
        v_positions[n * dims + axis] = inside(input.positions[n * dims + axis]) ? staged.v_positions[axis * staged.stride + n] : Real(0);
      }
    }
  });
}

template void encode(const EncodingInput<float>&, const void*, TableType, float*, float*, int);
template void encode(const EncodingInput<double>&, const void*, TableType, double*, double*, int);
template void encode_scatter(const EncodingInput<float>&, const float*, float*, float*, int);
template void encode_scatter(const EncodingInput<double>&, const double*, double*, double*, int);
template void encode_pull(const EncodingInput<float>&, const void*, TableType, const float*, float*, float*, int);
template void encode_pull(const EncodingInput<double>&, const void*, TableType, const double*, double*, double*, int);

}  // namespace splatkit
