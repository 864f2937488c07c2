"""`splatkit capture`: raw photographs and scans to a dataset."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from splatkit.commands.capture_images import Images
from splatkit.commands.capture_lidar import Lidar, Static


@dataclass(frozen=True)
class Capture:
    """Make a dataset that splatkit and nerfstudio train on."""

    what: (
        Annotated[Images, tyro.conf.subcommand("images", prefix_name=False)]
        | Annotated[Lidar, tyro.conf.subcommand("lidar", prefix_name=False)]
        | Annotated[Static, tyro.conf.subcommand("static", prefix_name=False)]
    )

    def run(self) -> None:
        """Run what was asked for."""
        self.what.run()
