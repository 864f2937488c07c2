// Loops over samples of photo-consistency, of one instruction set.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_photographs.h"

namespace splatkit {

struct PhotoKernels {
  void (*normalize)(const PhotoConsistency&, const PhotoScratch&, int64_t begin, int64_t end);
  void (*judge)(const PhotoConsistency&, const PhotoScratch&, int64_t begin, int64_t end);
  void (*conclude)(const PhotoConsistency&, const PhotoScratch&, float* out, int64_t begin, int64_t end);
};

SPLATKIT_KERNEL_SETS(PhotoKernels, photo_kernels)

}  // namespace splatkit
