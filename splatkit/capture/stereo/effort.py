"""How large photographs are compared by stereo, and how long that takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from splatkit.capture.stereo.settings import Level
from splatkit.io.transforms_json import Frame
from splatkit.stereo.settings import LEVELS
from splatkit.stereo.working_views import working_camera

CPU_S_PER_MEGAPIXEL = 12.0  # of the images that are compared
_LONG_S = 20 * 60.0  # of CPU time that nobody asked for


@dataclass(frozen=True)
class Effort:
    """What is done, and why."""

    level: Level
    cpu_s: float  # estimated
    reason: str  # why this level; empty where it was asked for

    def __str__(self) -> str:
        """On one line."""
        return f"stereo at {self.level}, about {_duration(self.cpu_s)} of CPU time{self.reason and f' ({self.reason})'}"


def choose_effort(frames: Sequence[Frame], asked: Level | None) -> Effort:
    """The level that was asked for; else medium, or low where medium takes more than 20 CPU-minutes.

    Raises:
        DatasetError: stereo cannot work on the lens of a photograph; names it.
    """
    if asked is not None:
        return Effort(asked, estimated_cpu_s(frames, asked), "")
    medium = estimated_cpu_s(frames, "medium")
    if medium <= _LONG_S:
        return Effort("medium", medium, f"chosen because it takes less than {_duration(_LONG_S)}")
    return Effort("low", estimated_cpu_s(frames, "low"), f"chosen because medium takes {_duration(medium)}")


def estimated_cpu_s(frames: Sequence[Frame], level: Level) -> float:
    """What stereo of these photographs takes, by the pixels of the images that are compared.

    Raises:
        DatasetError: see `choose_effort`.
    """
    cameras = [working_camera(frame, LEVELS[level]).camera for frame in frames]
    return CPU_S_PER_MEGAPIXEL * sum(camera.width * camera.height for camera in cameras) / 1e6


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"
