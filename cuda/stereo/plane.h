// Planes as they are seen: inverse z-depth is linear in pixels, 1 / z = x * column + y * row + constant. A neighbor's plane is taken over as
// it is.
#pragma once
#include <cstdint>

#include "common/scalar_math.h"
#include "include/splatkit_photographs.h"

SPLATKIT_ISA_BEGIN

constexpr float kLeastCosine = 0.05f;  // between ray and normal: surfaces seen at more than 87 degrees are not looked for

struct Plane {
  float x, y, constant;
  SPLATKIT_HD float at(float column, float row) const { return x * column + y * row + constant; }
};

SPLATKIT_HD Plane load_plane(const float* planes, int64_t pixel) {
  return {planes[3 * pixel], planes[3 * pixel + 1], planes[3 * pixel + 2]};
}
SPLATKIT_HD void store_plane(float* planes, int64_t pixel, const Plane& plane) {
  planes[3 * pixel] = plane.x, planes[3 * pixel + 1] = plane.y, planes[3 * pixel + 2] = plane.constant;
}

// A vector of the camera's frame.
struct Direction {
  float x, y, z;
  SPLATKIT_HD float dot(const Direction& other) const { return x * other.x + y * other.y + z * other.z; }
};

SPLATKIT_HD Direction ray_of(const StereoCamera& camera, float column, float row) {
  return {(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, 1};
}

// Along the plane's normal, away from the camera; its product with a ray is the inverse depth there.
SPLATKIT_HD Direction gradient_of(const StereoCamera& camera, const Plane& plane) {
  return {plane.x * camera.fx, plane.y * camera.fy, plane.constant + plane.x * camera.cx + plane.y * camera.cy};
}

// The plane of a direction, not necessarily normalized, with an inverse depth at a pixel whose ray is given.
SPLATKIT_HD Plane plane_of(const StereoCamera& camera, const Direction& away, const Direction& ray, float inverse_depth) {
  const float scale = inverse_depth / away.dot(ray);
  const float x = away.x * scale / camera.fx, y = away.y * scale / camera.fy;
  return {x, y, away.z * scale - x * camera.cx - y * camera.cy};
}

// Whether it is in the range of depths and not seen from behind or from the side.
SPLATKIT_HD bool is_admissible(const StereoMatching& job, const Plane& plane, float column, float row) {
  const float inverse_depth = plane.at(column, row);
  if (!(inverse_depth >= job.least_inverse && inverse_depth <= job.most_inverse)) return false;
  const Direction away = gradient_of(job.camera, plane), ray = ray_of(job.camera, column, row);
  return inverse_depth > kLeastCosine * sqrt(away.dot(away) * ray.dot(ray));
}

SPLATKIT_ISA_END
