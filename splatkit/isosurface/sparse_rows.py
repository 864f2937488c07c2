"""Parameters of the few grid places that a surface ever passes: rows by key, which appear as keys do.

A surface touches a share of a grid's cells that falls with its resolution. So only rows of cells that it touched are
kept, in the order of their keys, so that a key and a row are all there is; all begin at zero.
"""

import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Rows(NamedTuple):
    """Which rows of a parameter belong to some keys."""

    parameter: Tensor  # [K, width]
    places: Tensor | None  # [M] int64 row of each key, -1 where it has none; None: row k belongs to key k

    def take(self) -> Tensor:
        """[M, width] the rows, zeros where there is none."""
        if self.places is None:
            return self.parameter
        found = self.parameter.index_select(0, self.places.clamp_min(0))
        return torch.where(self.places[:, None] >= 0, found, 0.0)

    def mean_magnitude(self) -> Tensor:
        """Mean absolute value of the rows, where there is none counted as zeros; zero without keys."""
        magnitudes, keys = self.parameter.abs(), len(self.parameter)
        if self.places is not None:
            kept = magnitudes.new_zeros(len(magnitudes) + 1, 1)
            kept[self.places] = 1  # -1: the one behind, which is no row
            magnitudes, keys = magnitudes * kept[:-1], len(self.places)
        return magnitudes.sum() / max(keys * self.parameter.shape[1], 1)


class SparseRows(nn.Module):
    """Rows of zeros by int64 key, to be trained. Between a forward pass and its backward pass no keys may join.

    Parameters: by name, [K, width] each, for the K keys so far.

    Args:
        widths: of the parameters, by name.
    """

    keys: Tensor  # [K] int32, ascending: row k is that of keys[k]
    _last: tuple[Tensor, Tensor | None] | None

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__()
        for name, width in widths.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(0, width)))
        self.register_buffer("keys", torch.zeros(0, dtype=torch.int32))
        self._last = None
        self._followers: list[weakref.ref[torch.optim.Optimizer]] = []

    def forward(self, keys: Tensor) -> dict[str, Rows]:
        """Rows of the keys by name; new keys get rows of zeros.

        Args:
            keys: [M] int64 below 2^31, ascending; negative ones, which may stand anywhere, have no row.
        """
        places = self._find(keys)
        return {name: Rows(parameter, places) for name, parameter in self.named_parameters()}

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Let an optimizer keep up with the rows. Call it once, after the optimizer was made.

        Graphs of earlier steps hold on to the shape of a parameter, so that longer ones are new objects: the optimizer
        gets them in place of the old ones, with zeros for the new rows in what it keeps of these.
        """
        self._followers.append(weakref.ref(optimizer))

    @torch.no_grad()
    def _find(self, keys: Tensor) -> Tensor | None:
        """[M] row of each key, -1 for negative ones; None where the keys are all there are, in their order."""
        last = self._last
        if last is not None and last[0].device == keys.device and torch.equal(last[0], keys):
            return last[1]
        real = keys >= 0
        wanted = keys[real].int()
        at = torch.searchsorted(self.keys, wanted)
        known = torch.zeros_like(wanted, dtype=torch.bool)
        if len(self.keys) > 0:
            known = self.keys[at.clamp_max(len(self.keys) - 1)] == wanted
        if not known.all():
            self._insert(wanted[~known])
            at = torch.searchsorted(self.keys, wanted)
        places = None
        if len(keys) != len(self.keys) or len(wanted) != len(keys):
            places = keys.new_full(keys.shape, -1)
            places[real] = at
        self._last = (keys.clone(), places)
        return places

    def _insert(self, new: Tensor) -> None:
        self.keys, order = torch.cat([self.keys, new]).sort()
        for name, parameter in list(self.named_parameters()):
            longer = nn.Parameter(_longer(parameter.data, order), parameter.requires_grad)
            longer.grad = None if parameter.grad is None else _longer(parameter.grad, order)
            setattr(self, name, longer)
            for follower in self._followers:
                if (optimizer := follower()) is not None:
                    _exchange(optimizer, parameter, longer, order)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Take as many rows as the state has."""
        if (keys := state_dict.get(f"{prefix}keys")) is not None:
            self.keys = self.keys.new_empty(len(keys))
            for parameter in self.parameters():
                parameter.data = parameter.new_empty(len(keys), parameter.shape[1])
            self._last = None
        super()._load_from_state_dict(state_dict, prefix, *args)


def _longer(tensor: Tensor, order: Tensor) -> Tensor:
    """Its rows and rows of zeros behind, in another order."""
    return torch.cat([tensor, tensor.new_zeros(len(order) - len(tensor), *tensor.shape[1:])])[order]


def _exchange(optimizer: torch.optim.Optimizer, old: nn.Parameter, new: nn.Parameter, order: Tensor) -> None:
    """Put a longer parameter in an optimizer's groups and state."""
    for group in optimizer.param_groups:
        group["params"] = [new if parameter is old else parameter for parameter in group["params"]]
    if old in optimizer.state:
        kept = optimizer.state.pop(old)
        optimizer.state[new] = {
            key: _longer(x, order) if isinstance(x, Tensor) and x.shape == old.shape else x for key, x in kept.items()
        }
