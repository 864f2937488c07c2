#include "bindings/tensor.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace splatkit {
namespace {

// torch's exchange API, found with the first tensor.
PyTypeObject* known_type = nullptr;
const dlpack::ExchangeApi* known_api = nullptr;

// The exchange API of the given type, or null: torch before it had one.
const dlpack::ExchangeApi* exchange_api(PyTypeObject* type) {
  if (type == known_type) return known_api;
  const dlpack::ExchangeApi* api = nullptr;
  nb::object capsule = nb::getattr(nb::handle(reinterpret_cast<PyObject*>(type)), "__dlpack_c_exchange_api__", nb::none());
  if (!capsule.is_none()) api = static_cast<const dlpack::ExchangeApi*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
  if (api == nullptr) PyErr_Clear();
  if (api != nullptr && api->major != 1) api = nullptr;
  known_type = type;
  known_api = api;
  return api;
}

std::string describe(dlpack::Device device) {
  if (device.type == dlpack::kCpu) return "cpu";
  return (device.type == dlpack::kCuda ? "cuda:" : "device type " + std::to_string(device.type) + ":") + std::to_string(device.index);
}

std::string describe(dlpack::DataType dtype) {
  return std::string(dtype.code == dlpack::kFloat ? "float" : dtype.code == dlpack::kInt ? "int" : "uint") + std::to_string(dtype.bits);
}

template <class Shape>
std::string describe(const Shape& begin, size_t count) {
  std::string text = "[";
  for (size_t i = 0; i < count; ++i) text += (i ? ", " : "") + (begin[i] < 0 ? std::string("*") : std::to_string(begin[i]));
  return text + "]";
}

}  // namespace

TensorArgument::TensorArgument(nb::handle object, const char* name) : owner_(nb::borrow(object)), name_(name) {
  const dlpack::ExchangeApi* api = exchange_api(Py_TYPE(object.ptr()));
  if (api != nullptr) {
    if (api->tensor_from_object(object.ptr(), &tensor_) != 0) nb::raise_python_error();
    return;
  }
  if (!nb::hasattr(object, "__dlpack__")) throw nb::type_error((std::string(name) + ": expected a torch tensor").c_str());
  // -1: no synchronization; the work is queued on the stream that made the tensor.
  owner_ = nb::cast<bool>(object.attr("is_cpu")) ? object.attr("__dlpack__")() : object.attr("__dlpack__")("stream"_a = -1);
  auto* managed = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(owner_.ptr(), "dltensor"));
  if (managed == nullptr) nb::raise_python_error();
  tensor_ = managed->tensor;
}

int64_t TensorArgument::size(int axis) const {
  if (axis >= tensor_.ndim) {
    const std::string text = std::string(name_) + ": expected at least " + std::to_string(axis + 1) + " axes, got shape " +
                             describe(tensor_.shape, tensor_.ndim);
    throw nb::value_error(text.c_str());
  }
  return tensor_.shape[axis];
}

void TensorArgument::check(dlpack::DataType dtype, std::initializer_list<int64_t> shape, dlpack::Device device) const {
  const std::string name = name_;
  if (tensor_.device.type != device.type || tensor_.device.index != device.index) {
    throw nb::value_error((name + ": expected a tensor on " + describe(device) + ", got one on " + describe(tensor_.device)).c_str());
  }
  if (tensor_.dtype.code != dtype.code || tensor_.dtype.bits != dtype.bits) {
    throw nb::type_error((name + ": expected " + describe(dtype) + ", got " + describe(tensor_.dtype)).c_str());
  }
  bool same = static_cast<size_t>(tensor_.ndim) == shape.size();
  for (int axis = 0; same && axis < tensor_.ndim; ++axis) { same = shape.begin()[axis] < 0 || shape.begin()[axis] == tensor_.shape[axis]; }
  if (!same) {
    throw nb::value_error(
        (name + ": expected shape " + describe(shape.begin(), shape.size()) + ", got " + describe(tensor_.shape, tensor_.ndim)).c_str());
  }
  for (int axis = 0; axis < tensor_.ndim; ++axis) {
    if (tensor_.shape[axis] == 0) return;  // strides of nothing mean nothing
  }
  int64_t stride = 1;
  for (int axis = tensor_.ndim - 1; tensor_.strides != nullptr && axis >= 0; --axis) {
    if (tensor_.shape[axis] != 1 && tensor_.strides[axis] != stride) {
      throw nb::value_error((name + ": expected a dense tensor; call .contiguous() on it").c_str());
    }
    stride *= tensor_.shape[axis];
  }
}

CudaStream current_stream(const TensorArgument& argument) {
  if (argument.device().type != dlpack::kCuda) return nullptr;
  void* stream = nullptr;
  if (known_api != nullptr) {
    if (known_api->current_work_stream(dlpack::kCuda, argument.device().index, &stream) != 0) nb::raise_python_error();
    return stream;
  }
  const nb::object current = nb::module_::import_("torch").attr("cuda").attr("current_stream")(argument.device().index);
  return reinterpret_cast<void*>(nb::cast<uintptr_t>(current.attr("cuda_stream")));
}

}  // namespace splatkit
