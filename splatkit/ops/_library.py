"""How ops are declared: schema, native code for CPU and CUDA, a fake implementation for compilers, and gradients."""

import importlib
from collections.abc import Callable
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


def threads() -> int:
    """Threads of native loops: torch's own setting rules both."""
    return torch.get_num_threads()


def check_image_size(width: int, height: int) -> None:
    """Refuse image sizes that pixel indices cannot address."""
    for name, value in (("width", width), ("height", height)):
        if not 1 <= value <= 65535:
            raise ValueError(f"{name}: expected 1 to 65535 px, got {value}")
