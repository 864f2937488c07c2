// One native call from Python: which device and precision it runs in, and its arguments checked against both.
// SPLATKIT_CUDA: CUDA kernels are linked in. SPLATKIT_EMULATED: they are the emulated ones, and take CPU tensors.
#pragma once
#include "bindings/tensor.h"

namespace splatkit {

#if defined(SPLATKIT_EMULATED)
constexpr bool kHasCuda = true, kHasCpu = false;
#elif defined(SPLATKIT_CUDA)
constexpr bool kHasCuda = true, kHasCpu = true;
#else
constexpr bool kHasCuda = false, kHasCpu = true;
#endif

class Call {
 public:
  // The first tensor rules: all others must lie on its device.
  Call(nanobind::handle first, const char* name) : first_(first, name) {
    if (first_.device().type != dlpack::kCpu && !(first_.device().type == dlpack::kCuda && kHasCuda)) {
      throw nanobind::value_error((std::string(name) + ": not a CPU tensor, and this build of splatkit has no CUDA kernels; install it "
                                                       "where nvcc is on the PATH")
                                      .c_str());
    }
  }

  const TensorArgument& first() const { return first_; }
  bool on_cuda() const { return kHasCuda && (!kHasCpu || first_.device().type == dlpack::kCuda); }

  template <class T>
  T* data(nanobind::handle object, const char* name, std::initializer_list<int64_t> shape) const {
    return TensorArgument(object, name).data<T>(shape, first_.device());
  }
  template <class T>
  T* data(const TensorArgument& argument, std::initializer_list<int64_t> shape) const {
    return argument.data<T>(shape, first_.device());
  }

  // body(Real()) with the dtype of the first tensor.
  template <class Body>
  void in_precision(const Body& body) const {
    if (!first_.is_double()) return body(float());
    if (on_cuda()) throw nanobind::type_error((std::string(first_.name()) + ": CUDA kernels take float32, got float64").c_str());
    body(double());
  }

  // What ask() returns with the tensors' device current: answers that depend on the device's architecture.
  template <class Ask>
  auto ask_device(const Ask& ask) const {
    const DeviceScope current(first_.device());
    return ask();
  }

  // Runs cuda(stream) or cpu(threads) without Python's lock. Both must be generic lambdas: a build without one backend never compiles its
  // calls.
  template <class Real, class Cuda, class Cpu>
  void run(int threads, const Cuda& cuda, const Cpu& cpu) const {
    if constexpr (kHasCuda && sizeof(Real) == sizeof(float)) {
      if (on_cuda()) {
        const CudaStream stream = current_stream(first_);
        nanobind::gil_scoped_release unlocked;
        const DeviceScope current(first_.device());
        return cuda(stream);
      }
    }
    if constexpr (kHasCpu) {
      nanobind::gil_scoped_release unlocked;
      cpu(threads);
    }
  }

 private:
  // Kernels are launched on the tensors' device, whatever device the thread had current.
  struct DeviceScope {
    int before = -1;
    explicit DeviceScope(dlpack::Device device) {
      if (device.type == dlpack::kCuda) before = use_cuda_device(device.index);
    }
    ~DeviceScope() {
      static_assert(noexcept(restore_cuda_device(0)), "an error of a kernel may be on its way through here");
      if (before >= 0) restore_cuda_device(before);
    }
  };

  TensorArgument first_;
};

}  // namespace splatkit
