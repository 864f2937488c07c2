// Binds the optimizer family.
#pragma once
#include <nanobind/nanobind.h>

namespace splatkit {
void bind_optimizer(nanobind::module_& module);
}
