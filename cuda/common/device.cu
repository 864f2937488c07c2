#include "common/launch.h"
#include "include/splatkit_native.h"

namespace splatkit {

int use_cuda_device(int index) {
  int before = 0;
  check_cuda(cudaGetDevice(&before), "current device");
  if (before != index) check_cuda(cudaSetDevice(index), "choice of the device");
  return before;
}

void restore_cuda_device(int index) noexcept {
  int current = -1;
  if (cudaGetDevice(&current) == cudaSuccess && current == index) return;
  if (cudaSetDevice(index) != cudaSuccess) cudaGetLastError();  // clears it: the next launch is not to blame
}

}  // namespace splatkit
