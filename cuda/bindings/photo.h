// Binds photo-consistency.
#pragma once
#include <nanobind/nanobind.h>

namespace splatkit {
void bind_photo(nanobind::module_& module);
}
