// torch tensors as checked raw pointers. Nothing is converted or copied: a wrong dtype, shape, layout or device is an error that names the argument.
#pragma once
#include <nanobind/nanobind.h>

#include <initializer_list>
#include <string>

#include "bindings/dlpack.h"

namespace splatkit {

// One argument of a native call. Holds what keeps the memory alive.
class TensorArgument {
 public:
  TensorArgument(nanobind::handle object, const char* name);

  bool is_double() const { return tensor_.dtype.code == dlpack::kFloat && tensor_.dtype.bits == 64; }
  int64_t size(int axis) const;

  // Pointer to dense data of the type and shape; -1 matches any size.
  template <class T>
  T* data(std::initializer_list<int64_t> shape) const {
    check(dtype_of<T>(), shape);
    return static_cast<T*>(pointer());
  }

 private:
  template <class T>
  static dlpack::DataType dtype_of();
  void check(dlpack::DataType dtype, std::initializer_list<int64_t> shape) const;
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
inline dlpack::DataType TensorArgument::dtype_of<int32_t>() {
  return {dlpack::kInt, 32, 1};
}
template <>
inline dlpack::DataType TensorArgument::dtype_of<int64_t>() {
  return {dlpack::kInt, 64, 1};
}

}  // namespace splatkit
