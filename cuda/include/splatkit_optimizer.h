// The part of the native contract about optimizing splats; conventions as in splatkit_native.h.
#pragma once
#include "include/splatkit_native.h"

namespace splatkit {

constexpr int kMaxAdamGroups = 8;  // that one call takes

// One parameter of N splats, W numbers each, and the state of its Adam as torch keeps it.
struct AdamGroup {
  float* values;          // [N, W]
  const float* gradient;  // [N, W]
  float* means;           // [N, W] exp_avg
  float* squares;         // [N, W] exp_avg_sq
  const float* steps;     // [1] steps taken, this one included; on the device of the others
  int64_t width;          // W
  double rate;
};

struct AdamInput {
  int64_t splats;
  int groups;
  AdamGroup group[kMaxAdamGroups];
  double beta1, beta2, eps;
};

void adam_step_cuda(const AdamInput& input, CudaStream stream);
void adam_step(const AdamInput& input, int threads);

}  // namespace splatkit
