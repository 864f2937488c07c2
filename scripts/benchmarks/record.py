"""One measured quantity."""

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Record:
    """A quantity with what it depends on, over repeats; peers measured in the same run beside it."""

    name: str
    params: dict[str, str | int]
    unit: str
    median: float
    min: float
    max: float
    repeats: int
    peers: dict[str, float] = field(default_factory=dict)


def record(name: str, params: dict[str, str | int], unit: str, values: list[float]) -> Record:
    """Summarize repeats."""
    return Record(name, params, unit, statistics.median(values), min(values), max(values), len(values))
