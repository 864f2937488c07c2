// The loop over numbers of one instruction set, by pointer: what adam_cpu.cpp chooses among at run time.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_optimizer.h"

namespace splatkit {

struct AdamKernels {
  // Splats [begin, end) of all groups.
  void (*step)(const AdamInput&, int64_t begin, int64_t end);
};

SPLATKIT_KERNEL_SETS(AdamKernels, adam_kernels)

}  // namespace splatkit
