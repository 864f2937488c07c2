// The compositing loops of one instruction set, by pointer: what rasterization_cpu.cpp chooses among at run time.
#pragma once
#include "include/splatkit_native.h"

namespace splatkit {

template <class Real>
struct RasterizationKernels {
  // Tiles are numbered over all cameras: camera * T + tile.
  void (*forward)(const SplatImageInput<Real>&, const TileLists&, int64_t tile, Real* features, Real* alphas);
  void (*backward)(const SplatImageInput<Real>&, const TileLists&, const SplatImageGradient<Real>&, int64_t tile);
};

struct KernelSet {
  const char* name;
  RasterizationKernels<float> for_float;
  RasterizationKernels<double> for_double;
};

const KernelSet& kernel_set_baseline();
#if defined(SPLATKIT_HAVE_X86_SETS)
const KernelSet& kernel_set_avx2();
const KernelSet& kernel_set_avx512();
#endif

}  // namespace splatkit
