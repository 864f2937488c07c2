// Binds the splatting family.
#pragma once
#include <nanobind/nanobind.h>

namespace splatkit {
void bind_splatting(nanobind::module_& module);
}
