// Random numbers that depend on what they are for and on nothing else: a hash of seed, pixel and sweep.
#pragma once
#include <cstdint>

#include "stereo/plane.h"

SPLATKIT_ISA_BEGIN

class Random {
 public:
  SPLATKIT_HD Random(uint32_t seed, uint32_t pixel, uint32_t sweep)
      : state_(mixed(seed * 0x9e3779b9u ^ mixed(pixel * 0x85ebca6bu ^ mixed(sweep + 0xc2b2ae35u)))) {}

  // In [0, 1).
  SPLATKIT_HD float share() {
    state_ += 0x9e3779b9u;
    return static_cast<float>(mixed(state_) >> 8) * (1.f / 16777216.f);
  }
  // In [-1, 1).
  SPLATKIT_HD float either_way() { return 2 * share() - 1; }
  // In [2^low, 2^(low + octaves)), about as many in each octave.
  SPLATKIT_HD float of_octaves(int low, int octaves) {
    const float power = share() * static_cast<float>(octaves);
    const int whole = static_cast<int>(power);
    float scale = 1;
    for (int i = 0; i < whole; ++i) scale = scale * 2;
    for (int i = 0; i < -low; ++i) scale = scale * 0.5f;
    return scale * (1 + (power - static_cast<float>(whole)));
  }
  // A direction away from the camera at a ray.
  SPLATKIT_HD Direction away(const Direction& ray) {
    Direction found = {0, 0, 1};
    for (int tries = 0; tries < 8; ++tries) {
      const Direction tried = {either_way(), either_way(), either_way()};
      const float square = tried.dot(tried);
      if (square > 1 || square < 1e-4f) continue;
      found = tried;
      break;
    }
    if (found.dot(ray) < 0) found = {-found.x, -found.y, -found.z};
    return found;
  }

 private:
  static SPLATKIT_HD uint32_t mixed(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
  }

  uint32_t state_;
};

SPLATKIT_ISA_END
