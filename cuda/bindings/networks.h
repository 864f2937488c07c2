#pragma once
#include <nanobind/nanobind.h>

namespace splatkit {
void bind_networks(nanobind::module_& module);
}  // namespace splatkit
