#include "bindings/image.h"

#include "bindings/tensor.h"
#include "include/splatkit_native.h"

namespace nb = nanobind;

namespace splatkit {
namespace {

template <class Real>
nb::tuple photometric(const TensorArgument& rendered, nb::handle target, double ssim_weight, nb::handle v_rendered, nb::handle planes,
                      nb::handle sums, int threads) {
  const int64_t h = rendered.size(0), w = rendered.size(1), c = rendered.size(2);
  if (h < kSsimWindow || w < kSsimWindow) throw nb::value_error("rendered: both sides must be at least 11 px, the window of SSIM");
  const PhotometricInput<Real> input = {static_cast<int>(w), static_cast<int>(h), static_cast<int>(c), rendered.data<Real>({h, w, c}),
                                        TensorArgument(target, "target").data<Real>({h, w, c}), ssim_weight};
  const PhotometricOutput<Real> output = {TensorArgument(v_rendered, "v_rendered").data<Real>({h, w, c}),
                                          TensorArgument(planes, "planes").data<Real>({5, c, h, w}),
                                          TensorArgument(sums, "sums").data<double>({2, c, h})};
  double loss = 0, l1 = 0, ssim = 0;
  {
    nb::gil_scoped_release unlocked;
    loss = photometric_loss(input, output, threads, &l1, &ssim);
  }
  return nb::make_tuple(loss, l1, ssim);
}

}  // namespace

void bind_image(nb::module_& module) {
  module.def("photometric_loss", [](nb::handle rendered, nb::handle target, double ssim_weight, nb::handle v_rendered, nb::handle planes,
                                    nb::handle sums, int threads) {
    const TensorArgument rendered_arg(rendered, "rendered");
    return rendered_arg.is_double() ? photometric<double>(rendered_arg, target, ssim_weight, v_rendered, planes, sums, threads)
                                    : photometric<float>(rendered_arg, target, ssim_weight, v_rendered, planes, sums, threads);
  });
}

}  // namespace splatkit
