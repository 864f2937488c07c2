"""What `capture_stereo` and its command take; apart from the code that does it, so that commands start at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MOST_POINTS = 500_000  # of a seed cloud, where nothing else is said
Level = Literal["low", "medium", "high"]
AskedStereo = Literal["auto", "off", "low", "medium", "high"]


@dataclass(frozen=True)
class CaptureStereoSettings:
    """Give a dataset of photographs with poses depths, normals and a dense cloud, found by comparing its photographs.

    The dataset is written again with them. Depths that it has already, of a LiDAR say, stay where they are, and stereo
    fills in between. Photographs that are held out for evaluation are not looked at, and which these are is written
    down. Interrupt it at any moment: the same command goes on.
    """

    dataset: Path
    """Photographs with poses: a folder with a transforms.json."""
    out: Path = Path("dataset")
    """Folder to make."""
    stereo: Literal["auto", "low", "medium", "high"] = "auto"
    """How large photographs are compared: 640, 1000 or 2000 px; auto is medium, or low where that takes 20 minutes."""
    points: int = MOST_POINTS
    """Most points in the seed cloud; dense.ply has all."""
    overwrite: bool = False
    """Replace an existing folder."""
