#include "common/parallel.h"
#include "image/photometric_kernels.h"
#include "include/splatkit_native.h"

namespace splatkit {
namespace {

constexpr int64_t kRowGrain = 8;

double sum(const double* values, int64_t count) {
  double total = 0;
  for (int64_t i = 0; i < count; ++i) total += values[i];
  return total;
}

}  // namespace

template <class Real>
void photometric_loss(const PhotometricInput<Real>& input, const PhotometricOutput<Real>& output, int threads) {
  const auto& kernel = kernels_for<Real>(photometric_kernels());
  const int64_t rows = input.height - kSsimWindow + 1, columns = input.width - kSsimWindow + 1;
  double *absolute = output.sums, *similar = output.sums + int64_t(input.channels) * input.height;
  parallel_for(input.height, kRowGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) kernel.split(input, output.planes, static_cast<int>(row));
  });
  parallel_for(input.channels * rows, kRowGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      similar[i] = kernel.windows(input, output.planes, static_cast<int>(i / rows), static_cast<int>(i % rows));
    }
  });
  parallel_for(int64_t(input.channels) * input.height, kRowGrain, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int channel = static_cast<int>(i / input.height), row = static_cast<int>(i % input.height);
      absolute[i] = kernel.gradient(input, output.planes, channel, row, output.v_rendered);
    }
  });
  const double l1 = sum(absolute, int64_t(input.channels) * input.height) / (double(input.channels) * input.height * input.width);
  const double ssim = sum(similar, input.channels * rows) / (double(input.channels) * rows * columns);
  *output.l1 = static_cast<Real>(l1), *output.ssim = static_cast<Real>(ssim);
  *output.loss = static_cast<Real>((1 - input.ssim_weight) * l1 + input.ssim_weight * (1 - ssim));
}

template void photometric_loss(const PhotometricInput<float>&, const PhotometricOutput<float>&, int);
template void photometric_loss(const PhotometricInput<double>&, const PhotometricOutput<double>&, int);

}  // namespace splatkit
