"""The same formula for NumPy arrays and torch tensors: the few functions that the two spell differently.

torch is looked up only where it has been imported already, so that NumPy's users do not pay for it.
"""

import sys
from functools import cache
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

# An ndarray or a Tensor, of any float type; what comes out is of the kind and type that went in.
Array = TypeVar("Array", bound=Any)


def namespace_of(values: Any) -> Any:
    """The functions for `values`: an ndarray's or a Tensor's."""
    return _torch() if is_tensor(values) else _NUMPY


def is_tensor(values: Any) -> bool:
    """Whether `values` are torch's."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def floats(name: str, values: Any, size: int) -> Any:
    """`values` as an array or Tensor [..., size] of floats.

    Raises:
        ValueError: another shape; `name` is named.
    """
    if not is_tensor(values):
        values = np.asarray(values)
        if values.dtype.kind != "f":
            values = values.astype(np.float64)
    if values.ndim == 0 or values.shape[-1] != size:
        raise ValueError(f"{name}: expected shape [N, {size}], got {list(values.shape)}")
    return values


def _numpy_stack(arrays: Any) -> Any:
    """As np.stack along a new last axis, of arrays that broadcast; several times as fast where they are short."""
    shape = arrays[0].shape
    if any(array.shape != shape for array in arrays):
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    out = np.empty((*shape, len(arrays)), np.result_type(*arrays))
    for index, array in enumerate(arrays):
        out[..., index] = array
    return out


def _numpy_matrix(rows: Any) -> Any:
    height, width = len(rows), len(rows[0])
    flat = _numpy_stack([array for row in rows for array in row])
    return flat.reshape(*flat.shape[:-1], height, width)


def _torch_matrix(rows: Any) -> Any:
    stack = _torch().stack
    flat = stack([tensor for row in rows for tensor in row])
    return flat.reshape(*flat.shape[:-1], len(rows), len(rows[0]))


def _numpy_radius(x: Any, y: Any, least: float) -> Any:
    return np.maximum(np.hypot(x, y), least)


def _numpy_arctan2(y: Any, x: Any) -> Any:
    """As np.arctan2, of contiguous copies: it rounds otherwise where a strided array seems to reach into the result."""
    return np.arctan2(np.ascontiguousarray(y), np.ascontiguousarray(x))


_NUMPY = SimpleNamespace(
    sqrt=np.sqrt,
    sin=np.sin,
    cos=np.cos,
    tan=np.tan,
    arctan=np.arctan,
    arctan2=_numpy_arctan2,
    abs=np.abs,
    where=np.where,
    maximum=np.maximum,
    minimum=np.minimum,
    zeros_like=np.zeros_like,
    ones_like=np.ones_like,
    stack=_numpy_stack,
    matrix=_numpy_matrix,
    clip=lambda x, low, high: np.minimum(np.maximum(x, low), high),
    radius=_numpy_radius,
    fmax=np.fmax,
    floor=np.floor,
    integers=lambda array: array.astype(np.intp),
    concatenate=lambda arrays: np.concatenate(arrays, -1),
    take=np.take,
    are_equal=lambda a, b, tolerance: not (np.abs(a - b) > tolerance).any(),
    constant=lambda array, like: array.astype(like.dtype),
    detach=lambda array: array,
    epsilon=lambda like: float(np.finfo(like.dtype).eps),
)


@cache
def _torch() -> SimpleNamespace:
    import torch

    return SimpleNamespace(
        sqrt=torch.sqrt,
        sin=torch.sin,
        cos=torch.cos,
        tan=torch.tan,
        arctan=torch.atan,
        arctan2=torch.atan2,
        abs=torch.abs,
        where=torch.where,
        maximum=lambda x, least: x.clamp_min(least),
        minimum=lambda x, most: x.clamp_max(most),
        zeros_like=torch.zeros_like,
        ones_like=torch.ones_like,
        stack=lambda tensors: torch.stack(torch.broadcast_tensors(*tensors), -1),
        matrix=_torch_matrix,
        clip=lambda x, low, high: torch.minimum(torch.maximum(x, low), high),
        # hypot's derivative is NaN at 0
        radius=lambda x, y, least: (x * x + y * y).clamp_min(least * least).sqrt(),
        fmax=torch.fmax,
        floor=torch.floor,
        integers=lambda tensor: tensor.long(),
        concatenate=lambda tensors: torch.cat(tensors, -1),
        take=lambda table, indices: table[indices.reshape(-1)].reshape(indices.shape),  # torch.func has no torch.take
        are_equal=lambda a, b, tolerance: False,  # to know would stop a GPU, and torch.func cannot
        constant=lambda array, like: torch.tensor(array, dtype=like.dtype, device=like.device),
        detach=lambda tensor: tensor.detach(),
        epsilon=lambda like: float(torch.finfo(like.dtype).eps),
    )
