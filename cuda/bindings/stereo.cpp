#include "bindings/stereo.h"

#include <nanobind/stl/vector.h>

#include <vector>

#include "bindings/call.h"
#include "include/splatkit_photographs.h"

namespace nb = nanobind;

namespace splatkit {
namespace {

using Numbers = std::vector<double>;

void refuse(bool wrong, const char* message) {
  if (wrong) throw nb::value_error(message);
}

// Numbers as they come, in the order of splatkit/ops/stereo.py.
class NumberReader {
 public:
  NumberReader(const Numbers& numbers, size_t count, const char* message) : next_(numbers.data()) {
    refuse(numbers.size() != count, message);
  }
  float one() { return static_cast<float>(*next_++); }
  template <int Count>
  void into(float (&values)[Count]) {
    for (float& value : values) value = one();
  }
  StereoCamera camera() {
    StereoCamera camera;
    camera.fx = one(), camera.fy = one(), camera.cx = one(), camera.cy = one();
    return camera;
  }

 private:
  const double* next_;
};

struct Size {
  int64_t height, width;
  explicit Size(const TensorArgument& argument) : height(argument.size(0)), width(argument.size(1)) {
    refuse(height < 1 || width < 1 || height > 65535 || width > 65535, "images: expected 1 to 65535 px a side");
  }
};

StereoImage image_of(const Call& call, nb::handle grays, const Size& size) {
  return {static_cast<int>(size.width), static_cast<int>(size.height), call.data<uint8_t>(grays, "grays", {size.height, size.width})};
}

StereoWeights weights_of(const Call& call, nb::handle color, nb::handle space) {
  return {call.data<float>(color, "color_weights", {256}), call.data<float>(space, "space_weights", {kStereoSamples})};
}

constexpr int kReferenceNumbers = 11, kSourceNumbers = 25;

void match_planes_py(nb::handle planes, nb::handle costs, nb::handle views, nb::handle grays, nb::handle usable, nb::handle color_weights,
                     nb::handle space_weights, std::vector<nb::object> packed, std::vector<nb::object> source_planes, Numbers numbers,
                     int64_t seed, std::vector<int64_t> sweep_numbers, Numbers good_costs, int threads) {
  const Call call(planes, "planes");
  const Size size(call.first());
  refuse(packed.empty() || packed.size() > size_t(kMaxStereoSources), "sources: expected 1 to 8");
  refuse(!source_planes.empty() && source_planes.size() != packed.size(), "source_planes: expected one of each source, or none");
  refuse(sweep_numbers.size() != good_costs.size(), "sweeps: numbers and costs differ in length");
  NumberReader reader(numbers, kReferenceNumbers + kSourceNumbers * packed.size(), "numbers: not those of the reference and its sources");
  StereoMatching job = {};
  job.image = image_of(call, grays, size);
  job.usable = call.data<uint8_t>(usable, "usable", {size.height, size.width});
  job.weights = weights_of(call, color_weights, space_weights);
  job.camera = reader.camera();
  job.least_inverse = reader.one(), job.most_inverse = reader.one(), job.parallax = reader.one(), job.noise = reader.one();
  job.geometric_weight = reader.one(), job.geometric_limit = reader.one();
  refuse(reader.one() != 0, "numbers: expected a zero before the sources");
  job.seed = static_cast<uint32_t>(seed), job.source_count = static_cast<int>(packed.size());
  std::vector<TensorArgument> held;
  held.reserve(packed.size());
  for (size_t j = 0; j < packed.size(); ++j) {
    StereoSource& source = job.sources[j];
    held.emplace_back(packed[j], "packed");
    const Size of_source(held.back());
    source.image = {static_cast<int>(of_source.width), static_cast<int>(of_source.height), nullptr};
    source.packed = reinterpret_cast<const uint32_t*>(call.data<int32_t>(held.back(), {of_source.height, of_source.width}));
    if (!source_planes.empty()) {
      source.planes = call.data<float>(source_planes[j], "source_planes", {of_source.height, of_source.width, 3});
    }
    reader.into(source.A), reader.into(source.b), reader.into(source.back_A), reader.into(source.back_b);
    source.parallax = reader.one();
  }
  const StereoState state = {call.data<float>(call.first(), {size.height, size.width, 3}),
                             call.data<float>(costs, "costs", {size.height, size.width}),
                             call.data<uint8_t>(views, "views", {size.height, size.width})};
  std::vector<StereoSweep> sweeps;
  for (size_t i = 0; i < sweep_numbers.size(); ++i) {
    sweeps.push_back({static_cast<int>(sweep_numbers[i]), good_costs[i] > 0, static_cast<float>(good_costs[i])});
  }
  const int count = static_cast<int>(sweeps.size());
  call.run<float>(
      threads, [&](auto stream) { match_planes_cuda(job, state, sweeps.data(), count, stream); },
      [&](auto workers) { match_planes(job, state, sweeps.data(), count, workers); });
}

constexpr int kCheckNumbers = 8, kNeighborNumbers = 16;

void check_consistency_py(nb::handle planes, std::vector<nb::object> neighbor_planes, std::vector<nb::object> neighbor_costs,
                          Numbers numbers, nb::handle agreement, int threads) {
  const Call call(planes, "planes");
  const Size size(call.first());
  refuse(neighbor_planes.size() > size_t(kMaxStereoNeighbors), "neighbors: expected at most 16");
  refuse(neighbor_planes.size() != neighbor_costs.size(), "neighbors: planes and costs differ in length");
  NumberReader reader(numbers, kCheckNumbers + kNeighborNumbers * neighbor_planes.size(),
                      "numbers: not those of the view and its neighbors");
  StereoConsistency job = {};
  job.width = static_cast<int>(size.width), job.height = static_cast<int>(size.height);
  job.planes = call.data<float>(call.first(), {size.height, size.width, 3});
  job.camera = reader.camera();
  job.most_pixels = reader.one(), job.most_share = reader.one(), job.least_cosine = reader.one(), job.trusted_cost = reader.one();
  job.neighbor_count = static_cast<int>(neighbor_planes.size());
  for (size_t j = 0; j < neighbor_planes.size(); ++j) {
    StereoNeighbor& view = job.neighbors[j];
    const TensorArgument argument(neighbor_planes[j], "neighbor_planes");
    const Size of_view(argument);
    view.width = static_cast<int>(of_view.width), view.height = static_cast<int>(of_view.height);
    view.planes = call.data<float>(argument, {of_view.height, of_view.width, 3});
    view.costs = call.data<float>(neighbor_costs[j], "neighbor_costs", {of_view.height, of_view.width});
    view.camera = reader.camera();
    reader.into(view.R), reader.into(view.t);
  }
  float* out = call.data<float>(agreement, "agreement", {size.height, size.width, 5});
  call.run<float>(
      threads, [&](auto stream) { check_consistency_cuda(job, out, stream); }, [&](auto workers) { check_consistency(job, out, workers); });
}

void window_texture_py(nb::handle grays, nb::handle color_weights, nb::handle space_weights, double least, nb::handle variances,
                       nb::handle shares, int threads) {
  const Call call(variances, "variances");
  const Size size(call.first());
  const StereoImage image = image_of(call, grays, size);
  const StereoWeights weights = weights_of(call, color_weights, space_weights);
  float* varied = call.data<float>(call.first(), {size.height, size.width});
  float* shared = call.data<float>(shares, "shares", {size.height, size.width});
  call.run<float>(
      threads, [&](auto stream) { window_texture_cuda(image, weights, static_cast<float>(least), varied, shared, stream); },
      [&](auto workers) { window_texture(image, weights, static_cast<float>(least), varied, shared, workers); });
}

}  // namespace

void bind_stereo(nb::module_& module) {
  module.def("match_planes", &match_planes_py);
  module.def("check_consistency", &check_consistency_py);
  module.def("window_texture", &window_texture_py);
}

}  // namespace splatkit
