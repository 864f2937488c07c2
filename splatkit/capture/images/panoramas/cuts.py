"""Pinhole images cut from an equirectangular panorama, as sharp as it is and without aliasing.

A panorama of W px has W / (2 pi) px per radian along its horizon, and that is the focal length of its cuts: in their
middle pixels correspond one to one, and toward their edges a cut has more. Toward the poles a row of the panorama has
more pixels than there is to see, 1 / cos(latitude) for one of the sphere. There it is averaged along the row over that
many pixels first, without which the cuts that look up and down alias.

Axes: the panorama's frame has z toward its middle, x to the right and y down, as the equirectangular lens has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import compose

Choice = Literal["sides", "upper", "all"]

FOV_DEG = 100.0  # of each of the six; beyond 90 they overlap, so that features on an edge are whole in one of them
_MARGIN = 4  # px that the panorama is continued by beyond its edges; interpolation takes four
_ROWS = 256  # of a cut that are resampled at a time
_LEAST_AVERAGED = 1.05  # px: over less than this an average changes nothing
_MOST_SIDE = 32767 - 2 * _MARGIN  # px: OpenCV counts in 16 bits


@dataclass(frozen=True)
class CutDirection:
    """Where a cut looks."""

    name: str
    yaw_deg: float  # to the right of the panorama's middle
    pitch_deg: float  # up

    @property
    def T_panorama_cut(self) -> NDArray[np.float64]:
        """[4, 4]; a rotation."""
        rotation = Rotation.from_euler("yx", [self.yaw_deg, self.pitch_deg], degrees=True)
        return compose(rotation.as_matrix(), np.zeros(3))


SIDES = tuple(CutDirection(*side) for side in (("front", 0, 0), ("right", 90, 0), ("back", 180, 0), ("left", 270, 0)))
UP, DOWN = CutDirection("up", 0, 90), CutDirection("down", 0, -90)
DIRECTIONS: dict[Choice, tuple[CutDirection, ...]] = {
    "sides": SIDES,
    "upper": (*SIDES, UP),
    "all": (*SIDES, UP, DOWN),
}


def cut_camera(panorama_width: int) -> Camera:
    """The pinhole of the cuts of panoramas of that width, px."""
    half = np.tan(np.deg2rad(FOV_DEG) / 2)
    side = 2 * round(panorama_width / (2 * np.pi) * half)
    return Camera("pinhole", side, side, side / 2 / half, side / 2 / half, side / 2, side / 2)


def panorama_camera(width: int, height: int) -> Camera:
    """The lens of a whole panorama."""
    return Camera("equirectangular", width, height, width / (2 * np.pi), height / np.pi, width / 2, height / 2)


def averaged(panorama: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A panorama [H, W, C] with its rows averaged toward the poles, where they have more pixels than one sees."""
    height, width = panorama.shape[:2]
    out = panorama.copy()
    latitudes = ((np.arange(height) + 0.5) / height - 0.5) * np.pi
    for row, window in enumerate(np.minimum(1 / np.cos(latitudes), width)):
        if window >= _LEAST_AVERAGED:
            out[row] = _averaged_row(panorama[row], window)
    return out


def continued(panorama: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H + 8, W + 8, C] of a panorama [H, W, C]: what lies beyond its edges is its other side."""
    out = np.pad(panorama, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="wrap")
    half = panorama.shape[1] // 2  # beyond a pole lies the other half of the same meridian
    out[:_MARGIN] = _across_pole(panorama[:_MARGIN], half)
    out[-_MARGIN:] = _across_pole(panorama[-_MARGIN:], half)
    return out


def _across_pole(rows: NDArray[np.uint8], half: int) -> NDArray[np.uint8]:
    other = np.roll(rows[::-1], half, axis=1)
    return np.pad(other, ((0, 0), (_MARGIN, _MARGIN), (0, 0)), mode="wrap")


def cut(
    source: NDArray[np.uint8], direction: CutDirection, camera: Camera, interpolation: int = cv2.INTER_LANCZOS4
) -> NDArray[np.uint8]:
    """What a pinhole sees of a panorama.

    Args:
        source: [H + 8, W + 8, C], of `continued`.
        direction: where the pinhole looks.
        camera: the pinhole.
        interpolation: of OpenCV; masks take cv2.INTER_NEAREST.

    Returns:
        [h, w, C] for the camera's h by w px.
    """
    height, width = (side - 2 * _MARGIN for side in source.shape[:2])
    lens = panorama_camera(width, height)
    out = np.empty((camera.height, camera.width, source.shape[2]), np.uint8)
    columns = np.arange(camera.width) + 0.5
    for top in range(0, camera.height, _ROWS):
        rows = np.arange(top, min(top + _ROWS, camera.height)) + 0.5
        pixels = np.stack(np.meshgrid(columns, rows), -1)
        rays = np.concatenate(
            [(pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy), np.ones((*pixels.shape[:2], 1))], -1
        )
        seen = lens.image(rays @ direction.T_panorama_cut[:3, :3].T)
        x, y = np.moveaxis((seen + _MARGIN - 0.5).astype(np.float32), -1, 0)  # OpenCV's first pixel center is 0
        part = cv2.remap(source, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE)
        out[top : top + len(rows)] = part.reshape(len(rows), camera.width, -1)
    return out


def nadir_mask(direction: CutDirection, camera: Camera, nadir_deg: float) -> NDArray[np.bool_]:
    """Pixels [h, w] of a cut that look farther than an angle away from straight down."""
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    down = direction.T_panorama_cut[1, :3]
    cosine = (x * down[0] + y * down[1] + down[2]) / np.sqrt(x * x + y * y + 1)
    return np.asarray(cosine < np.cos(np.deg2rad(nadir_deg)))


def is_too_wide(width: int) -> bool:
    """Whether a panorama of that width, px, cannot be resampled."""
    return width > _MOST_SIDE


def blind_directions(directions: Sequence[CutDirection], camera: Camera, nadir_deg: float) -> list[CutDirection]:
    """Those of which a nadir of that angle leaves nothing."""
    return [direction for direction in directions if not nadir_mask(direction, camera, nadir_deg).any()]


def _averaged_row(row: NDArray[np.uint8], window: float) -> NDArray[np.uint8]:
    """Means [W, C] over `window` px of a row [W, C] that closes into a ring, as exact as fractions of pixels are."""
    width = len(row)
    ring = np.concatenate([row, row, row]).astype(np.float64)
    sums = np.concatenate([np.zeros((1, row.shape[1])), np.cumsum(ring, axis=0)])
    centers = np.arange(width) + width + 0.5
    ends = []
    for edge in (centers - window / 2, centers + window / 2):
        whole = np.floor(edge).astype(np.int64)
        ends.append(sums[whole] + (edge - whole)[:, None] * (sums[whole + 1] - sums[whole]))
    return np.asarray((ends[1] - ends[0]) / window + 0.5, dtype=np.uint8)
