// A stable sort of (key, value) pairs on the device. CUB is compiled in one file only (device_sort.cu): it costs more to compile than all
// kernels together.
#pragma once
#include <cstddef>
#include <cstdint>

#include "include/splatkit_native.h"

namespace splatkit {

// Bytes of scratch for `count` pairs.
size_t device_sort_scratch_size(int64_t count, int key_bits);
// Sorts by the lowest `key_bits` bits of the keys; equal keys keep their order. count < 2^31.
void device_sort(void* scratch, size_t scratch_size, const uint64_t* keys, uint64_t* sorted_keys, const int32_t* values,
                 int32_t* sorted_values, int64_t count, int key_bits, CudaStream stream);

}  // namespace splatkit
