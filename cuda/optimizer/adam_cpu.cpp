#include "common/parallel.h"
#include "optimizer/adam_kernels.h"

namespace splatkit {
namespace {

constexpr int64_t kRowGrain = 2048;

}  // namespace

void adam_step(const AdamInput& input, int threads) {
  const AdamKernels& kernel = adam_kernels();
  parallel_for(input.splats, kRowGrain, threads, [&](int64_t begin, int64_t end) { kernel.step(input, begin, end); });
}

}  // namespace splatkit
