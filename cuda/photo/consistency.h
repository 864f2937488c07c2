// How photographs agree on a surface: windows of samples, normalized photographs, and one robust Gauss-Newton step along the normals.
// One sample at a time, its photographs side by side. Three steps, for each reads what the one before left of a window's other samples.
#pragma once
#include "common/device_math.h"
#include "common/scalar_math.h"
#include "include/splatkit_photographs.h"

SPLATKIT_ISA_BEGIN

constexpr float kLeastGain = 0.5f, kMostGain = 2;  // of a photograph's contrast toward the mean
constexpr float kSeenShare = 0.5f;                 // of the window's weight, of a photograph that takes part
constexpr float kLeastVote = 0.02f;                // of a photograph that counts
constexpr float kTiny = 1e-6f;

// Photographs that are worked on at once, and sums over all of them. A lane policy says which:
// V: values of some photographs; first(), kStep: where these begin and how far it is to the next ones; load, store; total: over all lanes.

template <class Lanes>
SPLATKIT_HD float mean_of(float weighted, float weights) {
  return weighted / max(weights, kTiny);
}

// Step 1: each photograph at zero mean, and at the mean contrast of all; squared residuals from the mean photograph.
template <class Lanes>
SPLATKIT_HD void normalize_sample(const PhotoConsistency& job, const PhotoScratch& scratch, int64_t s) {
  using V = typename Lanes::V;
  const int64_t row = s * job.photographs;
  V contrasts = V(0.f), voters = V(0.f);
  for (int k = Lanes::first(); k < job.photographs; k += Lanes::kStep) {
    V share = V(0.f), mean = V(0.f), square = V(0.f), slope = V(0.f);
    for (int64_t m = job.starts[s]; m < job.starts[s + 1]; ++m) {
      const int64_t other = int64_t(job.members[m]) * job.photographs + k;
      const V seen = select(Lanes::load(job.cosines + other) > V(0.f), V(job.weights[m]), V(0.f));
      const V gray = Lanes::load(job.grays + other);
      share = share + seen, mean = mean + seen * gray, square = square + seen * gray * gray;
      slope = slope + seen * Lanes::load(job.slopes + other);
    }
    const V scale = V(1.f) / max(share, V(kTiny));
    mean = mean * scale;
    const V deviation = sqrt(max(square * scale - mean * mean, V(0.f)) + V(job.noise * job.noise));
    const V vote = select(share > V(kSeenShare), Lanes::load(job.cosines + row + k), V(0.f));
    contrasts = contrasts + vote * deviation, voters = voters + vote;
    Lanes::store(scratch.values + row + k, Lanes::load(job.grays + row + k) - mean);
    Lanes::store(scratch.rates + row + k, Lanes::load(job.slopes + row + k) - slope * scale);
    Lanes::store(scratch.votes + row + k, vote);
    Lanes::store(scratch.squares + row + k, deviation);
  }
  const float total = Lanes::total(voters), contrast = mean_of<Lanes>(Lanes::total(contrasts), total);
  V sums = V(0.f);
  for (int k = Lanes::first(); k < job.photographs; k += Lanes::kStep) {
    const V gain = min(max(V(contrast) / Lanes::load(scratch.squares + row + k), V(kLeastGain)), V(kMostGain));
    const V value = Lanes::load(scratch.values + row + k) * gain;
    Lanes::store(scratch.values + row + k, value);
    Lanes::store(scratch.rates + row + k, Lanes::load(scratch.rates + row + k) * gain);
    sums = sums + Lanes::load(scratch.votes + row + k) * value;
  }
  const V mean = V(mean_of<Lanes>(Lanes::total(sums), total));
  for (int k = Lanes::first(); k < job.photographs; k += Lanes::kStep) {
    const V residual = Lanes::load(scratch.values + row + k) - mean;
    Lanes::store(scratch.squares + row + k, select(Lanes::load(scratch.votes + row + k) > V(0.f), residual * residual, V(0.f)));
  }
  Lanes::store_one(scratch.contrasts + s, contrast);
}

