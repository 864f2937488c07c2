// Points go through all layers tile by tile, so that hidden activations never leave the caches; the backward pass computes them again.
#include <cstring>

#include "common/parallel.h"
#include "networks/tiny_mlp_kernels.h"

namespace splatkit {
namespace {

constexpr int64_t kMostChunks = 64;  // sums of the gradients of parameters that are kept apart, whatever the threads

// Points of a chunk.
int64_t grain_of(int64_t points) {
  const int64_t tiles = (points + kMlpTile - 1) / kMlpTile;
  return (tiles + kMostChunks - 1) / kMostChunks * kMlpTile;
}

int64_t chunks_of(int64_t points) { return points == 0 ? 0 : (points + grain_of(points) - 1) / grain_of(points); }

}  // namespace

int64_t tiny_mlp_parameters(const TinyMlpLayers& layers) {
  int64_t count = 0;
  for (int l = 0; l < layers.count; ++l) count += int64_t(layers.widths[l] + 1) * layers.widths[l + 1];
  return count;
}

int64_t tiny_mlp_scratch_size(int64_t points, const TinyMlpLayers& layers) { return chunks_of(points) * tiny_mlp_parameters(layers); }

template <class Real>
void tiny_mlp(const TinyMlpInput<Real>& input, Real* outputs, int threads) {
  const auto& kernels = kernels_for<Real>(tiny_mlp_kernels());
  parallel_for(input.points, kMlpTile, threads, [&](int64_t begin, int64_t end) { kernels.forward(input, begin, end, outputs); });
}

template <class Real>
void tiny_mlp_backward(const TinyMlpInput<Real>& input, const Real* v_outputs, Real* scratch, Real* v_features, Real* v_parameters,
                       int threads) {
  const auto& kernels = kernels_for<Real>(tiny_mlp_kernels());
  const int64_t parameters = tiny_mlp_parameters(input.layers), chunks = chunks_of(input.points);
  if (chunks > 0) {
    const int64_t grain = grain_of(input.points);
    parallel_for(input.points, grain, threads, [&](int64_t begin, int64_t end) {
      Real* part = scratch + begin / grain * parameters;
      std::memset(part, 0, sizeof(Real) * parameters);
      kernels.backward(input, begin, end, v_outputs, v_features, part);
    });
  }
  for (int64_t i = 0; i < parameters; ++i) {
    double total = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) total += scratch[chunk * parameters + i];
    v_parameters[i] = static_cast<Real>(total);
  }
}

template void tiny_mlp(const TinyMlpInput<float>&, float*, int);
template void tiny_mlp(const TinyMlpInput<double>&, double*, int);
template void tiny_mlp_backward(const TinyMlpInput<float>&, const float*, float*, float*, float*, int);
template void tiny_mlp_backward(const TinyMlpInput<double>&, const double*, double*, double*, double*, int);

}  // namespace splatkit
