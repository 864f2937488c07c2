"""Cameras that do not move against each other, and which of them took which photograph when.

Words are COLMAP's: a rig has cameras, one of which is the reference whose axes are the rig's, and a frame is what they
took at one timestamp.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera


class Mount(NamedTuple):
    """Which camera of a rig took a photograph, and when."""

    camera: str
    frame: str


@dataclass(frozen=True, eq=False)
class RigCamera:
    """A camera on the body."""

    name: str
    T_camera_rig: NDArray[np.float64] | None = None  # [4, 4], and stays so; None: to be found
    camera: Camera | None = None  # the lens, which stays so; None: to be found


@dataclass(frozen=True, eq=False)
class CameraRig:
    """All of them; the first is the reference."""

    cameras: tuple[RigCamera, ...]
    mounts: Mapping[str, Mount]  # by name of the photograph; others are of no rig

    @property
    def is_known(self) -> bool:
        """Whether all relative poses are."""
        return all(camera.T_camera_rig is not None for camera in self.cameras)

    @property
    def is_one_point(self) -> bool:
        """Whether all cameras look from the same point, so that no two of them see parallax."""
        return all(camera.T_camera_rig is not None and not camera.T_camera_rig[:3, 3].any() for camera in self.cameras)

    @property
    def has_scale(self) -> bool:
        """Whether relative poses are known and tell lengths."""
        return self.is_known and not self.is_one_point

    def frames(self, names: Iterable[str]) -> list[list[str]]:
        """Photographs in groups that were taken together, in the order of the first of each; others are alone."""
        groups: dict[object, list[str]] = {}
        for name in names:
            mount = self.mounts.get(name)
            groups.setdefault(("alone", name) if mount is None else ("frame", mount.frame), []).append(name)
        return list(groups.values())

    def renamed(self, new: Mapping[str, str]) -> "CameraRig":
        """The same with other names of photographs."""
        return replace(self, mounts={new[name]: mount for name, mount in self.mounts.items()})

    def content(self) -> list[str]:
        """All that results depend on, in words."""
        cameras = [
            f"{camera.name} {None if camera.T_camera_rig is None else camera.T_camera_rig.tolist()} {camera.camera}"
            for camera in self.cameras
        ]
        return [*cameras, *(f"{name} {mount.camera} {mount.frame}" for name, mount in self.mounts.items())]
