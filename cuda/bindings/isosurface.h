// Binds the isosurface family.
#pragma once
#include <nanobind/nanobind.h>

namespace splatkit {
void bind_isosurface(nanobind::module_& module);
}
