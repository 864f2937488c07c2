// The loops over splats of one instruction set, by pointer: what projection_cpu.cpp chooses among at run time.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

template <class Real>
struct ProjectionKernels {
  // Splats [begin, end), at most kSplatGrain.
  void (*forward)(const ProjectionInput<Real>&, const ProjectionOutput<Real>&, int64_t begin, int64_t end);
  // partials: [cameras][kCameraPartials], added to; null where gradients of cameras are not wanted.
  void (*backward)(const ProjectionInput<Real>&, const ProjectionGradient<Real>&, int64_t begin, int64_t end, double* partials);
};

struct ProjectionKernelSet {
  ProjectionKernels<float> for_float;
  ProjectionKernels<double> for_double;
};

SPLATKIT_KERNEL_SETS(ProjectionKernelSet, projection_kernels)

}  // namespace splatkit
