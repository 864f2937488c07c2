// Loops over the points of one level, of one instruction set.
#pragma once
#include "common/instruction_set.h"
#include "include/splatkit_native.h"

namespace splatkit {

constexpr int kEncodingBlock = 128;  // points whose indices and weights are found before their features are fetched

// Positions, tangents and gradients of positions axis by axis: [3, dims, stride], the stride a multiple of kEncodingBlock.
template <class Real>
struct StagedPoints {
  const Real *positions, *tangents;
  Real* v_positions;
  int64_t stride;
};

template <class Real>
struct EncodingKernels {
  // Each works on points begin to end of a level; begin is a multiple of kEncodingBlock.
  void (*gather)(const EncodingInput<Real>&, const StagedPoints<Real>&, int level, int64_t begin, int64_t end, const void* table, TableType,
                 Real* features);
  void (*scatter)(const EncodingInput<Real>&, const StagedPoints<Real>&, int level, int64_t begin, int64_t end, const Real* v_features,
                  Real* v_table);
  void (*pull)(const EncodingInput<Real>&, const StagedPoints<Real>&, int level, int64_t begin, int64_t end, const void* table, TableType,
               const Real* v_features);  // adds to staged v_positions
};

struct EncodingKernelSet {
  EncodingKernels<float> for_float;
  EncodingKernels<double> for_double;
};

SPLATKIT_KERNEL_SETS(EncodingKernelSet, encoding_kernels)

}  // namespace splatkit
