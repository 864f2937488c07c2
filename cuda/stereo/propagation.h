// One pixel of PatchMatch: what its neighbors believe, which views see it, and tries around the best plane.
// Bleyer et al. 2011 (slanted planes), Galliani et al. 2015 (red and black pixels take turns), Schoenberger et al. 2016 (views chosen pixel
// by pixel, geometric consistency), Xu and Tao 2019 (far neighbors by cost, views by votes of the hypotheses).
#pragma once
#include "stereo/matching.h"
#include "stereo/random.h"

SPLATKIT_ISA_BEGIN

constexpr int kRegions = 8;  // of neighbors: each proposes its best
constexpr int kHypotheses = kRegions + 1;
constexpr float kUnset = 1e9f;
constexpr float kFlat = 0.25f;       // variance of a window in which there is nothing to match
constexpr float kSamePlane = 0.05f;  // px over the window: planes nearer than that are one
constexpr float kBadCost = 1.2f;     // a view in which several planes cost more does not see the pixel
constexpr float kUnsure = 0.2f;      // where the best plane costs more, planes from anywhere are tried too

// The planes of the neighborhood, without repetitions.
struct Hypotheses {
  Plane planes[kHypotheses];
  int votes[kHypotheses];  // how many neighbors have it
  int count = 0;

  // `parallax`: px a unit of inverse depth.
  SPLATKIT_HD void add(const Plane& plane, float x, float y, float parallax) {
    for (int i = 0; i < count; ++i) {
      const float apart = abs(plane.at(x, y) - planes[i].at(x, y)) + 5 * (abs(plane.x - planes[i].x) + abs(plane.y - planes[i].y));
      if (apart * parallax < kSamePlane) {
        ++votes[i];
        return;
      }
    }
    planes[count] = plane, votes[count] = 1, ++count;
  }
};

// A neighbor of the other color: number `step` of a region. Regions 0 to 3 are near and open like a V to the right, left, bottom and top;
// 4 to 7 are straight lines farther out.
SPLATKIT_HD void neighbor_of(int region, int step, int* dx, int* dy) {
  int across = 0, along = 5 + 2 * step;
  if (region < 4) along = step == 0 ? 1 : 2 + (step - 1) / 2, across = step == 0 ? 0 : (step % 2 == 1 ? 1 - along : along - 1);
  switch (region % 4) {
    case 0: *dx = along, *dy = across; return;
    case 1: *dx = -along, *dy = across; return;
    case 2: *dx = across, *dy = along; return;
    default: *dx = across, *dy = -along;
  }
}
SPLATKIT_HD int region_size(int region) { return region < 4 ? 7 : 9; }

SPLATKIT_HD void gather_hypotheses(const StereoMatching& job, const StereoState& state, int x, int y, float parallax, Hypotheses& found) {
  const Plane own = load_plane(state.planes, int64_t(y) * job.image.width + x);
  const float column = static_cast<float>(x), row = static_cast<float>(y);
  if (is_admissible(job, own, column, row)) found.add(own, column, row, parallax);
  for (int region = 0; region < kRegions; ++region) {
    float least = kUnset;
    int64_t from = -1;
    for (int step = 0; step < region_size(region); ++step) {
      int dx, dy;
      neighbor_of(region, step, &dx, &dy);
      if (x + dx < 0 || y + dy < 0 || x + dx >= job.image.width || y + dy >= job.image.height) continue;
      const int64_t at = int64_t(y + dy) * job.image.width + x + dx;
      if (state.costs[at] < least) least = state.costs[at], from = at;
    }
    if (from < 0) continue;
    const Plane plane = load_plane(state.planes, from);
    if (is_admissible(job, plane, column, row)) found.add(plane, column, row, parallax);
  }
}

// What a source makes of a plane.
template <class V>
SPLATKIT_HD float source_cost(const StereoMatching& job, const Patch& patch, int source, const Plane& plane, float x, float y) {
  const SourceView view = correlate<V>(patch, job.sources[source], plane, x, y, job.noise);
  if (job.geometric_weight == 0) return view.cost;
  return view.cost + job.geometric_weight * consistency_error(job.sources[source], view, x, y, job.geometric_limit);
}

// Weights of the sources, sum 1: those in which several hypotheses match and few do not. A source that neighbors use counts more.
struct ViewWeights {
  float at[kMaxStereoSources];
  uint32_t used = 0;  // a bit a source

  SPLATKIT_HD float parallax(const StereoMatching& job) const {
    float sum = 0;
    for (int j = 0; j < job.source_count; ++j) sum = sum + at[j] * job.sources[j].parallax;
    return sum;
  }
};

