// splatkit._C: native code behind checked pointers. Only splatkit.ops may import it; outputs and scratch are allocated by torch.
// Tests build the same bindings once more over emulated CUDA kernels: _C_emulated, which takes CPU tensors.
#include <nanobind/nanobind.h>

#include "bindings/call.h"
#include "bindings/encodings.h"
#include "bindings/image.h"
#include "bindings/isosurface.h"
#include "bindings/networks.h"
#include "bindings/optimizer.h"
#include "bindings/photo.h"
#include "bindings/splatting.h"
#include "bindings/stereo.h"
#include "common/instruction_set.h"

NB_MODULE(SPLATKIT_MODULE, module) {
  module.attr("compiler") = SPLATKIT_COMPILER;
#if defined(SPLATKIT_EMULATED)
  module.attr("cuda") = "emulated";
#else
  module.attr("cuda") = SPLATKIT_CUDA_TEXT;
  module.attr("why_no_cuda") = SPLATKIT_NO_CUDA_TEXT;
  module.def("instruction_set", &splatkit::instruction_set);
  module.def("use_instruction_set", &splatkit::use_instruction_set);
#endif
  splatkit::bind_splatting(module);
  splatkit::bind_image(module);
  splatkit::bind_encodings(module);
  splatkit::bind_isosurface(module);
  splatkit::bind_networks(module);
  splatkit::bind_optimizer(module);
  splatkit::bind_photo(module);
  splatkit::bind_stereo(module);
}
