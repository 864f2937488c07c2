// The window of a pixel: 32 of the 121 pixels around it, every other one of an 11 x 11 square without its corners.
// All arithmetic of stereo is rounded operation by operation (compiled without fused multiply-adds) and sums have one order, so that every
// instruction set, a GPU and its emulator find the same bits: the search compares costs, and a last bit would send it elsewhere.
#pragma once
#include <cstdint>

#include "common/lane_integers.h"
#include "common/scalar_math.h"
#include "include/splatkit_photographs.h"

SPLATKIT_ISA_BEGIN

// Place of a sample relative to the pixel: rows of 4, 6, 6, 6, 6 and 4.
SPLATKIT_HD int sample_column(int k) { return k < 4 ? 2 * k - 3 : k < 28 ? 2 * ((k - 4) % 6) - 5 : 2 * (k - 28) - 3; }
SPLATKIT_HD int sample_row(int k) { return k < 4 ? -5 : k < 28 ? 2 * ((k - 4) / 6) - 3 : 5; }

// The window's grays by their bilateral weights, made once for a pixel and compared with every source.
struct Patch {
  alignas(64) float weights[kStereoSamples];     // sum 1
  alignas(64) float deviations[kStereoSamples];  // weight times distance from the mean
  float variance;
};

// Sums in pairs (i, i + 16), (i, i + 8) and so on: the order in which `window_sum` adds lanes.
SPLATKIT_HD float pairwise_sum(const float* values) {
  float sums[kStereoSamples / 2];
  for (int i = 0; i < 16; ++i) sums[i] = values[i] + values[i + 16];
  for (int i = 0; i < 8; ++i) sums[i] = sums[i] + sums[i + 8];
  for (int i = 0; i < 4; ++i) sums[i] = sums[i] + sums[i + 4];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

// Beyond the border the nearest pixel counts.
SPLATKIT_HD void make_patch(const StereoImage& image, const StereoWeights& weights, int x, int y, Patch& patch) {
  float grays[kStereoSamples], terms[kStereoSamples];
  const int center = image.grays[int64_t(y) * image.width + x];
  for (int k = 0; k < kStereoSamples; ++k) {
    int column = x + sample_column(k), row = y + sample_row(k);
    column = column < 0 ? 0 : column >= image.width ? image.width - 1 : column;
    row = row < 0 ? 0 : row >= image.height ? image.height - 1 : row;
    const int gray = image.grays[int64_t(row) * image.width + column];
    grays[k] = static_cast<float>(gray);
    patch.weights[k] = weights.space[k] * weights.color[gray < center ? center - gray : gray - center];
  }
  const float scale = 1 / pairwise_sum(patch.weights);
  for (int k = 0; k < kStereoSamples; ++k) {
    patch.weights[k] = patch.weights[k] * scale;
    terms[k] = patch.weights[k] * grays[k];
  }
  const float mean = pairwise_sum(terms);
  for (int k = 0; k < kStereoSamples; ++k) {
    const float difference = grays[k] - mean;
    patch.deviations[k] = patch.weights[k] * difference;
    terms[k] = patch.deviations[k] * difference;
  }
  patch.variance = pairwise_sum(terms);
}

// Lanes of a vector, or one.
template <class V>
struct LanesOf {
  static constexpr int count = V::kLanes;
};
template <>
struct LanesOf<float> {
  static constexpr int count = 1;
};

template <class V>
struct WindowSums {
  V mean, square, product;
  SPLATKIT_HD WindowSums plus(const WindowSums& other) const { return {mean + other.mean, square + other.square, product + other.product}; }
};

// The sum of part(first sample) over the window's parts of a vector each, in the order of `pairwise_sum`.
template <class V, int Parts, int Step = 1, class Part>
SPLATKIT_HD WindowSums<V> window_sum(const Part& part, int number = 0) {
  if constexpr (Step == Parts) {
    return part(number * LanesOf<V>::count);
  } else {
    return window_sum<V, Parts, 2 * Step>(part, number).plus(window_sum<V, Parts, 2 * Step>(part, number + Step));
  }
}

SPLATKIT_ISA_END
