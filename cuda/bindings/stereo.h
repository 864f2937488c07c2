// Binds the stereo family.
#pragma once
#include <nanobind/nanobind.h>

namespace splatkit {
void bind_stereo(nanobind::module_& module);
}
