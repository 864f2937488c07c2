"""`splatkit capture`: raw photographs and scans to a dataset."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.lidar.settings import CaptureLidarSettings, CaptureStaticSettings


@dataclass(frozen=True)
class Capture:
    """Make a dataset that splatkit and nerfstudio train on."""

    what: (
        Annotated[CaptureImagesSettings, tyro.conf.subcommand("images", prefix_name=False)]
        | Annotated[CaptureLidarSettings, tyro.conf.subcommand("lidar", prefix_name=False)]
        | Annotated[CaptureStaticSettings, tyro.conf.subcommand("static", prefix_name=False)]
    )
