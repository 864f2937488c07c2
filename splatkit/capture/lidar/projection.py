"""Pixels of points, for every camera model that a dataset may have."""

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.conventions import opencv_camera
from splatkit.io.transforms_json import Intrinsics

_NEAREST_M = 0.05  # in front of the camera
_EDGE_SAMPLES = 33
_REAL = 1e-9
_BEYOND_EDGE = 1.05  # of the view's radius: farther rays are not looked at, for a polynomial folds them back in


def project(points: NDArray[np.floating], camera: Intrinsics) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Pixels [N, 2] of points [N, 3] in a camera's frame (x right, y down, z forward), and which are in the image.

    The first pixel's center is at 0.5. Rays beyond the image's own edge count as outside even where the lens's
    polynomial brings them back into it.
    """
    points = np.asarray(points, dtype=np.float64)
    pixels = np.full((len(points), 2), -1.0)
    ahead = np.flatnonzero(points[:, 2] > _NEAREST_M)
    if any(camera.distortion):
        radii = np.hypot(*points[ahead, :2].T) / points[ahead, 2]
        ahead = ahead[radii <= _largest_radius(camera)]
    if len(ahead) == 0:
        return pixels, np.zeros(len(points), dtype=bool)
    pixels[ahead] = opencv_camera(camera).project(points[ahead])[0] + 0.5
    inside = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(-1)
    return pixels, inside


def _largest_radius(camera: Intrinsics) -> float:
    """Distance from the axis, at depth 1, of the outermost ray looked at: the image's edge, or where the lens folds."""
    x, y = np.linspace(0, camera.width, _EDGE_SAMPLES), np.linspace(0, camera.height, _EDGE_SAMPLES)
    edge = np.concatenate(
        [
            np.column_stack([x, np.zeros_like(x)]),
            np.column_stack([x, np.full_like(x, camera.height)]),
            np.column_stack([np.zeros_like(y), y]),
            np.column_stack([np.full_like(y, camera.width), y]),
        ]
    )
    rays = opencv_camera(camera).normalized(edge - 0.5)
    return min(_BEYOND_EDGE * float(np.hypot(*rays[np.isfinite(rays).all(1)].T).max()), _fold_radius(camera))


def _fold_radius(camera: Intrinsics) -> float:
    """Distance from the axis, at depth 1, up to which farther rays fall farther out: the first zero of the derivative.

    A pinhole's polynomial is of that distance, a fisheye's of the angle.
    """
    k1, k2, k3, k4 = camera.distortion[:4]
    fisheye = camera.camera_model == "OPENCV_FISHEYE"
    roots = np.roots([9 * k4 if fisheye else 0.0, 7 * k3, 5 * k2, 3 * k1, 1.0])  # in the square
    squares = roots.real[(np.abs(roots.imag) < _REAL) & (roots.real > 0)]
    if len(squares) == 0:
        return np.inf
    first = float(np.sqrt(squares.min()))
    if not fisheye:
        return first
    return float(np.tan(first)) if first < np.pi / 2 else np.inf
