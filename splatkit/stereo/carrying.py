"""Results of working cameras, carried back to the photographs' own pixels.

A rectification turns nothing, so z-depths, deviations and normals keep their values; only the pixels are others.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.camera import Camera
from splatkit.stereo.pixel_grid import pixel_centers, row_blocks

_MOST_TILT = 0.05  # of its depth that a plane may change within its pixel
_EDGE_ON = 1e-6  # cosine of a plane's normal with the ray that says nothing of its depth
_CACHED = 2  # lenses whose positions are kept, 8 bytes a pixel of a photograph


@dataclass(frozen=True, eq=False)
class ViewSurface:
    """What stereo knows of a view, by the pixels of one camera."""

    depths: NDArray[np.float32]  # [h, w] z-depth at pixel centers; 0 where there is none
    sigmas: NDArray[np.float32]  # [h, w] standard deviation of the depths; 0 where there is none
    normals: NDArray[np.float32]  # [h, w, 3] unit, camera's frame; zeros where there is none
    background: NDArray[np.float32]  # [h, w] from 0 to 1, how sure it is that nothing is here


def carry_back(result: ViewSurface, camera: Camera, photograph: Camera) -> ViewSurface:
    """What a working camera's pixels say of a photograph's.

    A pixel of the photograph takes deviation and normal of the working pixel that its ray meets, and its depth is where
    the ray meets that pixel's plane; where the plane is so tilted that this is more than 5 % away, or where there is no
    normal, it takes the pixel's own depth. The background is interpolated. Where the working camera does not look,
    there is nothing: 0.

    Args:
        result: of the working camera.
        camera: the working camera, a pinhole.
        photograph: the lens that took the photograph, at its own resolution and the same pose.
    """
    positions = _positions(camera, photograph)
    slopes = _slopes(result, camera)
    carried = _nothing(photograph)
    for rows in row_blocks(photograph):
        column, row = positions[rows, :, 0], positions[rows, :, 1]
        inside = (column >= 0) & (row >= 0) & (column < camera.width) & (row < camera.height)
        x, y = column[inside], row[inside]
        places = y.astype(np.int64) * camera.width + x.astype(np.int64)
        tilt = slopes[places, 0] * (x % 1 - 0.5) + slopes[places, 1] * (y % 1 - 0.5)
        tilt[np.abs(tilt) > _MOST_TILT] = 0
        carried.depths[rows][inside] = result.depths.reshape(-1)[places] / (1 + tilt)
        carried.sigmas[rows][inside] = result.sigmas.reshape(-1)[places]
        carried.normals[rows][inside] = result.normals.reshape(-1, 3)[places]
        carried.background[rows][inside] = _interpolated(result.background, column, row)[inside]
    return carried


def _nothing(camera: Camera) -> ViewSurface:
    size = (camera.height, camera.width)
    depths, sigmas, background = (np.zeros(size, np.float32) for _ in range(3))
    return ViewSurface(depths, sigmas, np.zeros((*size, 3), np.float32), background)


@lru_cache(maxsize=_CACHED)
def _positions(camera: Camera, photograph: Camera) -> NDArray[np.float32]:
    """Where [H, W, 2] px the working image shows what a photograph's pixels see; -1 where the ray leads not ahead."""
    positions = np.empty((photograph.height, photograph.width, 2), np.float32)
    for rows in row_blocks(photograph):
        tangents = photograph.tangents(pixel_centers(photograph, rows))
        pixels = tangents * (camera.fx, camera.fy) + (camera.cx, camera.cy)
        positions[rows] = np.nan_to_num(pixels, nan=-1.0).reshape(-1, photograph.width, 2)
    return positions


def _slopes(result: ViewSurface, camera: Camera) -> NDArray[np.float32]:
    """How much [h * w, 2] of itself the inverse depth of each pixel's plane grows by pixel to the right, and down.

    On a plane with normal n the inverse depth is n . r up to a factor, and the ray r changes by 1 / f a pixel.
    """
    x = (np.arange(camera.width, dtype=np.float32) + np.float32(0.5 - camera.cx)) / np.float32(camera.fx)
    y = (np.arange(camera.height, dtype=np.float32) + np.float32(0.5 - camera.cy)) / np.float32(camera.fy)
    across, down, ahead = np.moveaxis(result.normals, -1, 0)
    facing = (across * x + down * y[:, None] + ahead)[..., None]
    slopes = result.normals[..., :2] / np.array([camera.fx, camera.fy], np.float32)
    slopes = np.divide(slopes, facing, out=np.zeros_like(slopes), where=np.abs(facing) > _EDGE_ON)
    return slopes.reshape(-1, 2)


def _interpolated(image: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bilinear values at pixels; those of the border go on beyond it."""
    borders = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(image, x - 0.5, y - 0.5, cv2.INTER_LINEAR, borderMode=borders), np.float32)
