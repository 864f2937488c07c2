"""How large photographs are compared by stereo, and how long that takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from splatkit.capture.stereo.settings import Level
from splatkit.io.transforms_json import Frame
from splatkit.stereo.settings import LEVELS
from splatkit.stereo.working_views import working_camera

CPU_S_PER_MEGAPIXEL = 16.0  # of working images, on a machine of 2 cores with AVX-512
_ORDINARY = 4 / 3  # width by height
_LONG_S = 20 * 60.0  # of CPU time that nobody asked for


@dataclass(frozen=True)
class Effort:
    """What is done, and why."""

    level: Level
    megapixels: float  # of all images that are compared
    cpu_s: float  # estimated
    reason: str  # why this level; empty where it was asked for

    @property
    def label(self) -> str:
        """Few words for a bar."""
        return f"stereo at {self.level}, about {_duration(self.cpu_s)}"

    def __str__(self) -> str:
        """On one line."""
        return f"{self.label} of CPU time" + (f" ({self.reason})" if self.reason else "")


def choose_effort(frames: Sequence[Frame], asked: Level | None) -> Effort:
    """The level that was asked for; else medium, or low where medium takes more than 20 CPU-minutes.

    Raises:
        DatasetError: stereo cannot work on the lens of a photograph; names it.
    """
    return _chosen(asked, lambda level: _compared(frames, level))


def rough_effort(photographs: int, megapixels: float, asked: Level | None) -> Effort:
    """See `choose_effort`; for so many photographs of so many megapixels and ordinary shape each."""

    def compared(level: Level) -> float:
        return photographs * min(megapixels, LEVELS[level] ** 2 / _ORDINARY / 1e6)

    return _chosen(asked, compared)


def _chosen(asked: Level | None, compared: Callable[[Level], float]) -> Effort:
    """The effort, by how many megapixels are compared at a level."""

    def effort(level: Level, reason: str = "") -> Effort:
        return Effort(level, compared(level), CPU_S_PER_MEGAPIXEL * compared(level), reason)

    if asked is not None:
        return effort(asked)
    medium = effort("medium", f"chosen because it takes less than {_duration(_LONG_S)}")
    if medium.cpu_s <= _LONG_S:
        return medium
    return effort("low", f"chosen because medium takes {_duration(medium.cpu_s)}")


def _compared(frames: Sequence[Frame], level: Level) -> float:
    cameras = [working_camera(frame, LEVELS[level]).camera for frame in frames]
    return sum(camera.width * camera.height for camera in cameras) / 1e6


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"
