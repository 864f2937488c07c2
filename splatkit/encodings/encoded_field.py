"""A field as an encoding and a small network behind it, and its fit to samples; can be interrupted and resumed."""

import math
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from splatkit.encodings.hash_encoding import SimplexHashEncoding
from splatkit.errors import SplatkitError
from splatkit.io.atomic import atomic_file
from splatkit.ops import native_threads_only
from splatkit.ops.tiny_mlp import tiny_mlp
from splatkit.progress import Progress, no_progress

Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]
_SAVE_EVERY_S = 20.0


class EncodedField(nn.Module):
    """Values of positions; once differentiable to positions.

    Args:
        encoding: of the positions.
        outputs: values of a position.
        hidden: widths of the network's hidden layers, at most three.
    """

    def __init__(self, encoding: SimplexHashEncoding, outputs: int, hidden: tuple[int, ...] = (64, 64)) -> None:
        super().__init__()
        self.encoding = encoding
        widths = [encoding.n_output_dims, *hidden, outputs]
        self.layers = nn.ModuleList(nn.Linear(inner, rows) for inner, rows in pairwise(widths))

    def forward(self, positions: Tensor) -> Tensor:
        """[..., d] in the unit cube -> [..., outputs]."""
        return tiny_mlp(self.encoding(positions), [*self.layers])


@dataclass(frozen=True)
class FitSettings:
    """How a fit by Adam is done; rates as in Instant-NGP (arXiv 2201.05989), falling exponentially."""

    steps: int
    rate: float = 0.01
    final_share: float = 0.1  # the last rate as a share of the first
    seed: int = 0  # of the samples drawn
    cpu_limit_s: float = math.inf  # ends the fit earlier; the rate falls with the time then


class FitMismatchError(SplatkitError):
    """A checkpoint that belongs to another fit, or cannot be read."""


@dataclass
class _Clock:
    """CPU time of a fit without its saves."""

    spent_s: float
    started_s: float = 0.0

    def __post_init__(self) -> None:
        self.started_s = time.process_time()

    def total_s(self) -> float:
        return self.spent_s + time.process_time() - self.started_s


def fit_field(
    field: nn.Module,
    draw: Draw,
    loss: Callable[[Tensor, Tensor], Tensor],
    settings: FitSettings,
    checkpoint: Path | None = None,
    progress: Progress = no_progress,
) -> float:
    """Fit a field to samples.

    Args:
        field: module of positions; changed in place.
        draw: new positions and targets from a generator, each step anew.
        loss: of predictions and targets.
        settings: of the fit.
        checkpoint: file that the state goes to now and then; a fit that finds it goes on from there, to the same bits.
            It stays when the fit ends: remove it once the result is safe. None: not kept.
        progress: shows how many steps are done.

    Returns:
        CPU-seconds of training, those before an interruption included.

    Raises:
        FitMismatchError: the checkpoint is of other settings or another field, or damaged.
    """
    optimizer = torch.optim.Adam(field.parameters(), settings.rate, betas=(0.9, 0.99), eps=1e-15, fused=True)
    generator = torch.Generator().manual_seed(settings.seed)
    first, clock = 0, _Clock(0.0)
    if checkpoint is not None and checkpoint.is_file():
        first, clock = _resume(checkpoint, field, optimizer, generator, settings)
    saved = time.monotonic()
    with native_threads_only(), progress("fitting", settings.steps) as advance:
        advance(first)
        for step in range(first, settings.steps):
            done = max(step / settings.steps, clock.total_s() / settings.cpu_limit_s)
            if done >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * settings.final_share**done
            positions, targets = draw(generator)
            value = loss(field(positions), targets)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            advance(1)
            if checkpoint is not None and (time.monotonic() - saved > _SAVE_EVERY_S or step + 1 == settings.steps):
                _save(checkpoint, step + 1, field, optimizer, generator, settings, clock)
                saved = time.monotonic()
    return clock.total_s()


def _save(
    path: Path,
    step: int,
    field: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    settings: FitSettings,
    clock: _Clock,
) -> None:
    state = {
        "settings": asdict(settings),
        "step": step,
        "field": field.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": generator.get_state(),
        "cpu_s": clock.total_s(),
    }
    with atomic_file(path) as temporary:
        torch.save(state, temporary)


def _resume(
    path: Path,
    field: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    settings: FitSettings,
) -> tuple[int, _Clock]:
    advice = "remove it to start over, or write elsewhere"
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        if state["settings"] != asdict(settings):
            raise FitMismatchError(f"{path}: belongs to a fit with other settings; {advice}")
        field.load_state_dict(state["field"])
        optimizer.load_state_dict(state["optimizer"])
        generator.set_state(state["generator"])
    except (RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FitMismatchError(f"{path}: not a checkpoint of this fit ({reason}); {advice}") from error
    return state["step"], _Clock(state["cpu_s"])
