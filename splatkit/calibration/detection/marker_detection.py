"""Corners of boards with markers, which may be seen in part: markers say which corner is which."""

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.targets.pattern import BORDER_BITS, marker_count, marker_dictionary
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.se3 import Array

_LEAST_CORNERS = 8  # of two rows and two columns; fewer say little of a pose
_MOST_WINDOW = 11  # px to either side of a corner
_WINDOW = 0.8  # of the least distance from a corner to the next edge
_MARGIN = 0.3  # of a bit, along its border, that is not read: there pixels of small markers are shared with others
_LEAST_PERIMETER = 0.01  # of markers, over the longer side of the image
_ENLARGED = 2
_CENTER = 0.5  # of the first pixel; in this file, as in OpenCV, it is at 0
_STOP = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)


def find_marked_corners(gray: NDArray[np.uint8], target: BoardTarget) -> Array | None:
    """Corners [columns * rows, 2] in the order of `BoardTarget.corners`, NaN where unseen; None without a board.

    Args:
        gray: [H, W].
        target: a ChArUco board or an AprilGrid.
    """
    rough = _search(gray, target)
    seen = np.isfinite(rough[:, 0])
    grid = seen.reshape(target.rows, target.columns)
    if seen.sum() < _LEAST_CORNERS or grid.any(0).sum() < 2 or grid.any(1).sum() < 2:
        return None
    free = _free_space(target)
    flat = target.corners()[:, :2]
    near = np.linalg.norm(flat[seen][:, None] - flat[seen], axis=2) + np.diag(np.full(seen.sum(), np.inf))
    other = near.argmin(1)
    scale = np.linalg.norm(rough[seen] - rough[seen][other], axis=1) / near.min(1)  # px a meter
    window = int(np.clip(_WINDOW * free * scale.min(), 2, _MOST_WINDOW))
    start = rough[seen].astype(np.float32)[:, None].copy()
    refined = np.asarray(cv2.cornerSubPix(gray, start, (window, window), (-1, -1), _STOP), np.float64)[:, 0]
    out = np.full_like(rough, np.nan)
    stayed = np.linalg.norm(refined - rough[seen], axis=1) < window
    out[np.flatnonzero(seen)[stayed]] = refined[stayed] + _CENTER
    return out if stayed.sum() >= _LEAST_CORNERS else None


def _search(gray: NDArray[np.uint8], target: BoardTarget) -> Array:
    """Corners as markers have them, NaN where unseen; small markers are read in an enlarged image only."""
    find = _charuco if target.kind == "charuco" else _aprilgrid
    found = find(gray, target)
    if np.isfinite(found).all():
        return found
    large = cv2.resize(gray, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
    # Pixel centers lie at integers: the first of an image lies in the middle of those that it becomes.
    again = (find(np.asarray(large, np.uint8), target) + 0.5) / _ENLARGED - 0.5
    return max(found, again, key=lambda corners: np.isfinite(corners).sum())


def _free_space(target: BoardTarget) -> float:
    """From a corner to the next thing that is printed, m."""
    if target.kind == "charuco":
        return (target.square - target.marker) / 2
    bits = marker_dictionary(target).markerSize + 2 * BORDER_BITS[target.kind]
    return min(target.gap, target.square * BORDER_BITS[target.kind] / bits)


def _charuco(gray: NDArray[np.uint8], target: BoardTarget) -> Array:
    size = (target.columns + 1, target.rows + 1)
    board = cv2.aruco.CharucoBoard(size, target.square, target.marker, marker_dictionary(target))
    detector = cv2.aruco.CharucoDetector(board, detectorParams=_settings(target))
    corners, numbers, _, _ = detector.detectBoard(gray)
    out = np.full((target.columns * target.rows, 2), np.nan)
    if numbers is not None:
        out[np.asarray(numbers).ravel()] = np.asarray(corners, np.float64).reshape(-1, 2)
    return out


def _aprilgrid(gray: NDArray[np.uint8], target: BoardTarget) -> Array:
    """Tags are known by their numbers and turned as their places say: libraries do not agree which side is up."""
    found = _tags(gray, target)
    columns, rows = target.columns // 2, target.rows // 2
    grid = np.arange(target.columns * target.rows).reshape(rows, 2, columns, 2)
    # The four corners around each tag; tags are numbered from the lower left.
    index = grid.transpose(0, 2, 1, 3)[::-1].reshape(rows * columns, 4)[:, [0, 1, 3, 2]]
    around = target.corners()[index, :2]
    out = np.full((target.columns * target.rows, 2), np.nan)
    numbers = np.array(sorted(found), dtype=np.int64)
    centers = np.concatenate([around[numbers].mean(1), np.ones((len(numbers), 1))], 1)
    if len(numbers) < 3 or np.linalg.matrix_rank(centers) < 3:
        return out
    affine = np.linalg.lstsq(centers, np.stack([found[number].mean(0) for number in numbers]), rcond=None)[0]
    for number in numbers:
        expected = (around[number] - around[number].mean(0)) @ affine[:2]
        seen = found[number]
        turns = [np.roll(seen - seen.mean(0), turn, axis=0) for turn in range(4)]
        best = int(np.argmin([np.abs(turned - expected).sum() for turned in turns]))
        out[index[number]] = np.roll(seen, best, axis=0)
    return out


def _tags(gray: NDArray[np.uint8], target: BoardTarget) -> dict[int, Array]:
    """Corners [4, 2] around each tag by its number."""
    corners, numbers, _ = cv2.aruco.ArucoDetector(marker_dictionary(target), _settings(target)).detectMarkers(gray)
    pairs = zip(corners, [] if numbers is None else np.asarray(numbers).ravel(), strict=True)
    return {int(number): np.asarray(tag, np.float64)[0] for tag, number in pairs if number < marker_count(target)}


def _settings(target: BoardTarget) -> cv2.aruco.DetectorParameters:
    settings = cv2.aruco.DetectorParameters()
    settings.markerBorderBits = BORDER_BITS[target.kind]
    settings.minMarkerPerimeterRate = _LEAST_PERIMETER
    settings.perspectiveRemoveIgnoredMarginPerCell = _MARGIN
    return settings
