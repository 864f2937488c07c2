// Which instruction set the hot loops run on. They are compiled once per set; the best one of the machine is the default.
#pragma once

namespace splatkit {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

InstructionSet current_instruction_set();

// "baseline", "avx2" or "avx512".
const char* instruction_set();
// For tests and comparisons. False, and no change, if the name is unknown or this machine or build lacks the set.
bool use_instruction_set(const char* name);

// Declares the functions `name_baseline`, `name_avx2`, `name_avx512`, each defined by the file compiled for that set, and `name`,
// which returns the kernels of the current set.
#if defined(SPLATKIT_HAVE_X86_SETS)
#define SPLATKIT_KERNEL_SETS(Kernels, name)                 \
  const Kernels& name##_baseline();                         \
  const Kernels& name##_avx2();                             \
  const Kernels& name##_avx512();                           \
  static inline const Kernels& name() {                     \
    switch (current_instruction_set()) {                    \
      case InstructionSet::kAvx512: return name##_avx512(); \
      case InstructionSet::kAvx2: return name##_avx2();     \
      default: return name##_baseline();                    \
    }                                                       \
  }
#else
#define SPLATKIT_KERNEL_SETS(Kernels, name) \
  const Kernels& name##_baseline();         \
  static inline const Kernels& name() { return name##_baseline(); }
#endif

// The kernels of one precision.
template <class Real, class Set>
const auto& kernels_for(const Set& set) {
  if constexpr (sizeof(Real) == sizeof(float)) {
    return set.for_float;
  } else {
    return set.for_double;
  }
}

// In a file compiled per set: defines `name_<set>` to return `value`, an object of the set's own namespace.
#define SPLATKIT_JOIN_NAMES(a, b) a##_##b
#define SPLATKIT_JOIN(a, b) SPLATKIT_JOIN_NAMES(a, b)
#define SPLATKIT_DEFINE_KERNEL_SET(Kernels, name, value) \
  const splatkit::Kernels& splatkit::SPLATKIT_JOIN(name, SPLATKIT_ISA)() { return splatkit::SPLATKIT_ISA::value; }

}  // namespace splatkit
