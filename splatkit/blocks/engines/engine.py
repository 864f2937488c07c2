"""What runs blocks: an engine takes those that are to be trained and reports how far they are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from splatkit.blocks.plan_file import Block, Plan
from splatkit.errors import SplatkitError
from splatkit.progress import Progress

_STEP = re.compile(rb"^(?:\x1b\[[0-9;?]*[A-Za-z])*(\d+) \(\d+\.\d+%\)", re.MULTILINE)
_TAIL_BYTES = 1 << 14  # of a log that hold its last step and its last words


class BlockFailedError(SplatkitError):
    """Blocks could not be trained; the message names them and says why."""


@dataclass(frozen=True)
class Failure:
    """A block that could not be trained."""

    block: Block
    reason: str


class Engine(Protocol):
    """Trains blocks somewhere."""

    def train(self, plan: Plan, blocks: Sequence[Block], progress: Progress) -> list[Failure]:
        """Train blocks, each by `block.main` in a process of its own; those that fail do not keep others from it.

        Args:
            plan: of the blocks.
            blocks: to train.
            progress: shows the steps of all blocks together.

        Returns:
            The blocks that could not be trained.
        """
        ...


class StepCounter:
    """How many steps of training are done in all blocks together, by their logs."""

    def __init__(self, plan: Plan, blocks: Sequence[Block]) -> None:
        self._plan, self._blocks = plan, blocks
        self._done = dict.fromkeys((block.name for block in blocks), 0)

    @property
    def total(self) -> int:
        """When all blocks are trained."""
        return sum(block.steps for block in self._blocks)

    def more(self, finished: set[str]) -> int:
        """How many more are done than when this was last asked; `finished` are names of blocks at their end."""
        before = sum(self._done.values())
        for block in self._blocks:
            step = block.steps if block.name in finished else last_step(self._plan.log_file(block))
            self._done[block.name] = max(self._done[block.name], min(step, block.steps))
        return sum(self._done.values()) - before


def last_step(log: Path) -> int:
    """The last step that a training said it did; 0 before it said anything."""
    found = _STEP.findall(_tail(log))
    return int(found[-1]) if found else 0


def last_words(log: Path) -> str:
    """The last line that a process left in its log, for a message."""
    lines = [line.strip() for line in _tail(log).decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _tail(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read()
    except OSError:
        return b""
