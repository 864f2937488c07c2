// splatkit._C: native code behind checked pointers. Only splatkit.ops may import it; outputs and scratch are allocated by torch.
#include <nanobind/nanobind.h>

#include "bindings/splatting.h"

NB_MODULE(_C, module) {
  module.attr("compiler") = SPLATKIT_COMPILER;
  module.attr("cuda") = false;
  splatkit::bind_splatting(module);
}
