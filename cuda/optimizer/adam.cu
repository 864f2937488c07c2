#include "optimizer/adam.h"

#include "common/block.h"
#include "include/splatkit_optimizer.h"

namespace splatkit {
using namespace portable;

namespace {

// A row of blocks a group: neighboring threads step neighboring numbers, so that every access is whole.
__global__ void __launch_bounds__(kBlockThreads, kResidentBlocks) adam_step_kernel(AdamInput input) {
  const AdamGroup& group = input.group[blockIdx.y];
  const int64_t count = input.splats * group.width;
  AdamRates<float>& rates = shared_memory<AdamRates<float>>();
  // Powers in double precision, once a block.
  if (thread_of_block() == 0) rates = adam_rates<float>(group.rate, input.beta1, input.beta2, input.eps, *group.steps);
  __syncthreads();
  for (int64_t i = thread_of_grid(); i < count; i += int64_t(gridDim.x) * kBlockThreads) {
    adam_step(rates, group.gradient[i], group.values[i], group.means[i], group.squares[i]);
  }
}

}  // namespace

void adam_step_cuda(const AdamInput& input, CudaStream stream) {
  int64_t width = 0;
  for (int g = 0; g < input.groups; ++g) width = input.group[g].width > width ? input.group[g].width : width;
  if (input.splats * width == 0) return;
  dim3 grid = grid_of(input.splats * width);
  // Narrow groups leave most of these blocks idle; a thread of a wide one takes four numbers.
  grid.x = (grid.x + 3) / 4;
  grid.y = static_cast<unsigned>(input.groups);
  launch(adam_step_kernel, grid, dim3(kBlockThreads), 0, stream, input);
}

}  // namespace splatkit
