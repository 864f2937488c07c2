// The loops over splats of one instruction set, by pointer: what intersection_cpu.cpp chooses among at run time.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

// Neighboring tiles of one row of tiles that a splat touches, [first, first + count) of its camera's, and their first slot.
struct TileRun {
  int32_t first, count, splat, slot;
};

template <class Real>
struct IntersectionKernels {
  // How many tiles each of the entries [begin, end) of camera * N + splat, at most kSplatGrain of them, touches, at counts[entry].
  void (*count)(const SplatImageInput<Real>&, int64_t begin, int64_t end, int64_t* counts);
  // The runs of tiles of `count` splats that the camera sees, at most kSplatGrain of them: splat by splat, from the top. Returns the end
  // of what was written; one more is used up behind it.
  TileRun* (*runs)(const SplatImageInput<Real>&, const int64_t* splat_offsets, int64_t camera, const int32_t* splats, int64_t count,
                   TileRun* runs);
};

struct IntersectionKernelSet {
  IntersectionKernels<float> for_float;
  IntersectionKernels<double> for_double;
};

SPLATKIT_KERNEL_SETS(IntersectionKernelSet, intersection_kernels)

}  // namespace splatkit
