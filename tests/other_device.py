"""A second device to test with where there is no GPU: tensors that say they are elsewhere and compute on the CPU.

Inside `other_device()`, what is made for `OTHER` says that it is there. As with a GPU, an operator refuses to mix it
with tensors (single numbers and indices may lie on the CPU) and with generators of the CPU. So code that forgets a
device fails here as it would there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

OTHER = torch.device("meta")  # a name that torch knows everywhere
_INDEXING = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
_COPIES = {"aten::copy_", "aten::_to_copy"}


class OtherTensor(Tensor):
    """A CPU tensor that says it is elsewhere."""

    inner: Tensor  # type: ignore[assignment]  # torch names a method so

    @staticmethod
    def __new__(cls, inner: Tensor) -> "OtherTensor":
        wrapper: OtherTensor = Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype, device=OTHER
        )
        wrapper.inner = inner
        return wrapper

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # torch's own way

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]  # torch types no subclass
        kwargs = dict(kwargs or {})
        name = func._schema.name
        if name not in _COPIES:
            for x in tree_flatten(args[:1] if name in _INDEXING else (args, kwargs))[0]:
                _refuse_strays(name, x)
        comes_home = kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cpu"
        if kwargs.get("device") is not None:
            kwargs["device"] = torch.device("cpu")
        out = func(*_unwrap(args), **_unwrap(kwargs))
        if comes_home:
            return out
        # Operators that work in place return their argument.
        known = {id(x.inner): x for x in tree_flatten(args)[0] if isinstance(x, cls)}
        return tree_map(lambda x: known.get(id(x), x) if id(x) in known else _wrap(x), out)


class OtherGenerator(torch.Generator):
    """A generator of the CPU that says it is elsewhere."""

    device = OTHER


class _AnyGenerator(torch.Generator):
    """Makes a generator of the device that it is told."""

    def __new__(cls, device: Any = "cpu") -> torch.Generator:  # type: ignore[misc]  # another class on purpose
        return OtherGenerator() if _is_other(device) else torch._C.Generator(device)


class _OtherFactories(TorchFunctionMode):
    """Functions that make tensors of a device that they are told, or of a tensor's, without an operator."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if name == "to" and first is not None and not isinstance(first, OtherTensor):
            wanted = args[1] if len(args) > 1 else kwargs.get("device")
            if _is_other(wanted):
                dtype = wanted.dtype if isinstance(wanted, Tensor) else kwargs.get("dtype")
                return _wrap(first.detach().to(dtype=dtype, copy=True))
        if name == "new_tensor" and isinstance(first, OtherTensor):
            return _wrap(torch.tensor(args[1], dtype=first.dtype, device="cpu"))
        generator = kwargs.get("generator")
        elsewhere = _is_other(first) or _is_other(kwargs.get("device"))
        if generator is not None and isinstance(generator, OtherGenerator) != elsewhere:
            raise RuntimeError(f"{name}: expected a generator on the device of the numbers, got one elsewhere")
        if first is None and _is_other(kwargs.get("device")):
            wants_gradient = kwargs.pop("requires_grad", False)
            return _wrap(func(*args, **{**kwargs, "device": "cpu"})).requires_grad_(wants_gradient)
        return func(*args, **kwargs)


class _OtherOperators(TorchDispatchMode):
    """Operators that make tensors of a device, as those that turn a number into one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if _is_other(kwargs.get("device")) and not any(isinstance(x, Tensor) for x in args):
            return tree_map(_wrap, func(*args, **{**kwargs, "device": torch.device("cpu")}))
        return func(*args, **kwargs)


@contextmanager
def other_device() -> Iterator[None]:
    """Inside, the device `OTHER` can be used."""
    with mock.patch.object(torch, "Generator", _AnyGenerator), _OtherFactories(), _OtherOperators():
        yield


def _is_other(place: Any) -> bool:
    if isinstance(place, Tensor):
        return isinstance(place, OtherTensor)
    return isinstance(place, str | torch.device) and torch.device(place).type == OTHER.type


def _refuse_strays(name: str, x: Any) -> None:
    if isinstance(x, Tensor) and not isinstance(x, OtherTensor) and x.ndim > 0:
        raise RuntimeError(f"{name}: found tensors on {OTHER} and one on the CPU, {list(x.shape)}")


def _wrap(x: Any) -> Any:
    return OtherTensor(x) if isinstance(x, Tensor) else x


def _unwrap(tree: Any) -> Any:
    return tree_map(lambda x: x.inner if isinstance(x, OtherTensor) else x, tree)
