// Row loops of the photometric loss of one instruction set.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

template <class Real>
struct PhotometricKernels {
  // planes [5][channels][H][W]: 0 rendered, 1 target (written by `split`), 2 to 4 derivatives of SSIM by window (written by `windows`).
  void (*split)(const PhotometricInput<Real>&, Real* planes, int row);
  // One row of windows of one channel; returns the sum of SSIM.
  double (*windows)(const PhotometricInput<Real>&, Real* planes, int channel, int row);
  // One image row of one channel of the gradient; returns the sum of absolute differences.
  double (*gradient)(const PhotometricInput<Real>&, const Real* planes, int channel, int row, Real* v_rendered);
};

struct PhotometricKernelSet {
  PhotometricKernels<float> for_float;
  PhotometricKernels<double> for_double;
};

SPLATKIT_KERNEL_SETS(PhotometricKernelSet, photometric_kernels)

}  // namespace splatkit
