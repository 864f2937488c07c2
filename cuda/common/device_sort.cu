#include "common/device_sort.h"

#include <cub/device/device_radix_sort.cuh>

#include "common/launch.h"

namespace splatkit {

size_t device_sort_scratch_size(int64_t count, int key_bits) {
  size_t bytes = 0;
  check_cuda(cub::DeviceRadixSort::SortPairs(nullptr, bytes, static_cast<const uint64_t*>(nullptr), static_cast<uint64_t*>(nullptr),
                                             static_cast<const int32_t*>(nullptr), static_cast<int32_t*>(nullptr), static_cast<int>(count),
                                             0, key_bits),
             "sort");
  return bytes;
}

void device_sort(void* scratch, size_t scratch_size, const uint64_t* keys, uint64_t* sorted_keys, const int32_t* values,
                 int32_t* sorted_values, int64_t count, int key_bits, CudaStream stream) {
  if (count == 0) return;
  check_cuda(cub::DeviceRadixSort::SortPairs(scratch, scratch_size, keys, sorted_keys, values, sorted_values, static_cast<int>(count), 0,
                                             key_bits, static_cast<cudaStream_t>(stream)),
             "sort");
}

}  // namespace splatkit
