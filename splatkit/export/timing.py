"""What the steps of an export found and cost."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from splatkit.memory import peak_memory_mb

_LOGGER = logging.getLogger(__name__)


@dataclass
class StepTimer:
    """Steps, one after the other."""

    entries: list[dict[str, Any]] = field(default_factory=list)  # what each found; wall and CPU time, s; memory, GB

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time what is done inside; what is put into the dictionary is kept."""
        found: dict[str, Any] = {}
        wall, cpu = time.perf_counter(), time.process_time()
        yield found
        took = {
            "wall_s": round(time.perf_counter() - wall, 3),
            "cpu_s": round(time.process_time() - cpu, 3),
            "peak_memory_gb": round(peak_memory_mb() / 1000, 3),
        }
        self.entries.append({"step": name, **found, **took})
        _LOGGER.info("%s: %s", name, ", ".join(f"{what}: {value}" for what, value in (found | took).items()))

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds of each step."""
        return {entry["step"]: entry["wall_s"] for entry in self.entries}
