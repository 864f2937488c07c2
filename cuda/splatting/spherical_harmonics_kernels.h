// The loops over splats of one instruction set, by pointer: what spherical_harmonics_cpu.cpp chooses among at run time.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

template <class Real>
struct ShKernels {
  // Splats [begin, end), at most kSplatGrain.
  void (*forward)(const ShColorInput<Real>&, Real* colors, int64_t begin, int64_t end);
  // partials: [cameras][kCameraPartials], added to; null where gradients of cameras are not wanted.
  void (*backward)(const ShColorInput<Real>&, const ShColorGradient<Real>&, int64_t begin, int64_t end, double* partials);
};

struct ShKernelSet {
  ShKernels<float> for_float;
  ShKernels<double> for_double;
};

SPLATKIT_KERNEL_SETS(ShKernelSet, sh_kernels)

}  // namespace splatkit
