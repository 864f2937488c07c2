"""Results of a study, one small file a case, so that an interrupted study resumes."""

import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from splatkit.io.atomic import atomic_file


class NamedCase(Protocol):
    """What a store asks of a case: a dataclass with the name of its file."""

    @property
    def name(self) -> str:
        """Of its file."""


CaseT = TypeVar("CaseT", bound=NamedCase)


@dataclass(frozen=True)
class Case:
    """One cell of a study: what was varied, and the seed."""

    section: str  # lines, images or scenes
    subject: str  # signal, picture or dataset
    kernel: str
    count: int  # of components
    seed: int
    steps: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.section}-{self.subject}-{self.kernel}-{self.count}-{self.seed}-{self.steps}"


class Store:
    """The folder of results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, case: NamedCase) -> Path:
        """Where the result of a case lies or will lie."""
        return self.folder / f"{case.name}.json"

    def compute(self, cases: Iterable[CaseT], measure: Callable[[CaseT], dict[str, float]]) -> None:
        """Measure the cases that have no result yet."""
        for case in cases:
            if self.path(case).is_file():
                continue
            result = measure(case)
            with atomic_file(self.path(case)) as temporary:
                temporary.write_text(json.dumps({"case": vars(case), "result": result}) + "\n")
            shown = "  ".join(f"{name} {value:.4g}" for name, value in result.items())
            print(f"{case.name:48} {shown}", flush=True)

    def read(self, cases: Iterable[CaseT]) -> list[tuple[CaseT, dict[str, float]]]:
        """Cases with a result, and the results."""
        found = [(case, self.path(case)) for case in cases]
        return [(case, json.loads(path.read_text())["result"]) for case, path in found if path.is_file()]


def mean_and_spread(values: list[float]) -> tuple[float, float]:
    """Mean and standard deviation (0 of a single value)."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def group_by(
    results: list[tuple[CaseT, dict[str, float]]], key: Callable[[CaseT], Any]
) -> dict[Any, list[tuple[CaseT, dict[str, float]]]]:
    """Results by a key, in the order in which the keys first appear."""
    groups: dict[Any, list[tuple[CaseT, dict[str, float]]]] = {}
    for case, result in results:
        groups.setdefault(key(case), []).append((case, result))
    return groups
