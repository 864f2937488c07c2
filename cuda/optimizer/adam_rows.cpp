// Compiled once per instruction set (see CMakeLists.txt): SPLATKIT_ISA names the set, SPLATKIT_LANES the floats in a register.
// Nothing here may instantiate a function with external linkage other than the kernel set itself.
#include <cmath>

#include "common/simd.h"
#include "optimizer/adam.h"
#include "optimizer/adam_kernels.h"

SPLATKIT_ISA_BEGIN

template <class V>
void step_vector(const AdamRates<float>& rates, const AdamGroup& group, int64_t i) {
  V value = load<V>(group.values + i), mean = load<V>(group.means + i), square = load<V>(group.squares + i);
  adam_step(rates, load<V>(group.gradient + i), value, mean, square);
  store(group.values + i, value), store(group.means + i, mean), store(group.squares + i, square);
}

// Numbers [begin, end) of a group; what fills no whole register goes one by one.
void step_numbers(const AdamRates<float>& rates, const AdamGroup& group, int64_t begin, int64_t end) {
  for (; begin + SPLATKIT_LANES <= end; begin += SPLATKIT_LANES) step_vector<Vec<float, SPLATKIT_LANES>>(rates, group, begin);
  for (; begin < end; ++begin) step_vector<Vec<float, 1>>(rates, group, begin);
}

void step(const AdamInput& input, int64_t begin, int64_t end) {
  for (int g = 0; g < input.groups; ++g) {
    const AdamGroup& group = input.group[g];
    const auto rates = adam_rates<float>(group.rate, input.beta1, input.beta2, input.eps, *group.steps);
    step_numbers(rates, group, group.width * begin, group.width * end);
  }
}

constexpr AdamKernels kernel_set = {step};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(AdamKernels, adam_kernels, kernel_set)
