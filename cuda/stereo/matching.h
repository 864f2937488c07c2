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

// Where a source shows a pixel, and the least it could cost there.
struct SourceView {
  float u, v;  // px
  float cost;  // 1 - ZNCC, in [0, 2]; kWorstCost also where the source does not see the pixel
  bool seen;
};

// Compares the window around (x, y), carried by the plane into the source. `noise` is a variance that counts as unknown: without it flat
// windows would be compared by their noise.
template <class V>
SPLATKIT_HD SourceView correlate(const Patch& patch, const StereoSource& source, const Plane& plane, float x, float y, float noise) {
  float H[9], at[3];
  const float weights[3] = {plane.x, plane.y, plane.constant};
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) H[3 * row + column] = source.A[3 * row + column] + source.b[row] * weights[column];
    at[row] = H[3 * row] * x + H[3 * row + 1] * y + H[3 * row + 2];
  }
  const SourceView unseen = {0, 0, kWorstCost, false};
  if (!(at[2] > 1e-9f)) return unseen;
  const float inverse = 1 / at[2], u0 = at[0] * inverse, v0 = at[1] * inverse;
  const float right = static_cast<float>(source.image.width - 1), bottom = static_cast<float>(source.image.height - 1);
  if (!(u0 >= 0 && v0 >= 0 && u0 <= right && v0 <= bottom)) return unseen;
  const float taper_x = H[6] * inverse, taper_y = H[7] * inverse;
  if (!((abs(taper_x) + abs(taper_y)) * 5 < kMostTaper)) return unseen;
  // Derivatives of the source's pixel at the window's middle.
  const float u_x = H[0] * inverse - u0 * taper_x, u_y = H[1] * inverse - u0 * taper_y;
  const float v_x = H[3] * inverse - v0 * taper_x, v_y = H[4] * inverse - v0 * taper_y;
  using Loader = SampleLoader<V>;
  const V zero(0.f), one(1.f), last_column(right), last_row(bottom);
  const auto width = static_cast<uint32_t>(source.image.width);
  const auto part = [&](int first) -> WindowSums<V> {
    const V dx = Loader::columns(first), dy = Loader::rows(first);
    // 1 / (1 + taper) by its first terms: off by taper^3.
    const V taper = V(taper_x) * dx + V(taper_y) * dy;
    const V scale = one + taper * (taper - one);
    const V u = min(max(V(u0) + (V(u_x) * dx + V(u_y) * dy) * scale, zero), last_column);
    const V v = min(max(V(v0) + (V(v_x) * dx + V(v_y) * dy) * scale, zero), last_row);
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
  return {u0, v0, min(max(cost, 0.f), kWorstCost), true};
}

// Distance in the reference, px, between the pixel and where the source's own surface, seen along the same ray of the source, comes back
// to; at most `limit`, which also says that the source has no surface there.
SPLATKIT_HD float consistency_error(const StereoSource& source, const SourceView& view, float x, float y, float limit) {
  if (!view.seen || source.planes == nullptr) return limit;
  const Plane surface = load_plane(source.planes, int64_t(view.v + 0.5f) * source.image.width + int64_t(view.u + 0.5f));
  const float inverse_depth = surface.at(view.u, view.v);
  if (!(inverse_depth > 0)) return limit;
  float back[3];
  for (int i = 0; i < 3; ++i) {
    back[i] =
        source.back_A[3 * i] * view.u + source.back_A[3 * i + 1] * view.v + source.back_A[3 * i + 2] + source.back_b[i] * inverse_depth;
  }
  if (!(back[2] > 1e-9f)) return limit;
  const float inverse = 1 / back[2], du = back[0] * inverse - x, dv = back[1] * inverse - y;
  return min(sqrt(du * du + dv * dv), limit);
}

SPLATKIT_ISA_END
