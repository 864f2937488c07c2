// Small perceptrons on a range of points, of one instruction set.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

constexpr int kMlpTile = 256;  // points whose activations are held at a time: those of a layer of 64 stay in the nearer caches

template <class Real>
struct TinyMlpKernels {
  void (*forward)(const TinyMlpInput<Real>&, int64_t begin, int64_t end, Real* outputs);
  // v_parameters: of these points alone. v_features may be null.
  void (*backward)(const TinyMlpInput<Real>&, int64_t begin, int64_t end, const Real* v_outputs, Real* v_features, Real* v_parameters);
};

struct TinyMlpKernelSet {
  TinyMlpKernels<float> for_float;
  TinyMlpKernels<double> for_double;
};

SPLATKIT_KERNEL_SETS(TinyMlpKernelSet, tiny_mlp_kernels)

}  // namespace splatkit
