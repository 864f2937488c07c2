"""What a case of the smoke run is, and how its results are compared with the float64 definition."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from tests.helpers import relative_error


class Finding(NamedTuple):
    """How far one result is from its definition."""

    what: str
    error: float
    most: float  # allowed

    @property
    def fine(self) -> bool:
        """Whether it is near enough; not a number is not."""
        return self.error <= self.most


@dataclass(frozen=True)
class Case:
    """A small computation on a device, beside its definition on the CPU."""

    name: str
    kernels: frozenset[str]  # that it launches on a GPU, named as tests/native/ptxas.json has them
    run: Callable[[str], list[Finding]]  # on a device such as "cuda"


def compare(names: Sequence[str], actual: Sequence[Tensor], expected: Sequence[Tensor], most: float) -> list[Finding]:
    """Relative errors in the Euclidean norm, one for each result."""
    pairs = zip(names, actual, expected, strict=True)
    return [Finding(name, relative_error(a.cpu(), e), most) for name, a, e in pairs]


def share_beyond(what: str, actual: Tensor, expected: Tensor, near: float, most: float) -> Finding:
    """The share of values that differ by more than `near`: rounding may put single pixels on the other side."""
    beyond = ~((actual.detach().cpu().double() - expected.detach()).abs() <= near)
    return Finding(f"{what} (share of values off by more than {near:g})", beyond.double().mean().item(), most)
