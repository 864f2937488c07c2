"""Pixels of points and rays of pixels, for every camera model that a dataset may have.

Brown-Conrady: OpenCV's model with k1, k2, p1, p2, k3. Fisheye: Kannala and Brandt, TPAMI 2006, as OpenCV has it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.rectification import opencv_distortion
from splatkit.io.transforms_json import Intrinsics

_EDGE_SAMPLES = 33
_REAL = 1e-9
_BEYOND_EDGE = 1.05  # of the view's radius: farther rays are not looked at, for a polynomial folds them back in
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)
_MOST_SIDEWAYS = np.tan(np.deg2rad(85.0))  # of a fisheye's rays; beyond, z says little of the distance


def project(
    points: NDArray[np.floating], camera: Intrinsics, nearest: float = 0.05
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Pixels [N, 2] of points [N, 3] in a camera's frame (x right, y down, z forward), and which are in the image.

    The first pixel's center is at 0.5. Rays beyond the image's own edge count as outside even where the lens's
    polynomial brings them back into it; so do points closer than `nearest`.

    Raises:
        DatasetError: an equirectangular image.
    """
    if camera.camera_model == "EQUIRECTANGULAR":
        raise DatasetError("EQUIRECTANGULAR images have no projection to pixels here; cut them into pinhole views")
    x, y, z = np.asarray(points).T
    seen = z > nearest
    depth = np.where(seen, z, 1)
    x, y = x / depth, y / depth
    if any(camera.distortion) or camera.camera_model == "OPENCV_FISHEYE":
        seen &= np.hypot(x, y) <= _largest_radius(camera)
        x, y = np.where(seen, x, 0), np.where(seen, y, 0)
        x, y = _distort(x, y, camera)
    pixels = np.stack([x * camera.fl_x + camera.cx, y * camera.fl_y + camera.cy], -1)
    pixels[~seen] = -1
    return pixels, seen & ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(-1)


def pixel_tangents(pixels: NDArray[np.floating], camera: Intrinsics) -> NDArray[np.float64]:
    """Rays of pixels [N, 2] as x / z and y / z, [N, 2] in the camera's frame; NaN beyond what the lens shows."""
    K = camera.matrix()
    if camera.camera_model == "OPENCV_FISHEYE":
        rays = cv2.fisheye.undistortPoints(
            np.asarray(pixels, np.float64)[:, None], K, opencv_distortion(camera), None, np.eye(3), None, _CRITERIA
        )[:, 0]
        radii = np.hypot(*rays.T)
        rays[~(radii <= min(_fold_radius(camera), _MOST_SIDEWAYS))] = np.nan
        return np.asarray(rays)
    if not any(camera.distortion):
        return np.asarray((pixels - K[:2, 2]) / K[[0, 1], [0, 1]])
    places = np.asarray(pixels, np.float64)[:, None]
    return np.asarray(
        cv2.undistortPointsIter(places, K, opencv_distortion(camera), np.eye(3), np.eye(3), _CRITERIA)[:, 0]
    )


def _distort(
    x: NDArray[np.floating], y: NDArray[np.floating], camera: Intrinsics
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Where rays x / z, y / z fall on a sensor at distance 1."""
    if camera.camera_model == "OPENCV_FISHEYE":
        k1, k2, k3, k4 = opencv_distortion(camera).tolist()  # plain floats keep float32 what it is
        radius = np.hypot(x, y)
        angle = np.arctan(radius)
        s = angle * angle
        factor = angle * (1 + s * (k1 + s * (k2 + s * (k3 + s * k4)))) / np.maximum(radius, 1e-12)
        factor = np.where(radius > 0, factor, 1)
        return x * factor, y * factor
    k1, k2, p1, p2, k3 = opencv_distortion(camera).tolist()
    s, product = x * x + y * y, 2 * x * y
    factor = 1 + s * (k1 + s * (k2 + s * k3))
    return (
        x * factor + p1 * product + p2 * (s + 2 * x * x),
        y * factor + p1 * (s + 2 * y * y) + p2 * product,
    )


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
    rays = pixel_tangents(edge, camera)
    finite = rays[np.isfinite(rays).all(1)]
    farthest = float(np.hypot(*finite.T).max()) if len(finite) == len(rays) else _MOST_SIDEWAYS
    return min(_BEYOND_EDGE * farthest, _fold_radius(camera))


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
