"""Multiresolution encodings: features of positions, and their derivatives of any order that exists.

Three native kernels do it all: `encode` sums table entries by weights, `encode_scatter` is its transpose and
`encode_pull` the gradient with respect to positions. With tangents, each works with the weights' derivatives along
them: `encode` is then the forward-mode derivative, and the second derivatives of a loss on gradients (eikonal) are made
of the same three.

The definition is in `splatkit.reference.encodings`; the native code in `cuda/encodings`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from splatkit.ops._library import define, dense, differentiate, native, threads

LATTICES = {"simplex": 0, "kuhn": 1, "grid": 2}  # numbers of the native code
INTERPOLATIONS = {"linear": 0, "smooth": 1, "nearest": 2, "stochastic": 3}
TABLE_TYPES = {torch.bfloat16: 1, torch.float16: 2}  # 0: that of the positions

_SETTINGS = (
    "float[] scales, int[] offsets, int[] sizes, int[] moduli, int[] steps, int active, int features, int lattice,"
    " int interpolation, int seed"
)
_SETTING_COUNT = 10


class EncodingSettings(NamedTuple):
    """Levels and choices of an encoding, as the native code takes them."""

    scales: Sequence[float]
    offsets: Sequence[int]
    sizes: Sequence[int]
    moduli: Sequence[int]
    steps: Sequence[int]
    active: int
    features: int
    lattice: int
    interpolation: int
    seed: int

    @property
    def entries(self) -> int:
        """Of the table."""
        return sum(self.sizes)


def encode(positions: Tensor, table: Tensor, settings: EncodingSettings, tangents: Tensor | None = None) -> Tensor:
    """Features of positions.

    Args:
        positions: [N, d], float32 or float64 (CPU alone); outside of [0, 1] the encoding stays constant.
        table: [entries, F], of the dtype of positions, bfloat16 or float16; sums are in the dtype of positions.
        settings: of the encoding.
        tangents: [N, d]; with them the derivative of the features along these directions.

    Returns:
        [N, L * F], a view of memory with one row a feature. Gradients reach positions, table and tangents, and can be
        differentiated again; where the weights are linear in the position inside of a cell (simplex and kuhn, linear)
        to any order.
    """
    return torch.ops.splatkit.encode(positions, tangents, table, *settings).t()


def _arguments(args: Sequence[Any]) -> tuple[Tensor, Tensor | None]:
    positions, tangents = args[0], args[1]
    return dense(positions), None if tangents is None else dense(tangents)


def _settings(args: Sequence[Any]) -> EncodingSettings:
    return EncodingSettings(*args[-_SETTING_COUNT:])


def _without_gradient(settings: EncodingSettings, tangents: Tensor | None) -> EncodingSettings:
    """The nearest vertex does not move with the position: no level takes part in a derivative."""
    nearest = settings.interpolation == INTERPOLATIONS["nearest"]
    return settings._replace(active=0) if nearest and tangents is not None else settings


def _stored(table: Tensor) -> tuple[Tensor, int]:
    """The table as native code takes it: 16-bit floats as their bits, and the number of their type."""
    kind = TABLE_TYPES.get(table.dtype, 0)
    return (dense(table).view(torch.int16) if kind else dense(table)), kind


def _scratch(positions: Tensor) -> Tensor:
    return positions.new_empty(native().encoding_scratch_size(positions))


def _encode_native(*args: Any) -> Tensor:
    positions, tangents = _arguments(args)
    settings = _without_gradient(_settings(args), tangents)
    features = _encode_fake(*args)
    native().encode(positions, tangents, *_stored(args[2]), tuple(settings), _scratch(positions), features, threads())
    return features


def _encode_fake(*args: Any) -> Tensor:
    settings = _settings(args)
    return args[0].new_empty(len(settings.scales) * settings.features, args[0].shape[0])


def _scatter_native(*args: Any) -> Tensor:
    positions, tangents = _arguments(args)
    settings = _without_gradient(_settings(args), tangents)
    v_table = _scatter_fake(*args)
    scratch, totals = _scratch(positions), _totals(positions, settings)
    native().encode_scatter(positions, tangents, dense(args[2]), tuple(settings), scratch, totals, v_table, threads())
    return v_table


def _totals(positions: Tensor, settings: EncodingSettings) -> Tensor | None:
    """Room for sums in whole numbers, where the caller wants the same bits in every run; on a CPU they are anyway."""
    if not torch.are_deterministic_algorithms_enabled():
        return None
    return positions.new_zeros(settings.entries * settings.features + len(settings.scales), dtype=torch.int64)


def _scatter_fake(*args: Any) -> Tensor:
    settings = _settings(args)
    return args[0].new_empty(sum(settings.sizes), settings.features)


def _pull_native(*args: Any) -> Tensor:
    positions, tangents = _arguments(args)
    settings = _without_gradient(_settings(args), positions)
    v_positions = _pull_fake(*args)
    table, v_features, scratch = _stored(args[2]), dense(args[3]), _scratch(positions)
    native().encode_pull(positions, tangents, *table, v_features, tuple(settings), scratch, v_positions, threads())
    return v_positions


def _pull_fake(*args: Any) -> Tensor:
    return torch.empty_like(args[0], memory_format=torch.contiguous_format)


# Gradients. With y = encode(x, c, T), g its gradient: c stands for the tangents, or for none.


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    tensors = inputs[:-_SETTING_COUNT]
    ctx.has_tangents = tensors[1] is not None
    ctx.save_for_backward(*(x for x in tensors if x is not None))
    ctx.settings = _settings(inputs)


def _saved(ctx: Any) -> list[Any]:
    tensors = list(ctx.saved_tensors)
    return tensors if ctx.has_tangents else [tensors[0], None, *tensors[1:]]


def _wanted(ctx: Any, *gradients: Callable[[], Tensor]) -> tuple[Any, ...]:
    """The gradients that the graph asks for, and none for the settings."""
    needed = zip(gradients, ctx.needs_input_grad, strict=False)
    return (*(make() if need else None for make, need in needed), *[None] * _SETTING_COUNT)


def _encode_gradient(ctx: Any, v_features: Tensor) -> tuple[Any, ...]:
    (x, c, table), s, op = _saved(ctx), ctx.settings, torch.ops.splatkit
    return _wanted(
        ctx,
        lambda: _pull(x, c, table, v_features, s),
        lambda: op.encode_pull(x, None, table, v_features, *s),
        lambda: op.encode_scatter(x, c, v_features, *s),
    )


def _scatter_gradient(ctx: Any, v_v_table: Tensor) -> tuple[Any, ...]:
    (x, c, v_features), s, op = _saved(ctx), ctx.settings, torch.ops.splatkit
    return _wanted(
        ctx,
        lambda: _pull(x, c, v_v_table, v_features, s),
        lambda: op.encode_pull(x, None, v_v_table, v_features, *s),
        lambda: op.encode(x, c, v_v_table, *s),
    )


def _pull_gradient(ctx: Any, v: Tensor) -> tuple[Any, ...]:
    (x, c, table, v_features), s, op = _saved(ctx), ctx.settings, torch.ops.splatkit
    if c is not None:
        raise NotImplementedError(
            "encode: third derivatives exist for linear interpolation on the simplex and kuhn lattices alone"
        )
    return _wanted(
        ctx,
        lambda: _pull(x, v, table, v_features, s),
        lambda: torch.zeros_like(x),
        lambda: op.encode_scatter(x, v, v_features, *s),
        lambda: op.encode(x, v, table, *s),
    )


def _pull(x: Tensor, c: Tensor | None, table: Tensor, v_features: Tensor, settings: EncodingSettings) -> Tensor:
    """`encode_pull`, without work where the weights have no second derivatives."""
    flat = settings.lattice != LATTICES["grid"] and settings.interpolation != INTERPOLATIONS["smooth"]
    if c is not None and flat:
        return torch.zeros_like(x)
    return torch.ops.splatkit.encode_pull(x, c, table, v_features, *settings)


_POINTS = "Tensor positions, Tensor? tangents"
define(f"encode({_POINTS}, Tensor table, {_SETTINGS}) -> Tensor features", _encode_native, _encode_fake)
define(f"encode_scatter({_POINTS}, Tensor v_features, {_SETTINGS}) -> Tensor v_table", _scatter_native, _scatter_fake)
define(
    f"encode_pull({_POINTS}, Tensor table, Tensor v_features, {_SETTINGS}) -> Tensor v_positions",
    _pull_native,
    _pull_fake,
)
differentiate("encode", _encode_gradient, _setup)
differentiate("encode_scatter", _scatter_gradient, _setup)
differentiate("encode_pull", _pull_gradient, _setup)
