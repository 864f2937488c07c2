#include "bindings/image.h"

#include "bindings/call.h"

namespace nb = nanobind;

namespace splatkit {
namespace {

// Scratch of the loss of an image [H, W, C]: planes of one channel each, and doubles.
struct Scratch {
  int64_t planes, sums;
};

Scratch scratch_of(const Call& call) {
  const int64_t h = call.first().size(0), w = call.first().size(1), c = call.first().size(2);
  if (h < kSsimWindow || w < kSsimWindow) throw nb::value_error("rendered: both sides must be at least 11 px, the window of SSIM");
  if constexpr (kHasCuda) {
    if (call.on_cuda()) { return {3 * c, photometric_sums_size_cuda(static_cast<int>(w), static_cast<int>(h), static_cast<int>(c))}; }
  }
  return {5 * c, 2 * c * h};
}

nb::tuple photometric_scratch_sizes_py(nb::handle rendered) {
  const Scratch scratch = scratch_of(Call(rendered, "rendered"));
  return nb::make_tuple(scratch.planes, scratch.sums);
}

void photometric_loss_py(nb::handle rendered, nb::handle target, double ssim_weight, nb::handle loss, nb::handle l1, nb::handle ssim,
                         nb::handle v_rendered, nb::handle planes, nb::handle sums, int threads) {
  const Call call(rendered, "rendered");
  const Scratch scratch = scratch_of(call);
  call.in_precision([&](auto real) {
    using Real = decltype(real);
    const int64_t h = call.first().size(0), w = call.first().size(1), c = call.first().size(2);
    const PhotometricInput<Real> input = {static_cast<int>(w),
                                          static_cast<int>(h),
                                          static_cast<int>(c),
                                          call.data<Real>(call.first(), {h, w, c}),
                                          call.data<Real>(target, "target", {h, w, c}),
                                          ssim_weight};
    const PhotometricOutput<Real> output = {call.data<Real>(v_rendered, "v_rendered", {h, w, c}),
                                            call.data<Real>(loss, "loss", {}),
                                            call.data<Real>(l1, "l1", {}),
                                            call.data<Real>(ssim, "ssim", {}),
                                            call.data<Real>(planes, "planes", {scratch.planes, h, w}),
                                            call.data<double>(sums, "sums", {scratch.sums})};
    call.run<Real>(
        threads, [&](auto stream) { photometric_loss_cuda(input, output, stream); },
        [&](auto count) { photometric_loss(input, output, count); });
  });
}

}  // namespace

void bind_image(nb::module_& module) {
  module.def("photometric_scratch_sizes", &photometric_scratch_sizes_py);
  module.def("photometric_loss", &photometric_loss_py);
}

}  // namespace splatkit
