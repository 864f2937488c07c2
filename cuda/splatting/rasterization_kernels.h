// The compositing loops of one instruction set, by pointer: what rasterization_cpu.cpp chooses among at run time.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

// What compositing needs of one splat as one camera sees it. It fills one cache line: the splats of a tile lie far apart in memory, and
// reading them from the input's arrays would cost a miss an array.
template <class Real>
struct alignas(64) SplatRow {
  Real x, y;           // center, px
  Real a, twice_b, c;  // conic
  Real log2_opacity;
  Real numbers[3];  // of the profile
  Real extent_x, extent_y;
  Real color[kMaxChannels];
};
static_assert(sizeof(SplatRow<float>) == 64, "a row is a cache line");

template <class Real>
struct RasterizationKernels {
  // Rows of the visible ones among entries [begin, end) of camera * N + splat, at most kSplatGrain of them, at rows[entry].
  void (*rows)(const SplatImageInput<Real>&, int64_t begin, int64_t end, SplatRow<Real>* rows);
  // Tiles are numbered over all cameras: camera * T + tile.
  void (*forward)(const SplatImageInput<Real>&, const SplatRow<Real>*, const TileLists&, int64_t tile, Real* features, Real* alphas);
  void (*backward)(const SplatImageInput<Real>&, const SplatRow<Real>*, const TileLists&, const SplatImageGradient<Real>&, int64_t tile);
  void (*median)(const SplatImageInput<Real>&, const SplatRow<Real>*, const TileLists&, int64_t tile, Real* depths);
};

struct RasterizationKernelSet {
  RasterizationKernels<float> for_float;
  RasterizationKernels<double> for_double;
};

SPLATKIT_KERNEL_SETS(RasterizationKernelSet, rasterization_kernels)

}  // namespace splatkit
