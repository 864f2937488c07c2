// Sums gradients of cameras over splats: one partial sum a chunk of splats, added in chunk order, so that the number of threads
// does not change a bit.
#pragma once
#include <cstdint>
#include <cstring>

namespace splatkit {

constexpr int64_t kSplatGrain = 1024;  // splats a chunk
constexpr int kCameraPartials = 16;    // rotation 9, translation 3, fx, fy, cx, cy

inline int64_t splat_chunks(int64_t splats) { return (splats + kSplatGrain - 1) / kSplatGrain; }

// partials: [chunks][cameras][kCameraPartials]. v_Ks may be null.
template <class Real>
void sum_camera_partials(const double* partials, int64_t cameras, int64_t splats, Real* v_viewmats, Real* v_Ks) {
  for (int64_t camera = 0; camera < cameras; ++camera) {
    double total[kCameraPartials] = {0};
    for (int64_t chunk = 0; chunk < splat_chunks(splats); ++chunk) {
      const double* partial = partials + (chunk * cameras + camera) * kCameraPartials;
      for (int i = 0; i < kCameraPartials; ++i) total[i] += partial[i];
    }
    Real* v_viewmat = v_viewmats + 16 * camera;
    for (int i = 0; i < 16; ++i) v_viewmat[i] = 0;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) v_viewmat[4 * i + j] = static_cast<Real>(total[3 * i + j]);
      v_viewmat[4 * i + 3] = static_cast<Real>(total[9 + i]);
    }
    if (v_Ks == nullptr) continue;
    Real* v_K = v_Ks + 9 * camera;
    for (int i = 0; i < 9; ++i) v_K[i] = 0;
    v_K[0] = static_cast<Real>(total[12]), v_K[4] = static_cast<Real>(total[13]);
    v_K[2] = static_cast<Real>(total[14]), v_K[5] = static_cast<Real>(total[15]);
  }
}

}  // namespace splatkit
