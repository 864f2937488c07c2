// Loops over segments of the grid, cells and quads, of one instruction set. Each works on the items begin to end.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

template <class Real>
struct SurfaceKernels {
  void (*find_inside)(const SurfaceGrid&, const Real* field, void* scratch, int64_t begin, int64_t end, int64_t* refused);
  void (*vertices)(const SurfaceInput<Real>&, Real* vertices, Real* deviations, int64_t begin, int64_t end);
  void (*centers)(const SurfaceInput<Real>&, Real* vertices, int64_t begin, int64_t end);
  void (*quads_backward)(const SurfaceInput<Real>&, const SurfaceGradient<Real>&, Real* quads, int64_t begin, int64_t end);
  void (*cells_backward)(const SurfaceInput<Real>&, const SurfaceGradient<Real>&, const Real* quads, int64_t begin, int64_t end);
  void (*range_values)(const WeightRange&, const WeightRows&, const Real* raw, Real* values, int64_t begin, int64_t end);
  void (*range_backward)(const WeightRange&, const WeightRows&, const Real* values, const Real* v_values, Real* v_raw, int64_t begin,
                         int64_t end);
  void (*faces)(const SurfaceInput<Real>&, bool centers, const Real* vertices, int64_t* faces, int64_t begin, int64_t end);
};

struct SurfaceKernelSet {
  SurfaceKernels<float> for_float;
  SurfaceKernels<double> for_double;
  void (*find_cells)(const SurfaceGrid&, void* scratch, int64_t begin, int64_t end);
  void (*count_segments)(const SurfaceGrid&, void* scratch, int64_t begin, int64_t end);
  void (*fill_cells)(const SurfaceGrid&, void* scratch, const SurfaceTopology&, int64_t begin, int64_t end);
  void (*fill_quads)(const SurfaceGrid&, void* scratch, const SurfaceTopology&, int64_t begin, int64_t end);
};

SPLATKIT_KERNEL_SETS(SurfaceKernelSet, surface_kernels)

}  // namespace splatkit
