// 16-bit floats as their bits.
#pragma once
#include <cstdint>
#include <cstring>

#include "common/host_device.h"

SPLATKIT_ISA_BEGIN

SPLATKIT_HD float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

SPLATKIT_HD float float_of_bfloat16(uint16_t bits) { return float_of_bits(uint32_t(bits) << 16); }

// IEEE half precision. Numbers below the least normal one come out right too: the product with 2^112, the difference of the exponents'
// offsets, is exact.
SPLATKIT_HD float float_of_float16(uint16_t bits) {
#if defined(__CUDA_ARCH__)
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
#else
  const uint32_t sign = uint32_t(bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  if (rest >= 0x7c00u) return float_of_bits(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
  return float_of_bits(sign | (rest << 13)) * 5.192296858534828e33f;
#endif
}

SPLATKIT_ISA_END
