// The emulator's twins of common/device.cu and common/device_sort.cu: the same promises without a device and without CUB.
#include "common/device_sort.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace splatkit {

int use_cuda_device(int index) { return index; }

size_t device_sort_scratch_size(int64_t, int) { return 0; }

void device_sort(void*, size_t, const uint64_t* keys, uint64_t* sorted_keys, const int32_t* values, int32_t* sorted_values, int64_t count,
                 int key_bits, CudaStream) {
  const uint64_t mask = key_bits < 64 ? (uint64_t(1) << key_bits) - 1 : ~uint64_t(0);
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return (keys[a] & mask) < (keys[b] & mask); });
  for (int64_t i = 0; i < count; ++i) sorted_keys[i] = keys[order[i]], sorted_values[i] = values[order[i]];
}

}  // namespace splatkit
