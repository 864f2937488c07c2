// splatkit._C: native code behind checked pointers. Only splatkit.ops may import it; outputs and scratch are allocated by torch.
#include <nanobind/nanobind.h>

#include "bindings/image.h"
#include "bindings/splatting.h"
#include "common/instruction_set.h"

NB_MODULE(_C, module) {
  module.attr("compiler") = SPLATKIT_COMPILER;
  module.attr("cuda") = false;
  module.def("instruction_set", &splatkit::instruction_set);
  module.def("use_instruction_set", &splatkit::use_instruction_set);
  splatkit::bind_splatting(module);
  splatkit::bind_image(module);
}
