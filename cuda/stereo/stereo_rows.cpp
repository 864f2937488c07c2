// Compiled once per instruction set, like rasterization_tile.cpp, without fused multiply-adds. A vector holds samples of one window.
#include "common/simd_integers.h"
#include "stereo/consistency.h"
#include "stereo/propagation.h"
#include "stereo/stereo_kernels.h"
#include "stereo/support.h"

SPLATKIT_ISA_BEGIN

struct SamplePlaces {
  alignas(64) float columns[kStereoSamples];
  alignas(64) float rows[kStereoSamples];
  constexpr SamplePlaces() : columns(), rows() {
    for (int k = 0; k < kStereoSamples; ++k) {
      columns[k] = static_cast<float>(k < 4 ? 2 * k - 3 : k < 28 ? 2 * ((k - 4) % 6) - 5 : 2 * (k - 28) - 3);
      rows[k] = static_cast<float>(k < 4 ? -5 : k < 28 ? 2 * ((k - 4) / 6) - 3 : 5);
    }
  }
};
constexpr SamplePlaces kPlaces;

template <int N>
struct SampleLoader<Vec<float, N>> {
  using V = Vec<float, N>;
  static SPLATKIT_HD V columns(int first) { return load<V>(kPlaces.columns + first); }
  static SPLATKIT_HD V rows(int first) { return load<V>(kPlaces.rows + first); }
  static SPLATKIT_HD V values(const float* from) { return load<V>(from); }
  static SPLATKIT_HD float total(V value) { return sum(value); }
  static SPLATKIT_HD LaneIndex<V> words(const uint32_t* packed, LaneIndex<V> index) {
#if defined(__AVX512F__)
    if constexpr (N == 16) return (LaneIndex<V>)_mm512_i32gather_epi32((__m512i)index, packed, 4);
#elif defined(__AVX2__)
    if constexpr (N == 8) return (LaneIndex<V>)_mm256_i32gather_epi32(reinterpret_cast<const int*>(packed), (__m256i)index, 4);
#endif
    LaneIndex<V> out;
    for (int i = 0; i < N; ++i) out[i] = packed[index[i]];
    return out;
  }
};

using V = Vec<float, SPLATKIT_LANES>;

void start(const StereoMatching& job, const StereoState& state, int row) {
  for (int x = 0; x < job.image.width; ++x) start_pixel<V>(job, state, x, row);
}

void improve(const StereoMatching& job, const StereoState& state, const StereoSweep& sweep, int row, int color) {
  for (int x = (row + color) % 2; x < job.image.width; x += 2) improve_pixel<V>(job, state, x, row, sweep);
}

void check(const StereoConsistency& job, float* agreement, int row) {
  const int64_t begin = int64_t(row) * job.width;
  for (int64_t at = begin; at < begin + job.width; ++at) check_pixel(job, at, agreement + 5 * at);
}

void variances(const StereoImage& image, const StereoWeights& weights, float* out, int row) {
  for (int x = 0; x < image.width; ++x) out[int64_t(row) * image.width + x] = window_variance(image, weights, x, row);
}

void shares(const StereoImage& image, const StereoWeights& weights, const float* variances, float least, float* out, int row) {
  for (int x = 0; x < image.width; ++x) { out[int64_t(row) * image.width + x] = textured_share(image, weights, variances, least, x, row); }
}

constexpr StereoKernels kernel_set = {start, improve, check, variances, shares};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(StereoKernels, stereo_kernels, kernel_set)
