#include "bindings/encodings.h"

#include <nanobind/stl/vector.h>

#include <vector>

#include "bindings/call.h"
#include "common/host_memory.h"

namespace nb = nanobind;

namespace splatkit {
namespace {

// What every call of the family takes besides tensors, in the order of splatkit/ops/encodings.py.
struct Settings {
  std::vector<double> scales;
  std::vector<int64_t> offsets, sizes, moduli, steps;
  int active, features, lattice, interpolation;
  int64_t seed;
};

Settings settings_of(const nb::tuple& values) {
  return {nb::cast<std::vector<double>>(values[0]),
          nb::cast<std::vector<int64_t>>(values[1]),
          nb::cast<std::vector<int64_t>>(values[2]),
          nb::cast<std::vector<int64_t>>(values[3]),
          nb::cast<std::vector<int64_t>>(values[4]),
          nb::cast<int>(values[5]),
          nb::cast<int>(values[6]),
          nb::cast<int>(values[7]),
          nb::cast<int>(values[8]),
          nb::cast<int64_t>(values[9])};
}

void refuse(bool wrong, const char* message) {
  if (wrong) throw nb::value_error(message);
}

// Refuses levels that would read past the end of the table.
EncodingLevels levels_of(const Settings& settings, int64_t entries) {
  const size_t count = settings.scales.size();
  refuse(count < 1 || count > size_t(kMaxEncodingLevels), "levels: expected 1 to 32");
  refuse(settings.offsets.size() != count || settings.sizes.size() != count || settings.moduli.size() != count ||
             settings.steps.size() != count,
         "levels: scales, offsets, sizes, moduli and steps differ in length");
  refuse(settings.active < 0 || settings.active > int(count), "active_levels: expected 0 to the number of levels");
  EncodingLevels levels = {};
  levels.count = static_cast<int>(count), levels.active = settings.active;
  int64_t next = 0;
  for (size_t l = 0; l < count; ++l) {
    const int64_t size = settings.sizes[l];
    refuse(settings.offsets[l] != next || size < 1, "levels: expected one level after the other in the table");
    refuse(settings.moduli[l] == 0 && (size & (size - 1)) != 0, "levels: the size of a hashed level must be a power of two");
    refuse(size * settings.features > int64_t(1) << 31, "levels: at most 2^31 values each");
    levels.at[l] = {settings.scales[l], next, size, static_cast<int32_t>(settings.moduli[l]), static_cast<int32_t>(settings.steps[l])};
    next += size;
  }
  refuse(next != entries, "table: its entries are not those of the levels");
  return levels;
}

template <class Real>
EncodingInput<Real> input_of(const Call& call, nb::handle tangents, const Settings& settings, int64_t entries) {
  const int64_t points = call.first().size(0), dims = call.first().size(1);
  refuse(dims < 2 || dims > 8, "positions: expected [N, d] with d from 2 to 8");
  const int features = settings.features;
  refuse(features != 1 && features != 2 && features != 4 && features != 8, "table: expected 1, 2, 4 or 8 features a level");
  refuse(settings.lattice < 0 || settings.lattice > 2 || settings.interpolation < 0 || settings.interpolation > 3,
         "lattice, interpolation: unknown");
  EncodingInput<Real> input = {};
  input.points = points, input.entries = entries;
  input.dims = static_cast<int>(dims), input.features = features;
  input.lattice = settings.lattice, input.interpolation = settings.interpolation;
  input.seed = static_cast<uint32_t>(settings.seed);
  input.positions = call.data<Real>(call.first(), {points, dims});
  input.tangents = tangents.is_none() ? nullptr : call.data<Real>(tangents, "tangents", {points, dims});
  input.levels = levels_of(settings, entries);
  return input;
}

// A table as the kernels take it: 16-bit floats come as int16, with their type beside them. On a GPU a load of two features at once must not
// start between two pairs; the CPU loads from anywhere.
template <class Real>
const void* table_of(const Call& call, const TensorArgument& table, int type, int features) {
  const bool real = type == static_cast<int>(TableType::kReal);
  const void* values = nullptr;
  if (real) {
    values = call.data<Real>(table, {-1, features});
  } else {
    values = call.data<int16_t>(table, {-1, features});
  }
  const size_t pair = 2 * (real ? sizeof(Real) : sizeof(int16_t));
  refuse(call.on_cuda() && features > 1 && reinterpret_cast<uintptr_t>(values) % pair != 0,
         "table: its memory starts between two pairs of features, which CUDA kernels load at once; pass table.clone()");
  return values;
}

void encode_py(nb::handle positions, nb::handle tangents, nb::handle table, int type, nb::tuple settings_tuple, nb::handle scratch,
               nb::handle features, int threads) {
  const Call call(positions, "positions");
  const TensorArgument entries(table, "table");
  const Settings settings = settings_of(settings_tuple);
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = input_of<Real>(call, tangents, settings, entries.size(0));
    const void* values = table_of<Real>(call, entries, type, input.features);
    Real* staged = call.data<Real>(scratch, "scratch", {-1});
    Real* out = call.data<Real>(features, "features", {int64_t(input.levels.count) * input.features, input.points});
    call.run<Real>(
        threads, [&](auto stream) { encode_cuda(input, values, static_cast<TableType>(type), out, stream); },
        [&](auto count) { encode(input, values, static_cast<TableType>(type), staged, out, count); });
  });
}

