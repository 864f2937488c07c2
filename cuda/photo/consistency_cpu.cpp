#include "common/parallel.h"
#include "include/splatkit_photographs.h"
#include "photo/consistency_kernels.h"

namespace splatkit {

void photo_consistency(const PhotoConsistency& job, const PhotoScratch& scratch, float* out, int threads) {
  constexpr int64_t kGrain = 256;
  const PhotoKernels& kernels = photo_kernels();
  parallel_for(job.samples, kGrain, threads, [&](int64_t begin, int64_t end) { kernels.normalize(job, scratch, begin, end); });
  parallel_for(job.samples, kGrain, threads, [&](int64_t begin, int64_t end) { kernels.judge(job, scratch, begin, end); });
  parallel_for(job.samples, kGrain, threads, [&](int64_t begin, int64_t end) { kernels.conclude(job, scratch, out, begin, end); });
}

}  // namespace splatkit
