#include "bindings/photo.h"

#include "bindings/call.h"
#include "include/splatkit_photographs.h"

namespace nb = nanobind;

namespace splatkit {
namespace {

void photo_consistency_py(nb::handle grays, nb::handle slopes, nb::handle cosines, nb::handle starts, nb::handle members,
                          nb::handle weights, double noise, double outlier, double outlier_share, nb::handle scratch, nb::handle contrasts,
                          nb::handle terms, nb::handle out, int threads) {
  const Call call(grays, "grays");
  const int64_t samples = call.first().size(0), photographs = call.first().size(1);
  if (photographs % kPhotoAlignment != 0 || photographs > (1 << 20)) {
    throw nb::value_error("grays: expected a multiple of 16 photographs, at most 2^20");
  }
  const int64_t entries = TensorArgument(members, "members").size(0);
  const PhotoConsistency job = {samples,
                                static_cast<int>(photographs),
                                call.data<float>(call.first(), {samples, photographs}),
                                call.data<float>(slopes, "slopes", {samples, photographs}),
                                call.data<float>(cosines, "cosines", {samples, photographs}),
                                call.data<int64_t>(starts, "starts", {samples + 1}),
                                call.data<int32_t>(members, "members", {entries}),
                                call.data<float>(weights, "weights", {entries}),
                                static_cast<float>(noise),
                                static_cast<float>(outlier),
                                static_cast<float>(outlier_share)};
  float* arrays = call.data<float>(scratch, "scratch", {4, samples, photographs});
  const int64_t size = samples * photographs;
  const PhotoScratch work = {arrays,
                             arrays + size,
                             arrays + 2 * size,
                             arrays + 3 * size,
                             call.data<float>(contrasts, "contrasts", {samples}),
                             call.data<float>(terms, "terms", {samples, kPhotoTerms})};
  float* found = call.data<float>(out, "out", {samples, 4});
  call.run<float>(
      threads, [&](auto stream) { photo_consistency_cuda(job, work, found, stream); },
      [&](auto workers) { photo_consistency(job, work, found, workers); });
}

}  // namespace

void bind_photo(nb::module_& module) { module.def("photo_consistency", &photo_consistency_py); }

}  // namespace splatkit
