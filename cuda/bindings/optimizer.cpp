#include "bindings/optimizer.h"

#include "bindings/call.h"
#include "include/splatkit_optimizer.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace splatkit {
namespace {

// groups: [(values, gradient, means, squares, steps, rate), ...] of splats alike.
void adam_step_py(nb::list groups, double beta1, double beta2, double eps, int threads) {
  AdamInput input = {};
  input.groups = static_cast<int>(groups.size());
  if (input.groups < 1 || input.groups > kMaxAdamGroups) throw nb::value_error("groups: expected 1 to 8");
  const Call call(nb::handle(nb::tuple(groups[0])[0]), "values");
  const int64_t n = call.first().size(0);
  input.splats = n;
  for (int g = 0; g < input.groups; ++g) {
    const nb::tuple parts(groups[g]);
    if (parts.size() != 6) throw nb::value_error("groups: expected six parts each");
    const TensorArgument values(parts[0], "values");
    const int64_t width = values.size(1);
    input.group[g] = {call.data<float>(values, {n, width}),
                      call.data<float>(parts[1], "gradient", {n, width}),
                      call.data<float>(parts[2], "means", {n, width}),
                      call.data<float>(parts[3], "squares", {n, width}),
                      call.data<float>(parts[4], "steps", {1}),
                      width,
                      nb::cast<double>(parts[5])};
  }
  input.beta1 = beta1, input.beta2 = beta2, input.eps = eps;
  call.run<float>(threads, [&](auto stream) { adam_step_cuda(input, stream); }, [&](auto count) { adam_step(input, count); });
}

}  // namespace

void bind_optimizer(nb::module_& module) { module.def("adam_step", &adam_step_py, "groups"_a, "beta1"_a, "beta2"_a, "eps"_a, "threads"_a); }

}  // namespace splatkit
