// The compositing loops of one instruction set, by pointer: what rasterization_cpu.cpp chooses among at run time.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

template <class Real>
struct RasterizationKernels {
  // Tiles are numbered over all cameras: camera * T + tile.
  void (*forward)(const SplatImageInput<Real>&, const TileLists&, int64_t tile, Real* features, Real* alphas);
  void (*backward)(const SplatImageInput<Real>&, const TileLists&, const SplatImageGradient<Real>&, int64_t tile);
  void (*median)(const SplatImageInput<Real>&, const TileLists&, int64_t tile, Real* depths);
};

struct RasterizationKernelSet {
  RasterizationKernels<float> for_float;
  RasterizationKernels<double> for_double;
};

SPLATKIT_KERNEL_SETS(RasterizationKernelSet, rasterization_kernels)

}  // namespace splatkit
