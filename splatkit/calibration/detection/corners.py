"""The board's pattern in an image, of any kind; here: chessboards, which are found whole or not at all."""

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.detection.marker_detection import find_marked_corners
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.se3 import Array

_SEARCH_WIDTH = 1000  # px; boards that can be calibrated with are found at this size, twenty times as fast
_MARGIN = 0.25  # of the pattern's extent, about it in the cut-out
# Of the least distance between corners: detectors that differ by more have not found the same ones, and the window to
# either side of a corner, which must hold the whole blur of its edges and no other corner.
_APART, _WINDOW = 0.25, 0.25
_ROUGH = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
_FINE = cv2.CALIB_CB_ACCURACY | cv2.CALIB_CB_EXHAUSTIVE
_CENTER = 0.5  # of the first pixel; in this file, as in OpenCV, it is at 0
_STOP = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)


def find_corners(image: NDArray[np.uint8], target: BoardTarget) -> Array | None:
    """Corners [columns * rows, 2] in the order of `BoardTarget.corners`, or None where the board is not seen.

    A chessboard is searched in a small image and measured in a cut-out of the large one. Which of its two short sides
    is called the left is open: it looks the same after half a turn. Boards with markers have one way up and may be seen
    in part: corners that are not are NaN.

    Args:
        image: [H, W] gray or [H, W, 3] RGB.
        target: the board.
    """
    gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8) if image.ndim == 3 else image
    if target.kind != "chessboard":
        return find_marked_corners(gray, target)
    size = (target.columns, target.rows)
    rough = _search(gray, size)
    if rough is None:
        return None
    low, high = rough.min(0), rough.max(0)
    margin = _MARGIN * (high - low).max()
    x, y = np.maximum(low - margin, 0).astype(int)
    right, bottom = (high + margin).astype(int) + 1
    cut = np.ascontiguousarray(gray[y:bottom, x:right])
    grid = rough.reshape(target.rows, target.columns, 2)
    apart = min(float(np.linalg.norm(np.diff(grid, axis=axis), axis=2).min()) for axis in (0, 1))
    window = max(int(apart * _WINDOW), 2)
    start = (rough - [x, y]).astype(np.float32)[:, None].copy()
    refined = np.asarray(cv2.cornerSubPix(cut, start, (window, window), (-1, -1), _STOP), np.float64)[:, 0]
    found, fine = cv2.findChessboardCornersSB(cut, size, flags=_FINE)
    if found:
        fine = np.asarray(fine, np.float64).reshape(-1, 2)
        flipped = np.abs(fine[::-1] - refined).max() < np.abs(fine - refined).max()
        fine = fine[::-1] if flipped else fine
        same = np.abs(fine - refined).max() < _APART * apart
        refined = min(refined, fine, key=lambda corners: _unevenness(corners, target)) if same else refined
    return _facing(refined + np.array([x, y]) + _CENTER, target)


def _search(gray: NDArray[np.uint8], size: tuple[int, int]) -> Array | None:
    shrink = max(gray.shape[1] / _SEARCH_WIDTH, 1.0)
    for factor in (shrink, 1.0) if shrink > 1 else (1.0,):
        small = (
            gray if factor == 1 else cv2.resize(gray, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        )
        found, corners = cv2.findChessboardCorners(small, size, flags=_ROUGH)
        if found:
            # Pixel centers lie at integers: the first of a small image lies in the middle of the pixels it averages.
            return (np.asarray(corners, dtype=np.float64).reshape(-1, 2) + 0.5) * factor - 0.5
    found, corners = cv2.findChessboardCornersSB(gray, size)  # slow, and finds small and blurred boards
    return np.asarray(corners, dtype=np.float64).reshape(-1, 2) if found else None


def _unevenness(corners: Array, target: BoardTarget) -> float:
    """How far corners [N, 2] are off a smooth picture of a flat board, px: a homography, then a cubic for the lens."""
    flat = target.corners()[:, :2]
    homography = np.asarray(cv2.findHomography(flat, corners)[0], np.float64)
    off = corners - np.asarray(cv2.perspectiveTransform(flat[None], homography), np.float64)[0]
    x, y = (flat / np.abs(flat).max(0)).T
    terms = np.stack([x**i * y**j for i in range(4) for j in range(4 - i)], 1)
    if len(corners) > 2 * terms.shape[1]:
        off = off - terms @ np.linalg.lstsq(terms, off, rcond=None)[0]
    return float(np.sqrt(np.mean(off**2)))


def _facing(corners: Array, target: BoardTarget) -> Array:
    """Order rows so that x cross y points away from the camera, as z of the board's frame does."""
    grid = corners.reshape(target.rows, target.columns, 2)
    along, across = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
    mirrored = along[0] * across[1] - along[1] * across[0] < 0
    return (grid[::-1] if mirrored else grid).reshape(-1, 2)
