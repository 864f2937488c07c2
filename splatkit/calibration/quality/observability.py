"""What a calibration is worth, in terms that people use: pixels at a distance, and the motion that is known least."""

from dataclasses import dataclass

import numpy as np

from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, point_motion

_GRID = (0.1, 0.5, 0.9)  # of the image, where uncertainty is stated
_FINE_GRID = tuple(np.linspace(0.025, 0.975, 20).tolist())
_SENSIBLE = 0.02  # of the image's width: more than that off, a point is drawn onto something else
JUDGED_M = 5.0  # where that is judged
FIRST_PIXEL = 0.5  # its center, from which the grid counts
_AXES = ("right", "down", "forward")  # of the camera's x, y, z
_LEVER_M = 3.0  # a rotation counts as much as the translation that it causes this far away


@dataclass(frozen=True)
class Weakness:
    """The motion of the LiDAR that the views see least of."""

    rotation_deg: Array  # [3] one standard deviation of it, about the camera's axes
    translation_m: Array  # [3] along them
    words: str


@dataclass(frozen=True)
class CertainPart:
    """The part of an image in which LiDAR points are drawn about where they are."""

    limit_px: float  # standard deviation up to which a point counts as drawn there
    share: float  # of the image
    box: tuple[int, int, int, int]  # left, top, right, bottom, px: around that part


def certain_part(covariance: Array, camera: Camera) -> CertainPart:
    """Where in the image a calibration is good for something, for points `JUDGED_M` away; see `pixel_uncertainty`."""
    limit = _SENSIBLE * camera.width
    good = pixel_uncertainty(covariance, camera, JUDGED_M, _FINE_GRID) <= limit
    if not good.any():
        return CertainPart(limit, 0.0, (0, 0, 0, 0))
    count = len(_FINE_GRID)
    rows, columns = (np.flatnonzero(good.any(axis)) for axis in (1, 0))
    left, right = (round(end * camera.width / count) for end in (columns[0], columns[-1] + 1))
    top, bottom = (round(end * camera.height / count) for end in (rows[0], rows[-1] + 1))
    return CertainPart(limit, float(good.mean()), (left, top, right, bottom))


def pixel_uncertainty(covariance: Array, camera: Camera, range_m: float, grid: tuple[float, ...] = _GRID) -> Array:
    """How far the image of a LiDAR point may be off, px.

    Args:
        covariance: [6, 6] of the twist of T_camera_lidar, or [6 + P, 6 + P] of that and of the camera's P intrinsics:
            where those were estimated too, errors of both largely undo each other. See `Solution`.
        camera: of the calibration.
        range_m: distance of the point from the camera.
        grid: shares of the image's width and height.

    Returns:
        [G, G] standard deviations along the worst direction in the image, by rows and columns of a grid over it;
        infinite where the lens has no ray.
    """
    x, y = np.meshgrid(np.array(grid) * camera.width, np.array(grid) * camera.height)
    points = range_m * camera.rays(np.stack([x.ravel(), y.ravel()], 1) + FIRST_PIXEL)
    _, to_points, to_intrinsics = camera.jacobians(points)
    to_pixels = np.concatenate([to_points @ point_motion(points), to_intrinsics], 2)[:, :, : len(covariance)]
    spread = to_pixels @ covariance @ np.swapaxes(to_pixels, 1, 2)
    out = np.full(len(points), np.inf)
    seen = np.isfinite(spread).all((1, 2))
    out[seen] = np.sqrt(np.linalg.eigvalsh(spread[seen])[:, 1])
    return out.reshape(len(grid), len(grid))


def weakest_motion(covariance: Array) -> Weakness:
    """The direction of the largest uncertainty, and which poses of the board would reduce it.

    Args:
        covariance: [6, 6], see `Solution`.
    """
    scale = np.array([_LEVER_M] * 3 + [1.0] * 3)
    values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale))
    motion = vectors[:, 5] * np.sqrt(max(values[5], 0.0)) / scale
    rotation, translation = motion[:3], motion[3:]
    if np.linalg.norm(translation) > _LEVER_M * np.linalg.norm(rotation):
        axis = int(np.abs(translation).argmax())
        cure = ("turned left and right", "tilted up and down", "at other distances, facing the camera")[axis]
        words = f"least known is the LiDAR's place along the camera's {_AXES[axis]} axis: add boards {cure}"
    else:
        axis = int(np.abs(rotation).argmax())
        cure = ("near the upper and lower border", "near the left and right border", "near the corners")[axis]
        words = f"least known is the rotation about the camera's {_AXES[axis]} axis: add boards {cure} of the image"
    return Weakness(np.degrees(rotation), translation, words)
