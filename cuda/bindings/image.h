// Binds the image family.
#pragma once
#include <nanobind/nanobind.h>

namespace splatkit {
void bind_image(nanobind::module_& module);
}