// The sources that a pixel used before, all alike.
SPLATKIT_HD ViewWeights equal_weights(const StereoMatching& job, uint32_t used) {
  ViewWeights weights;
  int count = 0;
  for (int j = 0; j < job.source_count; ++j) count += (used >> j) & 1;
  for (int j = 0; j < job.source_count; ++j) weights.at[j] = (used >> j) & 1 ? 1 / static_cast<float>(count) : 0.f;
  weights.used = used;
  return weights;
}

// Which sources the four neighbors use, as shares.
SPLATKIT_HD void neighbor_shares(const StereoMatching& job, const StereoState& state, int x, int y, float* shares) {
  int counts[kMaxStereoSources] = {0}, neighbors = 0;
  const int width = job.image.width;
  for (int side = 0; side < 4; ++side) {
    const int column = x + (side == 0) - (side == 1), row = y + (side == 2) - (side == 3);
    if (column < 0 || row < 0 || column >= width || row >= job.image.height) continue;
    const uint32_t views = state.views[int64_t(row) * width + column];
    for (int j = 0; j < job.source_count; ++j) counts[j] += (views >> j) & 1;
    ++neighbors;
  }
  for (int j = 0; j < job.source_count; ++j) shares[j] = neighbors ? static_cast<float>(counts[j]) / static_cast<float>(neighbors) : 0.f;
}

// The two sources (or the one) with the least cost get all weight.
SPLATKIT_HD ViewWeights best_two(const StereoMatching& job, const float* costs) {
  int first = 0, second = -1;
  for (int j = 1; j < job.source_count; ++j) {
    if (costs[j] < costs[first]) first = j;
  }
  for (int j = 0; j < job.source_count; ++j) {
    if (j != first && (second < 0 || costs[j] < costs[second])) second = j;
  }
  ViewWeights weights;
  for (int j = 0; j < job.source_count; ++j) {
    const bool chosen = j == first || j == second;
    weights.at[j] = chosen ? (second < 0 ? 1.f : 0.5f) : 0.f;
    weights.used |= static_cast<uint32_t>(chosen) << j;
  }
  return weights;
}

// costs [hypotheses][kMaxStereoSources].
SPLATKIT_HD ViewWeights vote(const StereoMatching& job, const Hypotheses& found, const float (*costs)[kMaxStereoSources], float good_cost,
                             const float* shares) {
  ViewWeights weights;
  float sum = 0, least[kMaxStereoSources];
  for (int j = 0; j < job.source_count; ++j) {
    int good = 0, bad = 0;
    float trust = 0;
    least[j] = kUnset;
    for (int i = 0; i < found.count; ++i) {
      const float cost = costs[i][j];
      least[j] = min(least[j], cost);
      if (cost < good_cost) {
        const float part = max(1 - cost * cost * (1 / 0.81f), 0.f);  // falls as a Gaussian of sigma 0.3 does
        good += found.votes[i], trust = trust + static_cast<float>(found.votes[i]) * (part * part * part);
      } else if (cost > kBadCost) {
        bad += found.votes[i];
      }
    }
    const bool sees = good > 2 && bad < 3;
    weights.at[j] = sees ? trust / static_cast<float>(good) * (0.5f + 0.5f * shares[j]) : 0.f;
    sum = sum + weights.at[j];
  }
  if (!(sum > 0)) return best_two(job, least);
  for (int j = 0; j < job.source_count; ++j) {
    weights.at[j] = weights.at[j] / sum;
    weights.used |= static_cast<uint32_t>(weights.at[j] > 0) << j;
  }
  return weights;
}

// The weighted cost of a plane; ends early, above `limit`, once it cannot be less.
template <class V>
SPLATKIT_HD float weighted_cost(const StereoMatching& job, const Patch& patch, const ViewWeights& weights, const Plane& plane, float x,
                                float y, float limit) {
  float sum = 0;
  for (int j = 0; j < job.source_count && sum < limit; ++j) {
    if (weights.at[j] > 0) sum = sum + weights.at[j] * source_cost<V>(job, patch, j, plane, x, y);
  }
  return sum;
}

// A try near a plane, or anywhere: 0 depth, 1 normal, 2 both, 3 any depth, 4 any normal.
SPLATKIT_HD Plane varied(const StereoMatching& job, const Plane& plane, int kind, const Direction& ray, float x, float y, float parallax,
                         Random& random) {
  float inverse_depth = plane.at(x, y);
  Direction away = gradient_of(job.camera, plane);
  if (kind == 0 || kind == 2) {
    const float pixels = random.of_octaves(-5, 7);  // 1/32 to 4 px
    inverse_depth = inverse_depth + (random.share() < 0.5f ? -pixels : pixels) / parallax;
  } else if (kind == 3) {
    inverse_depth = job.least_inverse + random.share() * (job.most_inverse - job.least_inverse);
  }
  if (kind == 1 || kind == 2) {
    const float radians = random.of_octaves(-7, 6) * sqrt(away.dot(away));  // 0.4 to 29 degrees
    away.x = away.x + radians * random.either_way();
    away.y = away.y + radians * random.either_way();
    away.z = away.z + radians * random.either_way();
  } else if (kind == 4) {
    away = random.away(ray);
  }
  return plane_of(job.camera, away, ray, inverse_depth);
}

