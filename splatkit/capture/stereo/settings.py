"""What `capture_stereo` and its command take; apart from the code that does it, so that commands start at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MOST_POINTS = 500_000  # of a seed cloud, where nothing else is said
Level = Literal["low", "medium", "high"]
AskedStereo = Literal["auto", "off", "low", "medium", "high"]


@dataclass(frozen=True)
class CaptureStereoSettings:
    """Add depth, normals and a dense cloud to a dataset with poses, by comparing its photographs.

    The dataset is written again with them. Existing depths, from a LiDAR for example, stay, and stereo fills the gaps.
    Photographs that are held out for evaluation are not used, and the dataset lists them. If interrupted, the same
    command resumes.
    """

    dataset: Path
    """Photographs with poses: a folder with a transforms.json."""
    out: Path = Path("dataset")
    """Folder to make."""
    stereo: Literal["auto", "low", "medium", "high"] = "auto"
    """How large photographs are compared: 640, 1000 or 2000 px; auto is medium, or low where that takes 20 minutes."""
    points: int = MOST_POINTS
    """Maximum number of points in the seed cloud; dense.ply has all."""
    overwrite: bool = False
    """Replace an existing folder."""