void encode_scatter_py(nb::handle positions, nb::handle tangents, nb::handle v_features, nb::tuple settings_tuple, nb::handle scratch,
                       nb::handle totals, nb::handle v_table, int threads) {
  const Call call(positions, "positions");
  const TensorArgument entries(v_table, "v_table");
  const Settings settings = settings_of(settings_tuple);
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = input_of<Real>(call, tangents, settings, entries.size(0));
    const Real* v = call.data<Real>(v_features, "v_features", {int64_t(input.levels.count) * input.features, input.points});
    Real* staged = call.data<Real>(scratch, "scratch", {-1});
    Real* out = call.data<Real>(entries, {input.entries, input.features});
    int64_t* sums =
        totals.is_none() ? nullptr : call.data<int64_t>(totals, "totals", {input.entries * input.features + input.levels.count});
    call.run<Real>(
        threads, [&](auto stream) { encode_scatter_cuda(input, v, sums, out, stream); },
        [&](auto count) { encode_scatter(input, v, staged, out, count); });
  });
}

void encode_pull_py(nb::handle positions, nb::handle tangents, nb::handle table, int type, nb::handle v_features, nb::tuple settings_tuple,
                    nb::handle scratch, nb::handle v_positions, int threads) {
  const Call call(positions, "positions");
  const TensorArgument entries(table, "table");
  const Settings settings = settings_of(settings_tuple);
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const auto input = input_of<Real>(call, tangents, settings, entries.size(0));
    const void* values = table_of<Real>(call, entries, type, input.features);
    const Real* v = call.data<Real>(v_features, "v_features", {int64_t(input.levels.count) * input.features, input.points});
    Real* staged = call.data<Real>(scratch, "scratch", {-1});
    Real* out = call.data<Real>(v_positions, "v_positions", {input.points, input.dims});
    call.run<Real>(
        threads, [&](auto stream) { encode_pull_cuda(input, values, static_cast<TableType>(type), v, out, stream); },
        [&](auto count) { encode_pull(input, values, static_cast<TableType>(type), v, staged, out, count); });
  });
}

// Numbers of scratch that a call on the positions takes; none on CUDA.
int64_t encoding_scratch_size_py(nb::handle positions) {
  const Call call(positions, "positions");
  const int64_t points = call.first().size(0), dims = call.first().size(1);
  if constexpr (kHasCpu) {
    if (!call.on_cuda()) return encoding_scratch_size(points, static_cast<int>(dims));
  }
  return points * dims * 0;
}

// Large pages under memory that nothing was written to yet: look-ups spread over all of a table. values: its bytes as int16.
void prefer_huge_pages_py(nb::handle values) {
  const TensorArgument tensor(values, "values");
  prefer_huge_pages(tensor.data<int16_t>({-1}, tensor.device()), tensor.size(0) * sizeof(int16_t));
}

}  // namespace

void bind_encodings(nb::module_& module) {
  module.def("encode", &encode_py, nb::arg("positions"), nb::arg("tangents").none(), nb::arg("table"), nb::arg("type"), nb::arg("settings"),
             nb::arg("scratch"), nb::arg("features"), nb::arg("threads"));
  module.def("encode_scatter", &encode_scatter_py, nb::arg("positions"), nb::arg("tangents").none(), nb::arg("v_features"),
             nb::arg("settings"), nb::arg("scratch"), nb::arg("totals").none(), nb::arg("v_table"), nb::arg("threads"));
  module.def("encode_pull", &encode_pull_py, nb::arg("positions"), nb::arg("tangents").none(), nb::arg("table"), nb::arg("type"),
             nb::arg("v_features"), nb::arg("settings"), nb::arg("scratch"), nb::arg("v_positions"), nb::arg("threads"));
  module.def("prefer_huge_pages", &prefer_huge_pages_py);
  module.def("encoding_scratch_size", &encoding_scratch_size_py);
}

}  // namespace splatkit
