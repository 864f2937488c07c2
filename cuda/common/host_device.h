// Marks functions that CPU, CUDA and the emulated CUDA build share, and the constants of the splatting kernels.
#pragma once

#if defined(__CUDACC__)
#define SPLATKIT_HD __host__ __device__ __forceinline__
#else
#define SPLATKIT_HD inline __attribute__((always_inline))
#endif

// A file that is compiled once per instruction set defines SPLATKIT_ISA before it includes shared headers. All of it then
// lies in a namespace of that set, with internal linkage: the linker can never replace a function of one set by another's.
#ifndef SPLATKIT_ISA
#define SPLATKIT_ISA portable
#endif
#define SPLATKIT_ISA_BEGIN \
  namespace splatkit {     \
  namespace SPLATKIT_ISA { \
  namespace {
#define SPLATKIT_ISA_END \
  }                      \
  }                      \
  }
