"""The images on which stereo works: without distortion, and no larger than asked for.

A working camera stands where the photograph was taken and looks the same way, so poses and z-depths stay what they
were. It shows the largest upright rectangle that lies inside of the photograph, at most 58 degrees to each side: beyond
that a pinhole's pixels grow so fast that they hold little. Unreduced it has the photograph's own resolution about the
axis of the lens.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import read_image, read_mask
from splatkit.io.transforms_json import Frame
from splatkit.stereo.pixel_grid import pixel_centers, row_blocks

_WIDEST = float(np.tan(np.deg2rad(58.0)))  # to each side
_LENSES = ("pinhole", "brown_conrady", "kannala_brandt")
_EDGE_SAMPLES = 65
_HALF_OPAQUE = 128  # of 255
_SAME_PX = 1e-6
_LEAST_SHARE = 1e-5  # of a pixel that counts as excluded; less is rounding
_CACHED = 4  # lenses whose positions are kept: those of a rig


@dataclass(frozen=True, eq=False)
class WorkingImage:
    """What a working camera sees."""

    colors: NDArray[np.uint8]  # [h, w, 3]
    gray: NDArray[np.uint8]  # [h, w]
    usable: NDArray[np.bool_]  # [h, w]; False outside of the photograph, where its mask says no, and where it is clear
    clear: NDArray[np.bool_]  # [h, w]; less than half opaque: nothing is here


def working_camera(frame: Frame, longest_side: int) -> PosedCamera:
    """The pinhole camera, at the frame's pose, on which stereo works; its image covers exactly what it shows.

    Pixels are as square as the photograph's, but for sides being whole numbers of pixels.

    Args:
        frame: the photograph.
        longest_side: px, at most; a photograph is never enlarged.

    Raises:
        SettingsError: longest_side is not above 0.
        DatasetError: no pinhole camera shows what this lens does; names the photograph.
    """
    if longest_side <= 0:
        raise SettingsError(f"longest_side: expected a number of pixels above 0, got {longest_side}")
    camera = frame.camera
    left, top, right, bottom = _shown(frame)
    sides = np.array([camera.fx * (right - left), camera.fy * (bottom - top)])
    width, height = np.maximum(np.round(sides * min(1.0, longest_side / sides.max())), 1)
    fx, fy = width / (right - left), height / (bottom - top)
    return replace(frame.posed, camera=Camera("pinhole", width, height, fx, fy, -fx * left, -fy * top))


def load_working_image(frame: Frame, camera: Camera) -> WorkingImage:
    """The photograph as its working camera sees it.

    Pixels are means of the photograph's; only a distorted one is interpolated on top of that. A pixel is usable where
    the mask allows all that it covers, and where opacity, if the photograph has any, is at least one half.

    Args:
        frame: the photograph.
        camera: `working_camera(frame, ...).camera`.

    Raises:
        DatasetError: photograph or mask cannot be read, or has another size than its camera; names the file.
    """
    photograph = read_image(frame.image_path)
    _check_size(photograph, frame, frame.image_path.name)
    size = _reduced_size(frame.camera, camera)
    lens = frame.camera.scaled(*size)
    image, usable = _area_mean(photograph, size), np.ones((camera.height, camera.width), bool)
    if not _is_same(lens, camera):
        positions, seen = _positions(lens, camera)
        usable &= seen
        # OpenCV's cubic kernel moves coarse structures by up to 0.05 px, its bilinear one blurs fine ones.
        image = np.asarray(_resampled(image, positions, cv2.INTER_LANCZOS4), np.uint8)
    clear = np.zeros_like(usable) if image.shape[2] == 3 else usable & (image[..., 3] < _HALF_OPAQUE)
    usable &= ~clear
    if frame.mask_path is not None:
        usable &= _allowed(frame, lens, camera)
    colors = np.ascontiguousarray(image[..., :3])
    return WorkingImage(colors, np.asarray(cv2.cvtColor(colors, cv2.COLOR_RGB2GRAY), np.uint8), usable, clear)


def _shown(frame: Frame) -> tuple[float, float, float, float]:
    """Least x / z and y / z, then the largest, of the rectangle of rays that all lie inside of a photograph."""
    camera = frame.camera
    if camera.model not in _LENSES:
        raise DatasetError(f"{frame.file_path}: stereo needs perspective or fisheye images, and this is {camera.model}")
    across, down = np.linspace(0, camera.width, _EDGE_SAMPLES), np.linspace(0, camera.height, _EDGE_SAMPLES)
    edges = [
        (0 * down, down),
        (across, 0 * across),
        (0 * down + camera.width, down),
        (across, 0 * across + camera.height),
    ]
    rays = [camera.tangents(np.stack(edge, -1))[:, index % 2] for index, edge in enumerate(edges)]
    # Where the lens has no ray that leads ahead, its image reaches farther than any pinhole's.
    left, top = (max(float(np.nan_to_num(values, nan=-np.inf).max()), -_WIDEST) for values in rays[:2])
    right, bottom = (min(float(np.nan_to_num(values, nan=np.inf).min()), _WIDEST) for values in rays[2:])
    if not (left < right and top < bottom):
        raise DatasetError(f"{frame.file_path}: no pinhole image lies inside of it; check its lens distortion")
    return left, top, right, bottom


def _check_size(image: NDArray[np.generic], frame: Frame, name: str) -> None:
    height, width = image.shape[:2]
    camera = frame.camera
    if (width, height) != (camera.width, camera.height):
        raise DatasetError(
            f"{frame.file_path}: {name} has {width}x{height} px, its camera {camera.width}x{camera.height}"
        )


def _reduced_size(lens: Camera, target: Camera) -> tuple[int, int]:
    """Width and height at which a photograph has the resolution of its working camera about the lens's axis."""
    width, height = round(lens.width * target.fx / lens.fx), round(lens.height * target.fy / lens.fy)
    return max(1, min(width, lens.width)), max(1, min(height, lens.height))


