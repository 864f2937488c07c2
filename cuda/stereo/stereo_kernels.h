// Row loops of stereo of one instruction set.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_photographs.h"

namespace splatkit {

struct StereoKernels {
  void (*start)(const StereoMatching&, const StereoState&, int row);
  // The pixels of a row with (column + row) % 2 = color.
  void (*improve)(const StereoMatching&, const StereoState&, const StereoSweep&, int row, int color);
  void (*check)(const StereoConsistency&, float* agreement, int row);
  void (*variances)(const StereoImage&, const StereoWeights&, float* variances, int row);
  void (*shares)(const StereoImage&, const StereoWeights&, const float* variances, float least, float* shares, int row);
};

SPLATKIT_KERNEL_SETS(StereoKernels, stereo_kernels)

}  // namespace splatkit
