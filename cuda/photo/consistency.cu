// Photo-consistency on the device: a warp a sample, its lanes the photographs, so that a window's rows are read side by side.
#include "photo/consistency.h"

#include "common/block.h"

namespace splatkit {
using namespace portable;

namespace {

struct WarpLanes {
  using V = float;
  static constexpr int kStep = kWarpThreads;
  static __device__ int first() { return thread_of_block() % kWarpThreads; }
  static __device__ float load(const float* from) { return *from; }
  static __device__ void store(float* to, float value) { *to = value; }
  static __device__ void store_one(float* to, float value) {
    if (first() == 0) *to = value;
  }
  static __device__ float total(float value) {
    float values[1] = {value};
    return warp_sums(values);
  }
};

__device__ int64_t sample_of_warp() { return thread_of_grid() / kWarpThreads; }

__global__ void __launch_bounds__(kBlockThreads) normalize_photographs_kernel(PhotoConsistency job, PhotoScratch scratch) {
  if (sample_of_warp() < job.samples) normalize_sample<WarpLanes>(job, scratch, sample_of_warp());
}

__global__ void __launch_bounds__(kBlockThreads) judge_photographs_kernel(PhotoConsistency job, PhotoScratch scratch) {
  if (sample_of_warp() < job.samples) judge_sample<WarpLanes>(job, scratch, sample_of_warp());
}

__global__ void __launch_bounds__(kBlockThreads) conclude_photographs_kernel(PhotoConsistency job, PhotoScratch scratch, float* out) {
  const int64_t s = thread_of_grid();
  if (s < job.samples) conclude_sample(job, scratch, s, out + 4 * s);
}

}  // namespace

void photo_consistency_cuda(const PhotoConsistency& job, const PhotoScratch& scratch, float* out, CudaStream stream) {
  const dim3 warps = grid_of(job.samples * kWarpThreads), block(kBlockThreads);
  launch(normalize_photographs_kernel, warps, block, 0, stream, job, scratch);
  launch(judge_photographs_kernel, warps, block, 0, stream, job, scratch);
  launch(conclude_photographs_kernel, grid_of(job.samples), block, 0, stream, job, scratch, out);
}

}  // namespace splatkit
