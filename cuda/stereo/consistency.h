// Do other views that found a surface for themselves agree with a pixel's? Forward and backward reprojection, as in Schoenberger et al. 2016.
#pragma once
#include "stereo/plane.h"

SPLATKIT_ISA_BEGIN

constexpr float kSeesThrough = 0.02f;  // a surface farther than the point by this share of its depth, and ...
constexpr float kThroughPixels = 4;    // ... by this much parallax, px, is seen through it

// What one pixel's neighbors say. Sums in the order of the neighbors.
struct Agreement {
  float depth_sum, square_sum;  // of differences of agreeing depths from the pixel's own
  float information;            // (px per unit of depth)^2, summed over agreeing views
  int agreeing, through;        // views that agree, and that see a surface behind the point

  SPLATKIT_HD void add(const StereoConsistency& job, const StereoNeighbor& view, const Plane& plane, float x, float y) {
    const Direction ray = ray_of(job.camera, x, y), away = gradient_of(job.camera, plane);
    const float depth = 1 / plane.at(x, y);
    float turned[3], point[3], back[3];
    for (int i = 0; i < 3; ++i) {
      turned[i] = view.R[3 * i] * ray.x + view.R[3 * i + 1] * ray.y + view.R[3 * i + 2] * ray.z;
      point[i] = turned[i] * depth + view.t[i];
    }
    if (!(point[2] > 0)) return;
    const float u = view.camera.fx * point[0] / point[2] + view.camera.cx, v = view.camera.fy * point[1] / point[2] + view.camera.cy;
    if (!(u > -0.5f && v > -0.5f && u < view.width - 0.5f && v < view.height - 0.5f)) return;
    const int64_t pixel = int64_t(v + 0.5f) * view.width + int64_t(u + 0.5f);
    const Plane surface = load_plane(view.planes, pixel);
    const float inverse = surface.at(u, v), middle = surface.at(static_cast<float>(int(u + 0.5f)), static_cast<float>(int(v + 0.5f)));
    if (!(middle > 0)) return;
    // d(u, v) / d(depth)
    const float gu = view.camera.fx * (turned[0] * view.t[2] - turned[2] * view.t[0]) / (point[2] * point[2]);
    const float gv = view.camera.fy * (turned[1] * view.t[2] - turned[2] * view.t[1]) / (point[2] * point[2]);
    const float slope = gu * gu + gv * gv;
    const float gap = 1 / middle - point[2];
    if (gap > kSeesThrough * point[2] && gap * gap * slope > kThroughPixels * kThroughPixels && view.costs[pixel] < job.trusted_cost)
      ++through;
    if (!(inverse > 0.8f * middle && inverse < 1.25f * middle)) return;
    for (int i = 0; i < 3; ++i) back[i] = 0;
    const float found[3] = {point[0] / point[2] / inverse - view.t[0], point[1] / point[2] / inverse - view.t[1], 1 / inverse - view.t[2]};
    for (int i = 0; i < 3; ++i) back[i] = view.R[i] * found[0] + view.R[3 + i] * found[1] + view.R[6 + i] * found[2];
    if (!(back[2] > 0)) return;
    const float du = job.camera.fx * back[0] / back[2] + job.camera.cx - x, dv = job.camera.fy * back[1] / back[2] + job.camera.cy - y;
    const float difference = back[2] - depth;
    const Direction other = gradient_of(view.camera, surface);
    const Direction facing = {view.R[0] * other.x + view.R[3] * other.y + view.R[6] * other.z,
                              view.R[1] * other.x + view.R[4] * other.y + view.R[7] * other.z,
                              view.R[2] * other.x + view.R[5] * other.y + view.R[8] * other.z};
    const float cosine = facing.dot(away) / sqrt(facing.dot(facing) * away.dot(away));
    if (!(du * du + dv * dv < job.most_pixels * job.most_pixels && abs(difference) < job.most_share * depth && cosine > job.least_cosine))
      return;
    ++agreeing;
    depth_sum = depth_sum + difference, square_sum = square_sum + difference * difference, information = information + slope;
  }
};

SPLATKIT_HD void check_pixel(const StereoConsistency& job, int64_t at, float* out) {
  const float x = static_cast<float>(at % job.width), y = static_cast<float>(at / job.width);
  const Plane plane = load_plane(job.planes, at);
  Agreement agreement = {0, 0, 0, 0, 0};
  const bool there = plane.at(x, y) > 0;
  for (int j = 0; there && j < job.neighbor_count; ++j) agreement.add(job, job.neighbors[j], plane, x, y);
  const float count = static_cast<float>(agreement.agreeing + 1), shift = agreement.depth_sum / count;
  out[0] = there ? 1 / plane.at(x, y) + shift : 0.f;
  out[1] = static_cast<float>(agreement.agreeing);
  out[2] = agreement.information;
  out[3] = sqrt(max(agreement.square_sum / count - shift * shift, 0.f));
  out[4] = static_cast<float>(agreement.through);
}

SPLATKIT_ISA_END
