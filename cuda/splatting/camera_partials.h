// Sums gradients of cameras over splats: one partial sum a chunk of splats, added in a fixed order, so that the number of threads
// does not change a bit.
#pragma once
#include <cstdint>
#include <cstring>

#include "common/host_device.h"

SPLATKIT_ISA_BEGIN

constexpr int64_t kSplatGrain = 1024;  // splats a chunk on the CPU; on CUDA a chunk is a block
constexpr int kCameraPartials = 16;    // rotation 9, translation 3, fx, fy, cx, cy

inline int64_t splat_chunks(int64_t splats) { return (splats + kSplatGrain - 1) / kSplatGrain; }

// total: [kCameraPartials] of one camera. v_K may be null.
template <class Real>
SPLATKIT_HD void write_camera_gradient(const double* total, Real* v_viewmat, Real* v_K) {
  for (int i = 0; i < 16; ++i) v_viewmat[i] = 0;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) v_viewmat[4 * i + j] = static_cast<Real>(total[3 * i + j]);
    v_viewmat[4 * i + 3] = static_cast<Real>(total[9 + i]);
  }
  if (v_K == nullptr) return;
  for (int i = 0; i < 9; ++i) v_K[i] = 0;
  v_K[0] = static_cast<Real>(total[12]), v_K[4] = static_cast<Real>(total[13]);
  v_K[2] = static_cast<Real>(total[14]), v_K[5] = static_cast<Real>(total[15]);
}

// Adds the gradient of a camera's center, -R^T t, to its partial sums.
template <class Real>
SPLATKIT_HD void add_center_gradient(const Real* viewmat, const double* v_center, double* partial) {
  for (int row = 0; row < 3; ++row) {
    for (int k = 0; k < 3; ++k) {
      partial[3 * row + k] -= viewmat[4 * row + 3] * v_center[k];
      partial[9 + row] -= viewmat[4 * row + k] * v_center[k];
    }
  }
}

// partials: [chunks][cameras][kCameraPartials]. v_Ks may be null.
template <class Real>
void sum_camera_partials(const double* partials, int64_t cameras, int64_t splats, Real* v_viewmats, Real* v_Ks) {
  for (int64_t camera = 0; camera < cameras; ++camera) {
    double total[kCameraPartials] = {0};
    for (int64_t chunk = 0; chunk < splat_chunks(splats); ++chunk) {
      const double* partial = partials + (chunk * cameras + camera) * kCameraPartials;
      for (int i = 0; i < kCameraPartials; ++i) total[i] += partial[i];
    }
    write_camera_gradient(total, v_viewmats + 16 * camera, v_Ks == nullptr ? nullptr : v_Ks + 9 * camera);
  }
}

SPLATKIT_ISA_END