// Step 2: photographs that disagree within the window lose their votes (Geman and McClure); the sample's terms of the step.
template <class Lanes>
SPLATKIT_HD void judge_sample(const PhotoConsistency& job, const PhotoScratch& scratch, int64_t s) {
  using V = typename Lanes::V;
  const int64_t row = s * job.photographs;
  const float contrast = job.outlier_share * scratch.contrasts[s];
  const V scale = V(1 / (job.outlier * job.outlier + contrast * contrast));
  V votes = V(0.f), values = V(0.f), rates = V(0.f), counted = V(0.f);
  for (int k = Lanes::first(); k < job.photographs; k += Lanes::kStep) {
    V share = V(0.f), error = V(0.f);
    for (int64_t m = job.starts[s]; m < job.starts[s + 1]; ++m) {
      const int64_t other = int64_t(job.members[m]) * job.photographs + k;
      share = share + select(Lanes::load(job.cosines + other) > V(0.f), V(job.weights[m]), V(0.f));
      error = error + V(job.weights[m]) * Lanes::load(scratch.squares + other);
    }
    const V doubt = V(1.f) + error / max(share, V(kTiny)) * scale;
    const V vote = Lanes::load(scratch.votes + row + k) / (doubt * doubt);
    Lanes::store(scratch.votes + row + k, vote);
    votes = votes + vote, values = values + vote * Lanes::load(scratch.values + row + k);
    rates = rates + vote * Lanes::load(scratch.rates + row + k);
    counted = counted + select(vote > V(kLeastVote), V(1.f), V(0.f));
  }
  const float total = Lanes::total(votes), count = Lanes::total(counted);
  const V value_mean = V(mean_of<Lanes>(Lanes::total(values), total)), rate_mean = V(mean_of<Lanes>(Lanes::total(rates), total));
  V curvature = V(0.f), gradient = V(0.f), left = V(0.f), whole = V(0.f);
  for (int k = Lanes::first(); k < job.photographs; k += Lanes::kStep) {
    const V vote = Lanes::load(scratch.votes + row + k), value = Lanes::load(scratch.values + row + k);
    const V residual = value - value_mean, rate = Lanes::load(scratch.rates + row + k) - rate_mean;
    curvature = curvature + vote * rate * rate, gradient = gradient + vote * rate * residual;
    left = left + vote * residual * residual, whole = whole + vote * value * value;
  }
  const float agreed = count >= 2 ? 1.f : 0.f;  // of a single photograph nothing can be said
  float* terms = scratch.terms + s * kPhotoTerms;
  const float found[kPhotoTerms] = {Lanes::total(curvature) * agreed,
                                    Lanes::total(gradient) * agreed,
                                    Lanes::total(left) * agreed,
                                    Lanes::total(whole) * agreed,
                                    total * agreed,
                                    count};
  for (int i = 0; i < kPhotoTerms; ++i) Lanes::store_one(terms + i, found[i]);
}

// Step 3: the terms of a window together. out: gradient and curvature of half the squared residuals over their variance, correlation,
// number of photographs.
SPLATKIT_HD void conclude_sample(const PhotoConsistency& job, const PhotoScratch& scratch, int64_t s, float* out) {
  float sums[kPhotoTerms - 1] = {}, squares = 0;
  for (int64_t m = job.starts[s]; m < job.starts[s + 1]; ++m) {
    const float weight = job.weights[m];
    const float* terms = scratch.terms + int64_t(job.members[m]) * kPhotoTerms;
    for (int i = 0; i < kPhotoTerms - 1; ++i) sums[i] = sums[i] + weight * terms[i];
    squares = squares + weight * weight;
  }
  const float variance = sums[2] / max(sums[4], kTiny) + job.noise * job.noise / 4;
  const float information = 1 / (max(squares, kTiny) * variance);  // a window has so many samples as are alike in weight
  out[0] = sums[1] * information;
  out[1] = sums[0] * information;
  out[2] = 1 - sums[2] / max(sums[3], kTiny);
  out[3] = scratch.terms[s * kPhotoTerms + kPhotoTerms - 1];
}

SPLATKIT_ISA_END
