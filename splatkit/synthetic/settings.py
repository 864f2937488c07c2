"""What `make_scene` and its command take; apart from the code that does it, so that commands start at once."""

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from splatkit.synthetic.defects import Defects, LidarFaults


@dataclass(frozen=True)
class SceneSettings:
    """Render a generated scene as a nerfstudio dataset, with exact depth and mesh beside it.

    Scenes that are walked through (courtyard) come with LiDAR scans, and with defects if they are asked for.
    """

    name: tyro.conf.Positional[str]
    """A scene that comes with the package (studio, pebbles, backdrop, courtyard), or a .toml file."""
    out: Path
    """Folder to make."""
    width: int = 320
    """Of the images, px."""
    height: int = 240
    """Of the images, px."""
    views: int = 48
    """Number of images; every 8th (of a rig every 8th moment) is held out for testing."""
    scans: int = 40
    """Number of LiDAR turns on a walk."""
    board_poses: int = 0
    """Of a calibration board, held before each camera of the rig that is walked: photographs and scans in boards/."""
    seed: int = 0
    """Of everything random."""
    overwrite: bool = False
    """Replace an existing folder."""
    faults: LidarFaults = field(default_factory=LidarFaults)
    defects: Defects = field(default_factory=Defects)
