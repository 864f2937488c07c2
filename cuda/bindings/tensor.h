// torch tensors as checked raw pointers. Nothing is converted or copied: a wrong dtype, shape, layout or device is an error that names the
// argument.
#pragma once
#include <nanobind/nanobind.h>

#include <initializer_list>
#include <string>

#include "bindings/dlpack.h"
#include "include/splatkit_native.h"

namespace splatkit {

// One argument of a native call. Holds what keeps the memory alive.
class TensorArgument {
 public:
  TensorArgument(nanobind::handle object, const char* name);

  bool is_double() const { return tensor_.dtype.code == dlpack::kFloat && tensor_.dtype.bits == 64; }
  dlpack::Device device() const { return tensor_.device; }
  const char* name() const { return name_; }
  int64_t size(int axis) const;

  // Pointer to dense data of the type and shape on the device; -1 matches any size.
  template <class T>
  T* data(std::initializer_list<int64_t> shape, dlpack::Device device) const {
    check(dtype_of<T>(), shape, device);
    return static_cast<T*>(pointer());
  }

 private:
  template <class T>
  static dlpack::DataType dtype_of();
  void check(dlpack::DataType dtype, std::initializer_list<int64_t> shape, dlpack::Device device) const;
  void* pointer() const { return static_cast<char*>(tensor_.data) + tensor_.byte_offset; }

  nanobind::object owner_;
  const char* name_;
  dlpack::Tensor tensor_;
};

template <>
inline dlpack::DataType TensorArgument::dtype_of<float>() {
  return {dlpack::kFloat, 32, 1};
}
template <>
inline dlpack::DataType TensorArgument::dtype_of<double>() {
  return {dlpack::kFloat, 64, 1};
}
template <>
inline dlpack::DataType TensorArgument::dtype_of<uint8_t>() {
  return {dlpack::kUnsigned, 8, 1};
}
template <>
inline dlpack::DataType TensorArgument::dtype_of<int16_t>() {
  return {dlpack::kInt, 16, 1};
}
template <>
inline dlpack::DataType TensorArgument::dtype_of<int32_t>() {
  return {dlpack::kInt, 32, 1};
}
template <>
inline dlpack::DataType TensorArgument::dtype_of<int64_t>() {
  return {dlpack::kInt, 64, 1};
}

// The stream that torch queues its work on, for the argument's device; null on the CPU.
CudaStream current_stream(const TensorArgument& argument);

}  // namespace splatkit
