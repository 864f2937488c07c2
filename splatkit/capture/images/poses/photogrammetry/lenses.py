"""Lenses of other programs as ours: exactly where ours can be theirs, else the nearest of ours, and how far off it is.

An image is compared at a grid of its pixels: their rays by the other lens, and where ours puts these.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.geometry.lens_models import LensName

Array = NDArray[np.float64]

MOST_OFF_PX = 0.5  # a lens that no lens of ours comes nearer to is refused
_EXACT_PX = 1e-3
_GRID = 25  # samples along the longer side
_STEPS = 30  # of Newton's method
_STEP = 1e-6
_LARGEST = 1e7  # of focal lengths (px) and of coefficients: what is larger is damage
_CURE = "export undistorted photographs, or calibrate with the plain Brown model"


def make_camera(
    where: Path | str,
    model: LensName,
    size: tuple[int, int],
    intrinsics: tuple[float, float, float, float],
    distortion: tuple[float, ...],
) -> Camera:
    """A camera of numbers from a file.

    Args:
        where: for messages.
        model: the lens; brown_conrady without distortion becomes a pinhole.
        size: width and height, px.
        intrinsics: fx, fy, cx, cy, px.
        distortion: as LENS_MODELS names it.

    Raises:
        DatasetError: they make no camera; `where` is named.
    """
    if not all(abs(value) < _LARGEST for value in (*intrinsics, *distortion)):
        raise DatasetError(f"{where}: a parameter of the lens is not finite, or makes no sense")
    if model == "brown_conrady" and not any(distortion):
        model, distortion = "pinhole", ()
    try:
        return Camera(model, *size, *intrinsics, distortion=distortion)
    except SettingsError as error:
        raise DatasetError(f"{where}: {error}") from error


def nearest_camera(project: Callable[[Array], Array], start: Camera, where: Path | str) -> tuple[Camera, float]:
    """The perspective camera of ours that is nearest to another.

    Args:
        project: pixels [N, 2] of directions x / z, y / z [N, 2] by the other lens.
        start: one of ours that is near.
        where: for messages.

    Returns:
        The camera, and by how many px it is off at most.

    Raises:
        DatasetError: none comes near; `where` is named.
    """
    pixels = _pixels(start)
    tangents = _tangents(project, start, pixels, where)
    points = np.concatenate([tangents, np.ones((len(tangents), 1))], axis=1)
    best, least = start, np.inf
    for count in (5, 8):
        camera = _fit(points, pixels, start, count)
        off = float(np.linalg.norm(camera.image(points) - pixels, axis=1).max())
        if off < least:
            best, least = camera, off
        if off < _EXACT_PX:
            break
    if not least < MOST_OFF_PX:
        raise DatasetError(f"{where}: no lens that is known comes nearer to this one than {least:.2g} px; {_CURE}")
    return best, least


def nearest_fisheye(radius: Callable[[Array], Array], start: Camera, where: Path | str) -> tuple[Camera, float]:
    """The Kannala-Brandt camera whose images are nearest to those of another fisheye; see `nearest_camera`.

    Args:
        radius: distance [N] from the principal point, in the focal length of `start`, of angles [N] from the axis, rad.
        start: size, focal length and center.
        where: for messages.
    """
    corners = np.array([[x, y] for x in (0, start.width) for y in (0, start.height)])
    farthest = float(np.linalg.norm((corners - [start.cx, start.cy]) / [start.fx, start.fy], axis=1).max())
    angles = np.linspace(0, np.pi, 4 * 181)[1:]
    distances = radius(angles)
    beyond = np.flatnonzero((distances > farthest) | (np.diff(distances, prepend=0.0) <= 0))
    angles = angles[: beyond[0] + 1] if len(beyond) else angles
    distances = radius(angles)
    powers = np.stack([angles**n for n in (3, 5, 7, 9)], axis=1)
    coefficients = np.linalg.lstsq(powers, distances - angles, rcond=None)[0]
    off = float(np.abs(angles + powers @ coefficients - distances).max()) * max(start.fx, start.fy)
    if not off < MOST_OFF_PX:
        raise DatasetError(f"{where}: no lens that is known comes nearer to this fisheye than {off:.2g} px; {_CURE}")
    lens = (start.fx, start.fy, start.cx, start.cy)
    return make_camera(where, "kannala_brandt", (start.width, start.height), lens, tuple(coefficients.tolist())), off


def _pixels(camera: Camera) -> Array:
    """Of a grid that reaches to the edges, [N, 2]."""
    across = np.linspace(0, camera.width, _GRID)
    down = np.linspace(0, camera.height, max(2, round(_GRID * camera.height / camera.width)))
    return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)


def _tangents(project: Callable[[Array], Array], start: Camera, pixels: Array, where: Path | str) -> Array:
    """x / z and y / z [N, 2] that the other lens shows at pixels [N, 2], by Newton's method."""
    found = (pixels - [start.cx, start.cy]) / [start.fx, start.fy]
    with np.errstate(all="ignore"):
        for _ in range(_STEPS):
            off = project(found) - pixels
            slopes = [(project(found + step) - project(found - step)) / (2 * _STEP) for step in np.eye(2) * _STEP]
            (a, c), (b, d) = slopes[0].T, slopes[1].T
            change = np.stack([d * off[:, 0] - b * off[:, 1], a * off[:, 1] - c * off[:, 0]], axis=1)
            found = found - np.clip(change / (a * d - b * c)[:, None], -0.3, 0.3)
        off = np.linalg.norm(project(found) - pixels, axis=1)
    if not (off < _EXACT_PX).all():
        raise DatasetError(f"{where}: the lens shows nothing at some of its pixels: its polynomial turns back; {_CURE}")
    return found


def _fit(points: Array, pixels: Array, start: Camera, count: int) -> Camera:
    """By least squares, with as many coefficients of brown_conrady."""
    given = start.distortion[:count]
    camera = Camera(
        *("brown_conrady", start.width, start.height, start.fx, start.fy, start.cx, start.cy),
        (*given, *[0.0] * (count - len(given))),
    )
    found = least_squares(
        lambda values: (camera.with_parameters(values).image(points) - pixels).ravel(),
        camera.parameters,
        lambda values: camera.with_parameters(values).jacobians(points)[2].reshape(2 * len(points), -1),
        x_scale="jac",
        max_nfev=200,
    )
    return camera.with_parameters(found.x)
