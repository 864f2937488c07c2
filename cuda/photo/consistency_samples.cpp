// Compiled once per instruction set, like rasterization_tile.cpp. A vector holds photographs of one sample.
#include "common/simd.h"
#include "photo/consistency.h"
#include "photo/consistency_kernels.h"

SPLATKIT_ISA_BEGIN

struct VectorLanes {
  using V = Vec<float, SPLATKIT_LANES>;
  static constexpr int kStep = SPLATKIT_LANES;
  static int first() { return 0; }
  static V load(const float* from) { return splatkit::SPLATKIT_ISA::load<V>(from); }
  static void store(float* to, V values) { splatkit::SPLATKIT_ISA::store(to, values); }
  static void store_one(float* to, float value) { *to = value; }
  static float total(V values) { return sum(values); }
};
static_assert(kPhotoAlignment % SPLATKIT_LANES == 0, "rows are whole vectors");

void normalize(const PhotoConsistency& job, const PhotoScratch& scratch, int64_t begin, int64_t end) {
  for (int64_t s = begin; s < end; ++s) normalize_sample<VectorLanes>(job, scratch, s);
}

void judge(const PhotoConsistency& job, const PhotoScratch& scratch, int64_t begin, int64_t end) {
  for (int64_t s = begin; s < end; ++s) judge_sample<VectorLanes>(job, scratch, s);
}

void conclude(const PhotoConsistency& job, const PhotoScratch& scratch, float* out, int64_t begin, int64_t end) {
  for (int64_t s = begin; s < end; ++s) conclude_sample(job, scratch, s, out + 4 * s);
}

constexpr PhotoKernels kernel_set = {normalize, judge, conclude};

SPLATKIT_ISA_END

SPLATKIT_DEFINE_KERNEL_SET(PhotoKernels, photo_kernels, kernel_set)
