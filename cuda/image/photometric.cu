// The photometric loss on the device: one pass over windows of SSIM, one over pixels for the gradient, one block for the means.
#include "image/photometric.h"

#include "common/block.h"

namespace splatkit {
using namespace portable;

namespace {

constexpr int kSide = 16;  // a block makes 16 x 16 results of one channel
constexpr int kHalo = kSsimWindow - 1;
constexpr int kInputSide = kSide + kHalo;
static_assert(kSide * kSide == kBlockThreads, "a thread a result");

struct Constants {
  float taps[kSsimWindow];
  float l1_scale, ssim_scale;  // of a pixel and of a window in the loss

  explicit Constants(const PhotometricInput<float>& input) {
    for (int k = 0; k < kSsimWindow; ++k) taps[k] = static_cast<float>(kSsimTaps[k]);
    const double windows = double(input.width - kHalo) * (input.height - kHalo) * input.channels;
    l1_scale = static_cast<float>((1 - input.ssim_weight) / (double(input.width) * input.height * input.channels));
    ssim_scale = static_cast<float>(-input.ssim_weight / windows);
  }
};

// What a block works on: 16 x 16 outputs out of width x height, of one channel.
struct Job {
  int channel, left, top, column, row;
  bool inside;

  __device__ Job(int width, int height) {
    const int across = (width + kSide - 1) / kSide, down = (height + kSide - 1) / kSide;
    const int t = thread_of_block(), block = static_cast<int>(blockIdx.x);
    channel = block / (across * down);
    left = block % across * kSide, top = block / across % down * kSide;
    column = left + t % kSide, row = top + t / kSide;
    inside = column < width && row < height;
  }
};

int64_t jobs_of(int width, int height, int channels) { return blocks_of(width, kSide) * blocks_of(height, kSide) * channels; }

__device__ inline float* plane(float* planes, const PhotometricInput<float>& input, int field, int channel) {
  return planes + (int64_t(field) * input.channels + channel) * input.height * input.width;
}

// SSIM of one window a thread, and its derivatives.
struct WindowMemory {
  float x[kInputSide][kInputSide], y[kInputSide][kInputSide];
  float rows[5][kInputSide][kSide];
};

__global__ void __launch_bounds__(kBlockThreads)
    ssim_windows_kernel(PhotometricInput<float> input, float* planes, double* sums, Constants constants) {
  WindowMemory& memory = shared_memory<WindowMemory>();
  const Job job(input.width - kHalo, input.height - kHalo);
  const int t = thread_of_block();
  for (int e = t; e < kInputSide * kInputSide; e += kBlockThreads) {
    const int row = job.top + e / kInputSide, column = job.left + e % kInputSide;
    const bool inside = row < input.height && column < input.width;
    const int64_t at = (int64_t(row) * input.width + column) * input.channels + job.channel;
    memory.x[e / kInputSide][e % kInputSide] = inside ? input.rendered[at] : 0;
    memory.y[e / kInputSide][e % kInputSide] = inside ? input.target[at] : 0;
  }
  __syncthreads();
  for (int e = t; e < kInputSide * kSide; e += kBlockThreads) {
    const int row = e / kSide, column = e % kSide;
    float sum[5] = {0};
    for (int k = 0; k < kSsimWindow; ++k) {
      const float x = memory.x[row][column + k], y = memory.y[row][column + k], tx = constants.taps[k] * x, ty = constants.taps[k] * y;
      sum[0] += tx, sum[1] += ty, sum[2] += tx * x, sum[3] += ty * y, sum[4] += tx * y;
    }
    for (int field = 0; field < 5; ++field) memory.rows[field][row][column] = sum[field];
  }
  __syncthreads();
  double value[1] = {0};
  if (job.inside) {
    float mean[5] = {0};
    for (int field = 0; field < 5; ++field) {
      for (int k = 0; k < kSsimWindow; ++k) mean[field] += constants.taps[k] * memory.rows[field][t / kSide + k][t % kSide];
    }
    const SsimWindow<float> window = ssim_window(mean[0], mean[1], mean[2], mean[3], mean[4]);
    const int64_t at = int64_t(job.row) * input.width + job.column;
    plane(planes, input, 0, job.channel)[at] = window.d_mean;
    plane(planes, input, 1, job.channel)[at] = window.d_square;
    plane(planes, input, 2, job.channel)[at] = window.d_product;
    value[0] = window.value;
  }
  block_sums(value, sums + blockIdx.x);
}

// The gradient of one pixel a thread; windows outside the image count as 0.
struct GradientMemory {
  float windows[3][kInputSide][kInputSide];
  float rows[3][kInputSide][kSide];
};

__global__ void __launch_bounds__(kBlockThreads)
    photometric_gradient_kernel(PhotometricInput<float> input, float* planes, float* v_rendered, double* sums, Constants constants) {
  GradientMemory& memory = shared_memory<GradientMemory>();
  const Job job(input.width, input.height);
  const int t = thread_of_block(), rows = input.height - kHalo, columns = input.width - kHalo;
  for (int e = t; e < 3 * kInputSide * kInputSide; e += kBlockThreads) {
    const int field = e / (kInputSide * kInputSide), y = e / kInputSide % kInputSide, x = e % kInputSide;
    const int row = job.top - kHalo + y, column = job.left - kHalo + x;
    const bool inside = row >= 0 && row < rows && column >= 0 && column < columns;
    memory.windows[field][y][x] = inside ? plane(planes, input, field, job.channel)[int64_t(row) * input.width + column] : 0;
  }
  __syncthreads();
  for (int e = t; e < 3 * kInputSide * kSide; e += kBlockThreads) {
    const int field = e / (kInputSide * kSide), y = e / kSide % kInputSide, x = e % kSide;
    float sum = 0;
    for (int k = 0; k < kSsimWindow; ++k) sum += constants.taps[k] * memory.windows[field][y][x + k];
    memory.rows[field][y][x] = sum;
  }
  __syncthreads();
  double difference[1] = {0};
  if (job.inside) {
    float by[3] = {0};
    for (int field = 0; field < 3; ++field) {
      for (int k = 0; k < kSsimWindow; ++k) by[field] += constants.taps[k] * memory.rows[field][t / kSide + k][t % kSide];
    }
    const int64_t at = (int64_t(job.row) * input.width + job.column) * input.channels + job.channel;
    const float a = input.rendered[at], b = input.target[at];
    v_rendered[at] = photometric_gradient(a, b, by[0], by[1], by[2], constants.l1_scale, constants.ssim_scale);
    difference[0] = abs(a - b);
  }
  block_sums(difference, sums + blockIdx.x);
}

struct LossTotal {
  double at[2];
};

// In one block: adds the blocks' sums.
__global__ void __launch_bounds__(kBlockThreads)
    photometric_means_kernel(PhotometricInput<float> input, PhotometricOutput<float> output, int64_t window_blocks, int64_t pixel_blocks) {
  double sums[2] = {0, 0};  // SSIM, absolute difference
  for (int64_t i = thread_of_block(); i < window_blocks; i += kBlockThreads) sums[0] += output.sums[i];
  for (int64_t i = thread_of_block(); i < pixel_blocks; i += kBlockThreads) sums[1] += output.sums[window_blocks + i];
  LossTotal& total = shared_memory<LossTotal>();
  block_sums(sums, total.at);
  if (thread_of_block() != 0) return;
  const double ssim = total.at[0] / (double(input.channels) * (input.height - kHalo) * (input.width - kHalo));
  const double l1 = total.at[1] / (double(input.channels) * input.height * input.width);
  *output.l1 = static_cast<float>(l1), *output.ssim = static_cast<float>(ssim);
  *output.loss = static_cast<float>((1 - input.ssim_weight) * l1 + input.ssim_weight * (1 - ssim));
}

}  // namespace

int64_t photometric_sums_size_cuda(int width, int height, int channels) {
  return jobs_of(width - kHalo, height - kHalo, channels) + jobs_of(width, height, channels);
}

void photometric_loss_cuda(const PhotometricInput<float>& input, const PhotometricOutput<float>& output, CudaStream stream) {
  const int64_t windows = jobs_of(input.width - kHalo, input.height - kHalo, input.channels);
  const int64_t pixels = jobs_of(input.width, input.height, input.channels);
  const Constants constants(input);
  const dim3 block(kBlockThreads);
  launch(ssim_windows_kernel, dim3(static_cast<unsigned>(windows)), block, 0, stream, input, output.planes, output.sums, constants);
  launch(photometric_gradient_kernel, dim3(static_cast<unsigned>(pixels)), block, 0, stream, input, output.planes, output.v_rendered,
         output.sums + windows, constants);
  launch(photometric_means_kernel, dim3(1), block, 0, stream, input, output, windows, pixels);
}

}  // namespace splatkit