SPLATKIT_HD bool is_textured(const StereoMatching& job, const Patch& patch, int x, int y) {
  return job.usable[int64_t(y) * job.image.width + x] != 0 && patch.variance >= kFlat;
}

SPLATKIT_HD void give_up(const StereoState& state, int64_t at) { state.costs[at] = kWorstCost, state.views[at] = 0; }

// The first look at a pixel: judges the plane that is given, or one from anywhere in place of zeros.
template <class V>
SPLATKIT_HD void start_pixel(const StereoMatching& job, const StereoState& state, int x, int y) {
  const int64_t at = int64_t(y) * job.image.width + x;
  const float column = static_cast<float>(x), row = static_cast<float>(y);
  const Direction ray = ray_of(job.camera, column, row);
  Plane plane = load_plane(state.planes, at);
  if (!is_admissible(job, plane, column, row)) {
    Random random(job.seed, static_cast<uint32_t>(at), 0xffffffffu);
    const float inverse_depth = job.least_inverse + random.share() * (job.most_inverse - job.least_inverse);
    plane = plane_of(job.camera, random.away(ray), ray, inverse_depth);
    if (!is_admissible(job, plane, column, row)) plane = {0, 0, 0};  // none: neighbors will propose some
    store_plane(state.planes, at, plane);
  }
  Patch patch;
  make_patch(job.image, job.weights, x, y, patch);
  if (!is_textured(job, patch, x, y) || !is_admissible(job, plane, column, row)) return give_up(state, at);
  float costs[kMaxStereoSources], sum = 0;
  for (int j = 0; j < job.source_count; ++j) costs[j] = source_cost<V>(job, patch, j, plane, column, row);
  const ViewWeights weights = best_two(job, costs);
  for (int j = 0; j < job.source_count; ++j) sum = sum + weights.at[j] * costs[j];
  state.costs[at] = sum, state.views[at] = static_cast<uint8_t>(weights.used);
}

template <class V>
SPLATKIT_HD void improve_pixel(const StereoMatching& job, const StereoState& state, int x, int y, const StereoSweep& sweep) {
  const int64_t at = int64_t(y) * job.image.width + x;
  const float column = static_cast<float>(x), row = static_cast<float>(y);
  Patch patch;
  make_patch(job.image, job.weights, x, y, patch);
  if (!is_textured(job, patch, x, y)) return give_up(state, at);
  Hypotheses found;
  gather_hypotheses(job, state, x, y, job.parallax, found);
  if (found.count == 0) return give_up(state, at);
  Plane best = found.planes[0];
  float least = kUnset;
  ViewWeights weights;
  if (sweep.votes || state.views[at] == 0) {
    float costs[kHypotheses][kMaxStereoSources], shares[kMaxStereoSources];
    for (int i = 0; i < found.count; ++i) {
      for (int j = 0; j < job.source_count; ++j) costs[i][j] = source_cost<V>(job, patch, j, found.planes[i], column, row);
    }
    neighbor_shares(job, state, x, y, shares);
    weights = vote(job, found, costs, sweep.good_cost, shares);
    for (int i = 0; i < found.count; ++i) {
      float sum = 0;
      for (int j = 0; j < job.source_count; ++j) sum = sum + weights.at[j] * costs[i][j];
      if (sum < least) least = sum, best = found.planes[i];
    }
  } else {
    weights = equal_weights(job, state.views[at]);
    for (int i = 0; i < found.count; ++i) {
      const float sum = weighted_cost<V>(job, patch, weights, found.planes[i], column, row, least);
      if (sum < least) least = sum, best = found.planes[i];
    }
  }
  Random random(job.seed, static_cast<uint32_t>(at), static_cast<uint32_t>(sweep.number));
  const Direction ray = ray_of(job.camera, column, row);
  const float parallax = weights.parallax(job);
  const int tries = least > kUnsure ? 5 : 3;
  for (int kind = 0; kind < tries; ++kind) {
    const Plane tried = varied(job, best, kind, ray, column, row, parallax, random);
    if (!is_admissible(job, tried, column, row)) continue;
    const float cost = weighted_cost<V>(job, patch, weights, tried, column, row, least);
    if (cost < least) least = cost, best = tried;
  }
  store_plane(state.planes, at, best);
  state.costs[at] = least, state.views[at] = static_cast<uint8_t>(weights.used);
}

SPLATKIT_ISA_END
