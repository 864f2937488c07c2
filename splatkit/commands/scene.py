"""`splatkit scene`: generated scenes as datasets."""

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from splatkit.synthetic.defects import Defects, LidarFaults


@dataclass(frozen=True)
class Scene:
    """Render a generated scene as a nerfstudio dataset, with exact depth and mesh beside it.

    Scenes that are walked through (courtyard) come with LiDAR scans, and with defects if they are asked for.
    """

    name: tyro.conf.Positional[str]
    """A scene that comes with the package (studio, pebbles, courtyard), or a .toml file."""
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
    seed: int = 0
    """Of everything random."""
    overwrite: bool = False
    """Replace an existing folder."""
    faults: LidarFaults = field(default_factory=LidarFaults)
    defects: Defects = field(default_factory=Defects)

    def run(self) -> None:
        """Render into a temporary folder, then rename it."""
        from splatkit.io.atomic import atomic_directory
        from splatkit.synthetic.dataset import generate_scene
        from splatkit.synthetic.description import find_scene, read_scene
        from splatkit.synthetic.walk_dataset import generate_walk

        description = read_scene(find_scene(self.name))
        if description.walk is None and (self.defects, self.faults) != (Defects(), LidarFaults()):
            raise ValueError(
                f"{description.name}: faults and defects need a scene that is walked through, as courtyard"
            )
        with atomic_directory(self.out, self.overwrite) as folder:
            size = (self.width, self.height)
            if description.walk is None:
                generate_scene(description, folder, *size, self.views, self.seed)
            else:
                generate_walk(description, folder, *size, self.views, self.scans, self.seed, self.faults, self.defects)
        scans = "" if description.walk is None else f", LiDAR turns: {self.scans}"
        print(f"{self.out}: {self.views} views of {description.name}, {self.width}x{self.height}{scans}")