def _area_mean(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _is_same(lens: Camera, target: Camera) -> bool:
    """Whether both images are the same, pixel by pixel."""
    same_size = (lens.width, lens.height) == (target.width, target.height)
    return lens.is_pinhole and same_size and np.allclose(lens.K, target.K, rtol=0, atol=_SAME_PX)


@lru_cache(maxsize=_CACHED)
def _positions(lens: Camera, target: Camera) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where [h, w, 2] px a lens saw what the target's pixels see, as OpenCV counts; and whether [h, w] it saw it."""
    positions = np.empty((target.height, target.width, 2), np.float32)
    seen = np.empty((target.height, target.width), bool)
    for rows in row_blocks(target):
        centers = pixel_centers(target, rows)
        pixels, inside = lens.project(target.unproject(centers, np.ones(len(centers))))
        positions[rows] = pixels.reshape(-1, target.width, 2) - 0.5
        seen[rows] = inside.reshape(-1, target.width)
    return positions, seen


def _resampled(image: NDArray, positions: NDArray[np.float32], interpolation: int) -> NDArray:
    x, y = positions[..., 0], positions[..., 1]
    return np.asarray(cv2.remap(image, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE))


def _allowed(frame: Frame, lens: Camera, camera: Camera) -> NDArray[np.bool_]:
    """Working pixels [h, w] to which nothing adds that the mask excludes."""
    assert frame.mask_path is not None
    mask = read_mask(frame.mask_path)
    _check_size(mask, frame, f"its mask {frame.mask_path.name}")
    excluded = np.asarray(
        cv2.resize((~mask).astype(np.float32), (lens.width, lens.height), interpolation=cv2.INTER_AREA)
    )
    if not _is_same(lens, camera):
        excluded = _resampled(
            (excluded > _LEAST_SHARE).astype(np.float32), _positions(lens, camera)[0], cv2.INTER_LINEAR
        )
    return excluded <= _LEAST_SHARE
