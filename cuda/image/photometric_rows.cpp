// Compiled once per instruction set, like rasterization_tile.cpp. Blurs are vertical first: the five (or three) sums of a column need no
// buffer, and only one row of each is kept for the horizontal pass.
#include "common/simd.h"
#include "image/photometric.h"
#include "image/photometric_kernels.h"

SPLATKIT_ISA_BEGIN

constexpr int kBlock = 512;  // columns at a time: their sums stay in the first-level cache
constexpr int kHalo = kSsimWindow - 1;
constexpr int kBuffer = kBlock + kHalo + 16;  // a vector may read past the last column

template <class Pointer, class Real>
Pointer plane(Pointer planes, const PhotometricInput<Real>& input, int index, int channel) {
  return planes + (int64_t(index) * input.channels + channel) * input.height * input.width;
}

template <class Real>
void split(const PhotometricInput<Real>& input, Real* planes, int row) {
  const int64_t start = int64_t(row) * input.width;
  for (int channel = 0; channel < input.channels; ++channel) {
    Real* x = plane(planes, input, 0, channel) + start;
    Real* y = plane(planes, input, 1, channel) + start;
    for (int column = 0; column < input.width; ++column) {
      x[column] = input.rendered[(start + column) * input.channels + channel];
      y[column] = input.target[(start + column) * input.channels + channel];
    }
  }
}

// A vector from `from`, of which only `valid` lanes lie in the array; the others are 0.
template <class V>
SPLATKIT_HD V load_some(const typename V::Lane* from, int valid) {
  if (valid >= V::kLanes) return load<V>(from);
  V out = V(typename V::Lane(0));
  for (int i = 0; i < valid; ++i) out.v[i] = from[i];
  return out;
}

template <class V>
SPLATKIT_HD void store_some(typename V::Lane* to, V value, int valid) {
  if (valid >= V::kLanes) return store(to, value);
  for (int i = 0; i < valid; ++i) to[i] = value.v[i];
}

template <class V>
SPLATKIT_HD V blur_columns(const typename V::Lane* from) {
  using Real = typename V::Lane;
  V sum = V(Real(0));
  for (int k = 0; k < kSsimWindow; ++k) sum += V(Real(kSsimTaps[k])) * load<V>(from + k);
  return sum;
}

template <class V, class Real = typename V::Lane>
double windows(const PhotometricInput<Real>& input, Real* planes, int channel, int row) {
  const int64_t start = int64_t(row) * input.width;
  const Real* x = plane(planes, input, 0, channel) + start;
  const Real* y = plane(planes, input, 1, channel) + start;
  const int count = input.width - kHalo;
  alignas(64) Real sums[5][kBuffer];
  double total = 0;
  for (int left = 0; left < count; left += kBlock) {
    const int outputs = count - left < kBlock ? count - left : kBlock;
    for (int column = 0; column < outputs + kHalo; column += V::kLanes) {
      V mean_x = V(Real(0)), mean_y = mean_x, xx = mean_x, yy = mean_x, xy = mean_x;
      const int valid = outputs + kHalo - column;
      for (int k = 0; k < kSsimWindow; ++k) {
        const int64_t at = int64_t(k) * input.width + left + column;
        const V a = load_some<V>(x + at, valid), b = load_some<V>(y + at, valid), tap = V(Real(kSsimTaps[k]));
        const V ta = tap * a, tb = tap * b;
        mean_x += ta;
        mean_y += tb;
        xx += ta * a;
        yy += tb * b;
        xy += ta * b;
      }
      store(sums[0] + column, mean_x);
      store(sums[1] + column, mean_y);
      store(sums[2] + column, xx);
      store(sums[3] + column, yy);
      store(sums[4] + column, xy);
    }
    for (int column = 0; column < outputs; column += V::kLanes) {
      const auto window =
          ssim_window(blur_columns<V>(sums[0] + column), blur_columns<V>(sums[1] + column), blur_columns<V>(sums[2] + column),
                      blur_columns<V>(sums[3] + column), blur_columns<V>(sums[4] + column));
      const int valid = outputs - column;
      const int64_t at = start + left + column;
      store_some(plane(planes, input, 2, channel) + at, window.d_mean, valid);
      store_some(plane(planes, input, 3, channel) + at, window.d_square, valid);
      store_some(plane(planes, input, 4, channel) + at, window.d_product, valid);
      for (int i = 0; i < V::kLanes && i < valid; ++i) total += window.value.v[i];
    }
  }
  return total;
}

template <class V, class Real = typename V::Lane>
double gradient(const PhotometricInput<Real>& input, const Real* planes, int channel, int row, Real* v_rendered) {
  const int64_t start = int64_t(row) * input.width;
  const Real* x = plane(planes, input, 0, channel) + start;
  const Real* y = plane(planes, input, 1, channel) + start;
  const int rows = input.height - kHalo, columns = input.width - kHalo;
  const Real l1_scale = Real((1 - input.ssim_weight) / (double(input.width) * input.height * input.channels));
  const Real ssim_scale = Real(-input.ssim_weight / (double(rows) * columns * input.channels));
  alignas(64) Real sums[3][kBuffer];
  double total = 0;
  for (int left = 0; left < input.width; left += kBlock) {
    const int outputs = input.width - left < kBlock ? input.width - left : kBlock;
    // Buffer column j holds window column left - kHalo + j; windows outside the image count as 0.
    for (int field = 0; field < 3; ++field) {
      const Real* from = plane(planes, input, 2 + field, channel);
      for (int j = 0; j < outputs + kHalo; j += V::kLanes) {
        V sum = V(Real(0));
        const int column = left - kHalo + j;
        const bool inside = column >= 0 && column + V::kLanes <= columns;
        for (int k = 0; k < kSsimWindow; ++k) {
          const int window_row = row - k;
          if (window_row < 0 || window_row >= rows) continue;
          const Real* at = from + int64_t(window_row) * input.width + column;
          V value = V(Real(0));
          if (inside) {
            value = load<V>(at);
          } else {
            for (int i = 0; i < V::kLanes; ++i) {
              if (column + i >= 0 && column + i < columns) value.v[i] = at[i];
            }
          }
          sum += V(Real(kSsimTaps[k])) * value;
        }
        store(sums[field] + j, sum);
      }
    }
    for (int column = 0; column < outputs; column += V::kLanes) {
      const int valid = outputs - column;
      const V a = load_some<V>(x + left + column, valid), b = load_some<V>(y + left + column, valid);
      const V by_mean = blur_columns<V>(sums[0] + column), by_square = blur_columns<V>(sums[1] + column);
      const V by_product = blur_columns<V>(sums[2] + column);
      const V difference = a - b;
      const V v = photometric_gradient(a, b, by_mean, by_square, by_product, l1_scale, ssim_scale);
      for (int i = 0; i < V::kLanes && i < valid; ++i) {
        v_rendered[(start + left + column + i) * input.channels + channel] = v.v[i];
        total += difference.v[i] < 0 ? -difference.v[i] : difference.v[i];
      }
    }
  }
  return total;
}

using FloatVec = Vec<float, SPLATKIT_LANES>;
using DoubleVec = Vec<double, SPLATKIT_LANES / 2>;

constexpr PhotometricKernelSet kernel_set = {{split<float>, windows<FloatVec>, gradient<FloatVec>},
                                             {split<double>, windows<DoubleVec>, gradient<DoubleVec>}};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(PhotometricKernelSet, photometric_kernels, kernel_set)
