// The loops over splats of one instruction set, by pointer: what intersection_cpu.cpp chooses among at run time.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

template <class Real>
struct IntersectionKernels {
  // Of entries [begin, end) of camera * N + splat, at most kSplatGrain of them:
  // how many tiles each touches, at counts[entry];
  void (*count)(const SplatImageInput<Real>&, int64_t begin, int64_t end, int64_t* counts);
  // which ones, row by row, from tiles[splat_offsets[entry]] on.
  void (*tiles)(const SplatImageInput<Real>&, int64_t begin, int64_t end, const int64_t* splat_offsets, int32_t* tiles);
};

struct IntersectionKernelSet {
  IntersectionKernels<float> for_float;
  IntersectionKernels<double> for_double;
};

SPLATKIT_KERNEL_SETS(IntersectionKernelSet, intersection_kernels)

}  // namespace splatkit
