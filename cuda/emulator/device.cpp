// The emulator's twins of common/device.cu and common/device_sort.cu: the same promises without a device and without CUB.
#include "common/device_sort.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace splatkit {

int use_cuda_device(int index) { return index; }
void restore_cuda_device(int) noexcept {}

size_t device_sort_scratch_size(int64_t count, int) { return static_cast<size_t>(count) * sizeof(int64_t); }

void device_sort(void* scratch, size_t scratch_size, const uint64_t* keys, uint64_t* sorted_keys, const int32_t* values,
                 int32_t* sorted_values, int64_t count, int key_bits, CudaStream) {
  if (scratch_size < device_sort_scratch_size(count, key_bits)) throw std::runtime_error("CUDA, sort: invalid argument");
  const uint64_t mask = key_bits < 64 ? (uint64_t(1) << key_bits) - 1 : ~uint64_t(0);
  int64_t* order = static_cast<int64_t*>(scratch);
  std::iota(order, order + count, 0);
  std::stable_sort(order, order + count, [&](int64_t a, int64_t b) { return (keys[a] & mask) < (keys[b] & mask); });
  for (int64_t i = 0; i < count; ++i) sorted_keys[i] = keys[order[i]], sorted_values[i] = values[order[i]];
}

}  // namespace splatkit
