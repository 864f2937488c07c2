#include "bindings/networks.h"

#include <nanobind/stl/vector.h>

#include <vector>

#include "bindings/call.h"

namespace nb = nanobind;

namespace splatkit {
namespace {

TinyMlpLayers layers_of(const std::vector<int64_t>& widths) {
  if (widths.size() < 2 || widths.size() > size_t(kMaxMlpLayers) + 1)
    throw nb::value_error("widths: expected those of 1 to 4 layers and of their input");
  TinyMlpLayers layers = {};
  layers.count = static_cast<int>(widths.size()) - 1;
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] < 1 || widths[i] > kMaxMlpWidth) throw nb::value_error("widths: expected 1 to 128");
    layers.widths[i] = static_cast<int>(widths[i]);
  }
  return layers;
}

// Runs body(Real(), input) on the CPU.
template <class Body>
void on_cpu(nb::handle features, nb::handle parameters, const std::vector<int64_t>& widths, const Body& body) {
  const Call call(features, "features");
  const TinyMlpLayers layers = layers_of(widths);
  if constexpr (kHasCpu) {
    if (call.on_cuda()) throw nb::value_error("features: the native network runs on the CPU");
    call.in_precision([&](auto real) {
      using Real = decltype(real);
      const int64_t points = call.first().size(1);
      const TinyMlpInput<Real> input = {points, layers, call.data<Real>(call.first(), {layers.widths[0], points}),
                                        call.data<Real>(parameters, "parameters", {tiny_mlp_parameters(layers)})};
      body(call, input);
    });
  } else {
    (void)parameters, (void)body;
    throw nb::value_error("features: the native network runs on the CPU");
  }
}

void tiny_mlp_py(nb::handle features, nb::handle parameters, std::vector<int64_t> widths, nb::handle outputs, int threads) {
  on_cpu(features, parameters, widths, [&](const Call& call, const auto& input) {
    using Real = std::remove_const_t<std::remove_pointer_t<decltype(input.features)>>;
    Real* out = call.data<Real>(outputs, "outputs", {input.layers.widths[input.layers.count], input.points});
    nb::gil_scoped_release unlocked;
    tiny_mlp(input, out, threads);
  });
}

void tiny_mlp_backward_py(nb::handle features, nb::handle parameters, std::vector<int64_t> widths, nb::handle v_outputs, nb::handle scratch,
                          nb::handle v_features, nb::handle v_parameters, int threads) {
  on_cpu(features, parameters, widths, [&](const Call& call, const auto& input) {
    using Real = std::remove_const_t<std::remove_pointer_t<decltype(input.features)>>;
    const Real* v = call.data<Real>(v_outputs, "v_outputs", {input.layers.widths[input.layers.count], input.points});
    Real* sums = call.data<Real>(scratch, "scratch", {tiny_mlp_scratch_size(input.points, input.layers)});
    Real* to_features = v_features.is_none() ? nullptr : call.data<Real>(v_features, "v_features", {input.layers.widths[0], input.points});
    Real* to_parameters = call.data<Real>(v_parameters, "v_parameters", {tiny_mlp_parameters(input.layers)});
    nb::gil_scoped_release unlocked;
    tiny_mlp_backward(input, v, sums, to_features, to_parameters, threads);
  });
}

int64_t tiny_mlp_scratch_size_py(int64_t points, std::vector<int64_t> widths) {
  const TinyMlpLayers layers = layers_of(widths);
  if constexpr (kHasCpu) return tiny_mlp_scratch_size(points, layers);
  return points * layers.count * 0;
}

}  // namespace

void bind_networks(nb::module_& module) {
  module.def("tiny_mlp", &tiny_mlp_py);
  module.def("tiny_mlp_backward", &tiny_mlp_backward_py, nb::arg("features"), nb::arg("parameters"), nb::arg("widths"),
             nb::arg("v_outputs"), nb::arg("scratch"), nb::arg("v_features").none(), nb::arg("v_parameters"), nb::arg("threads"));
  module.def("tiny_mlp_scratch_size", &tiny_mlp_scratch_size_py);
}

}  // namespace splatkit
