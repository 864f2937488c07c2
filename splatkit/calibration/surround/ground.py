"""The ground as cameras around a vehicle see it: which part of it, how finely, and from above.

A ground frame has the ground as z = 0; of a vehicle that leans on its suspension it is not quite the vehicle's.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, invert, transform_points

_LEVELS = 5  # of an image pyramid
_NODE = 4  # cells between the places where a camera is asked; between them it is smooth
_BORDER_PX = 2.0  # of a photograph


@dataclass(frozen=True)
class GroundGrid:
    """A raster on the ground; the first cell's center is at `low`."""

    low: tuple[float, float]  # m, x and y
    cell: float  # m
    shape: tuple[int, int]  # cells along y and x: rows count to the left, columns ahead

    def places(self) -> Array:
        """[H, W, 2] centers of the cells, m."""
        y, x = (self.low[1 - axis] + self.cell * np.arange(self.shape[axis]) for axis in (0, 1))
        return np.stack(np.meshgrid(x, y), -1)

    def coarse(self, factor: int) -> "GroundGrid":
        """Every `factor`-th cell of it, up to the border or beyond."""
        rows, columns = (-(-(count - 1) // factor) + 1 for count in self.shape)
        return GroundGrid(self.low, self.cell * factor, (max(rows, 4), max(columns, 4)))


def ground_points(rays: Array, T_ground_camera: Array) -> tuple[Array, Array]:
    """Where rays [N, 3] of a camera meet the ground, [N, 2] m, and their directions [N, 3]; NaN where they do not."""
    ways = rays @ T_ground_camera[:3, :3].T
    down = np.where(ways[:, 2] < 0, ways[:, 2], np.nan)
    center = T_ground_camera[:3, 3]
    return center[:2] - (center[2] / down)[:, None] * ways[:, :2], ways


def see_ground(camera: Camera, T_ground_camera: Array, places: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """What a camera sees of places on the ground.

    Args:
        camera: its lens.
        T_ground_camera: [4, 4].
        places: [N, 2] m.

    Returns:
        Pixels [N, 2]; footprints [N, 2, 2], how places move as pixels do, m/px; and which are in the image [N].
    """
    T_camera_ground = invert(T_ground_camera)
    local = transform_points(T_camera_ground, np.concatenate([places, np.zeros((len(places), 1))], 1))
    _, inside = camera.project(local)
    pixels, to_points = camera.jacobian(local)
    inside &= (pixels > _BORDER_PX).all(1) & (pixels < np.array([camera.width, camera.height]) - _BORDER_PX).all(1)
    rates = to_points @ T_camera_ground[:3, :2]
    (a, b), (c, d) = rates.transpose(1, 2, 0)
    determinants = a * d - b * c
    inside &= np.abs(determinants) > 1e-6
    adjugates = np.stack([d, -b, -c, a], 1).reshape(-1, 2, 2)
    divisors = np.where(inside, determinants, 1.0)[:, None, None]
    return pixels, np.where(inside[:, None, None], adjugates / divisors, np.eye(2)), inside


def footprint_sizes(footprints: Array) -> Array:
    """[N] the longer way that a place moves as a pixel does, m, of footprints [N, 2, 2]."""
    (a, b), (c, d) = footprints.transpose(1, 2, 0)
    # A matrix is a rotation that scales and a reflection that does; along one direction both add up.
    return np.asarray((np.hypot(a + d, c - b) + np.hypot(a - d, b + c)) / 2)


def pyramid(gray: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """A photograph [H, W] or [H, W, 3], and the same at half the size, and again."""
    out = [gray]
    while len(out) < _LEVELS and min(out[-1].shape[:2]) >= 16:
        out.append(np.asarray(cv2.pyrDown(out[-1]), dtype=np.float32))
    return out


def look_down(
    levels: list[NDArray[np.float32]], camera: Camera, T_ground_camera: Array, grid: GroundGrid
) -> NDArray[np.float32]:
    """The ground from above, [H, W] or [H, W, 3], without what is too fine for the grid.

    Args:
        levels: a photograph's `pyramid`.
        camera: of the photograph.
        T_ground_camera: [4, 4].
        grid: what of the ground.
    """
    nodes = grid.coarse(_NODE)
    places = nodes.places().reshape(-1, 2)
    pixels, footprints, _ = see_ground(camera, T_ground_camera, places)
    sizes = np.sqrt(np.abs(np.linalg.det(footprints)))
    rows, columns = (np.arange(count, dtype=float) for count in grid.shape)
    spacings = [_NODE * np.arange(count, dtype=float) for count in nodes.shape]
    size = np.array([camera.width, camera.height])  # beside a lens pixels may be anywhere, and bend the spline
    pixels = np.clip(np.nan_to_num(pixels), -size, 2 * size)
    x, y = (RectBivariateSpline(*spacings, part.reshape(nodes.shape))(rows, columns) for part in pixels.T)
    wanted = np.clip(np.log2(np.maximum(grid.cell / sizes, 1e-3)), 0, len(levels) - 1).reshape(nodes.shape)
    level = RectBivariateSpline(*spacings, wanted, kx=1, ky=1)(rows, columns)
    out = np.zeros((*grid.shape, *levels[0].shape[2:]), np.float32)
    for number, image in enumerate(levels):
        share = np.maximum(1 - np.abs(level - number), 0).astype(np.float32)  # linear between two neighbors
        if share.any():
            scale = 2.0**-number
            at_x, at_y = (((part - 0.5) * scale).astype(np.float32) for part in (x, y))  # pyrDown keeps even pixels
            shown = cv2.remap(image, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            out += share.reshape(*share.shape, *[1] * (shown.ndim - 2)) * shown
    return out


def under_vehicle(places: Array, centers: Array) -> NDArray[np.bool_]:
    """Which places [N, 2] lie below the polygon around the cameras' centers [C, 3]: there the vehicle itself is."""
    corners = cv2.convexHull(centers[:, :2].astype(np.float32), clockwise=False)[:, 0]
    if len(corners) < 3:
        return np.zeros(len(places), bool)
    sides = np.roll(corners, -1, axis=0) - corners
    arms = places[:, None] - corners
    across = sides[:, 0] * arms[..., 1] - sides[:, 1] * arms[..., 0]
    return np.asarray((across > 0).all(1) | (across < 0).all(1))
