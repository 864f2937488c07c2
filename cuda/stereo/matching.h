// How well a plane through a pixel explains a source view: normalized correlation of both windows, and agreement with the surface that the
// source found for itself.
#pragma once
#include "stereo/plane.h"
#include "stereo/window.h"

SPLATKIT_ISA_BEGIN

constexpr float kWorstCost = 2;
constexpr float kMostTaper = 0.5f;  // how much nearer or farther than its middle a window's corner may be, as a share

// What a vector of samples needs from memory; `float` takes one sample at a time.
template <class V>
struct SampleLoader {
  static SPLATKIT_HD V columns(int first) { return static_cast<float>(sample_column(first)); }
  static SPLATKIT_HD V rows(int first) { return static_cast<float>(sample_row(first)); }
  static SPLATKIT_HD V values(const float* from) { return *from; }
  static SPLATKIT_HD uint32_t words(const uint32_t* packed, uint32_t index) { return packed[index]; }
  static SPLATKIT_HD float total(V value) { return value; }
};

// 1 - ZNCC of the window around (x, y), carried by the plane into the source, in [0, 2]. `noise` is a variance that counts as unknown:
// without it flat windows would be compared by their noise.
template <class V>
SPLATKIT_HD float correlation_cost(const Patch& patch, const StereoSource& source, const Plane& plane, float x, float y, float noise) {
  float H[9], at[3];
  const float weights[3] = {plane.x, plane.y, plane.constant};
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) H[3 * row + column] = source.A[3 * row + column] + source.b[row] * weights[column];
    at[row] = H[3 * row] * x + H[3 * row + 1] * y + H[3 * row + 2];
  }
  if (!(at[2] > 1e-9f)) return kWorstCost;
  const float inverse = 1 / at[2], u0 = at[0] * inverse, v0 = at[1] * inverse;
  const float right = static_cast<float>(source.image.width - 1), bottom = static_cast<float>(source.image.height - 1);
  if (!(u0 >= 0 && v0 >= 0 && u0 <= right && v0 <= bottom)) return kWorstCost;
  for (int k = 0; k < 9; ++k) H[k] = H[k] * inverse;
  if (!((abs(H[6]) + abs(H[7])) * 5 < kMostTaper)) return kWorstCost;
  using Loader = SampleLoader<V>;
  const V zero(0.f), one(1.f), last_column(right), last_row(bottom);
  const auto width = static_cast<uint32_t>(source.image.width);
  const auto part = [&](int first) -> WindowSums<V> {
    const V dx = Loader::columns(first), dy = Loader::rows(first);
    // 1 / (1 + taper) by its first terms: off by taper^3.
    const V taper = V(H[6]) * dx + V(H[7]) * dy;
    const V scale = one + taper * (taper - one);
    const V u = min(max((V(u0) + V(H[0]) * dx + V(H[1]) * dy) * scale, zero), last_column);
    const V v = min(max((V(v0) + V(H[3]) * dx + V(H[4]) * dy) * scale, zero), last_row);
    const auto column = truncated(u), row = truncated(v);
    const V right_share = u - real_of<V>(column), lower_share = v - real_of<V>(row);
    const auto grays = Loader::words(source.packed, row * width + column);
    const V a = real_of<V>(grays & 255u), b = real_of<V>((grays >> 8) & 255u);
    const V c = real_of<V>((grays >> 16) & 255u), d = real_of<V>(grays >> 24);
    const V upper = a + right_share * (b - a), lower = c + right_share * (d - c);
    const V gray = upper + lower_share * (lower - upper);
    const V weighted = Loader::values(patch.weights + first) * gray;
    return {weighted, weighted * gray, Loader::values(patch.deviations + first) * gray};
  };
  const WindowSums<V> sums = window_sum<V, kStereoSamples / LanesOf<V>::count>(part);
  const float mean = Loader::total(sums.mean), variance = max(Loader::total(sums.square) - mean * mean, 0.f);
  const float cost = 1 - Loader::total(sums.product) / sqrt((patch.variance + noise) * (variance + noise));
  return min(max(cost, 0.f), kWorstCost);
}

// Distance in the reference, px, between the pixel and where the source's own surface, seen along the same ray of the source, comes back
// to; at most `limit`, which also says that the source has no surface there.
SPLATKIT_HD float consistency_error(const StereoCamera& camera, const StereoSource& source, const Plane& plane, float x, float y,
                                    float limit) {
  if (source.planes == nullptr) return limit;
  const float inverse_depth = plane.at(x, y);
  const float ray[3] = {(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1};
  float point[3], back[3];  // scaled by the inverse depth
  for (int i = 0; i < 3; ++i) {
    point[i] = source.R[3 * i] * ray[0] + source.R[3 * i + 1] * ray[1] + source.R[3 * i + 2] * ray[2] + source.t[i] * inverse_depth;
  }
  if (!(point[2] > 1e-9f)) return limit;
  const float u = source.camera.fx * point[0] / point[2] + source.camera.cx, v = source.camera.fy * point[1] / point[2] + source.camera.cy;
  if (!(u > -0.5f && v > -0.5f && u < source.image.width - 0.5f && v < source.image.height - 0.5f)) return limit;
  const Plane surface = load_plane(source.planes, int64_t(v + 0.5f) * source.image.width + int64_t(u + 0.5f));
  const float found = surface.at(u, v);  // inverse depth in the source
  if (!(found > 0)) return limit;
  // The source's point times its inverse depth is point / point[2]; taken back, all times `found`.
  const float moved[3] = {point[0] / point[2] - source.t[0] * found, point[1] / point[2] - source.t[1] * found, 1 - source.t[2] * found};
  for (int i = 0; i < 3; ++i) back[i] = source.R[i] * moved[0] + source.R[3 + i] * moved[1] + source.R[6 + i] * moved[2];
  if (!(back[2] > 1e-9f)) return limit;
  const float du = camera.fx * back[0] / back[2] + camera.cx - x, dv = camera.fy * back[1] / back[2] + camera.cy - y;
  return min(sqrt(du * du + dv * dv), limit);
}

SPLATKIT_ISA_END
