"""How ops are declared: schema, native code for CPU and CUDA, a fake implementation for compilers, and gradients."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

_library = torch.library.Library("splatkit", "DEF")


def native() -> ModuleType:
    """The compiled module; ImportError with the cure if it was not built."""
    try:
        return importlib.import_module("splatkit._C")
    except ImportError as error:
        raise ImportError(
            "splatkit's native code is missing: install the package with `pip install .` (a C++ compiler is enough)."
        ) from error


def define(schema: str, implementation: Callable[..., Any], fake: Callable[..., Any]) -> None:
    """Declare an op `splatkit::name` with its native and fake implementations.

    Native code looks at the device of its tensors; where a build has no CUDA kernels, it says so.
    """
    name = schema.split("(", 1)[0]
    _library.define(schema)
    for device in ("CPU", "CUDA"):
        _library.impl(name, implementation, device)
    torch.library.register_fake(f"splatkit::{name}", fake, lib=_library)


def differentiate(name: str, backward: Callable[..., Any], setup_context: Callable[..., Any]) -> None:
    """Give an op its gradient."""
    torch.library.register_autograd(f"splatkit::{name}", backward, setup_context=setup_context, lib=_library)


def dense(tensor: Tensor) -> Tensor:
    """The tensor as native code takes it: contiguous, outside the graph."""
    return tensor.detach().contiguous()


_native_threads: int | None = None  # set inside `native_threads_only`


def threads() -> int:
    """Threads of native loops: torch's own setting, unless `native_threads_only` holds."""
    return torch.get_num_threads() if _native_threads is None else _native_threads


@contextmanager
def native_threads_only() -> Iterator[None]:
    """Inside, native loops keep torch's number of threads and torch's own operators run on one.

    For loops of many small operators, like training: torch's OpenMP threads wait for each other at every operator, and
    on a machine where anything else runs that costs several times what it gains. Native loops never wait for a late
    thread.
    """
    global _native_threads
    before = torch.get_num_threads()
    _native_threads = before
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _native_threads = None


def check_image_size(width: int, height: int) -> None:
    """Refuse image sizes that pixel indices cannot address."""
    for name, value in (("width", width), ("height", height)):
        if not 1 <= value <= 65535:
            raise ValueError(f"{name}: expected 1 to 65535 px, got {value}")
