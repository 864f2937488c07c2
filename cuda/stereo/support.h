// How much of a pixel's own window has texture. Beside sky and white walls a window matches what lies across the edge, and the pixel would
// take that depth; such a pixel looks like the untextured ones around it.
#pragma once
#include "stereo/window.h"

SPLATKIT_ISA_BEGIN

SPLATKIT_HD float window_variance(const StereoImage& image, const StereoWeights& weights, int x, int y) {
  Patch patch;
  make_patch(image, weights, x, y, patch);
  return patch.variance;
}

// Weighted share of the window whose own windows vary by more than `least`.
SPLATKIT_HD float textured_share(const StereoImage& image, const StereoWeights& weights, const float* variances, float least, int x,
                                 int y) {
  Patch patch;
  make_patch(image, weights, x, y, patch);
  float terms[kStereoSamples];
  for (int k = 0; k < kStereoSamples; ++k) {
    int column = x + sample_column(k), row = y + sample_row(k);
    column = column < 0 ? 0 : column >= image.width ? image.width - 1 : column;
    row = row < 0 ? 0 : row >= image.height ? image.height - 1 : row;
    terms[k] = variances[int64_t(row) * image.width + column] > least ? patch.weights[k] : 0.f;
  }
  return pairwise_sum(terms);
}

SPLATKIT_ISA_END
