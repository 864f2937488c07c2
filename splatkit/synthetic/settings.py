"""What `make_scene` and its command take; apart from the code that does it, so that commands start at once."""

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from splatkit.synthetic.defects import Defects, LidarFaults


@dataclass(frozen=True)
class SceneSettings:
    """Render a synthetic scene as a nerfstudio dataset, with its exact depth and mesh.

    Walks (courtyard) come with LiDAR scans, and with defects on request. Drives (parking) make photographs from
    fisheyes around a vehicle for `splatkit calibrate surround` instead.
    """

    name: tyro.conf.Positional[str]
    """A scene that comes with the package (studio, pebbles, backdrop, courtyard, parking), or a .toml file."""
    out: Path
    """Folder to make."""
    width: int = 320
    """Width of the images, px."""
    height: int = 240
    """Height of the images, px."""
    views: int = 48
    """Number of images; every 8th (on a walk, every 8th timestamp) is held out for testing."""
    scans: int = 40
    """Number of LiDAR sweeps on a walk."""
    board_poses: int = 0
    """Number of poses of a calibration board in front of each camera of a walk; photographs and scans go to boards/."""
    panoramas: int = 0
    """Number of equirectangular panoramas on a walk, as fine as its photographs; they go to panoramas/."""
    seed: int = 0
    """Seed of everything random."""
    overwrite: bool = False
    """Replace an existing folder."""
    faults: LidarFaults = field(default_factory=LidarFaults)
    defects: Defects = field(default_factory=Defects)
