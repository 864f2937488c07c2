#include "common/instruction_set.h"

#include <atomic>
#include <cstring>

namespace splatkit {
namespace {

constexpr InstructionSet kBestFirst[] = {InstructionSet::kAvx512, InstructionSet::kAvx2, InstructionSet::kBaseline};

const char* name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512: return "avx512";
    case InstructionSet::kAvx2: return "avx2";
    default: return "baseline";
  }
}

bool available(InstructionSet set) {
#if defined(SPLATKIT_HAVE_X86_SETS)
  if (set == InstructionSet::kAvx512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  }
  if (set == InstructionSet::kAvx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return set == InstructionSet::kBaseline;
}

InstructionSet best() {
  for (InstructionSet set : kBestFirst) {
    if (available(set)) return set;
  }
  return InstructionSet::kBaseline;
}

std::atomic<InstructionSet>& current() {
  static std::atomic<InstructionSet> set{best()};
  return set;
}

}  // namespace

InstructionSet current_instruction_set() { return current().load(std::memory_order_relaxed); }

const char* instruction_set() { return name_of(current_instruction_set()); }

bool use_instruction_set(const char* name) {
  for (InstructionSet set : kBestFirst) {
    if (std::strcmp(name_of(set), name) != 0 || !available(set)) continue;
    current() = set;
    return true;
  }
  return false;
}

}  // namespace splatkit
