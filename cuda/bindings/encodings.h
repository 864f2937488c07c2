// Binds the encodings family.
#pragma once
#include <nanobind/nanobind.h>

namespace splatkit {
void bind_encodings(nanobind::module_& module);
}
