"""A scene from above: its cloud, the way through it, and where photographs were taken."""

import cv2
import numpy as np
from numpy.typing import NDArray

_SIZE = 1000  # px, of the longer side
_MARGIN = 0.04
_SHOWN = 0.9  # of the points: the rest lies far out
_PATH, _CAMERA, _BOX, _PAPER = (48, 86, 211), (228, 87, 46), (40, 40, 40), 250
_FEW_POINTS = 30_000
_ARROW = 0.025  # of the picture's size


def draw_top_view(
    points: NDArray[np.floating],
    colors: NDArray[np.uint8],
    T_world_camera: NDArray[np.floating],
    path: NDArray[np.floating],
    boxes: NDArray[np.floating] | None = None,
) -> NDArray[np.uint8]:
    """Look down along -z, x to the right and y up.

    Args:
        points: [N, 3].
        colors: [N, 3].
        T_world_camera: [C, 4, 4] with z forward; drawn as arrows.
        path: [P, 3], drawn as a line; may be empty.
        boxes: [B, 2, 2] lowest and highest x and y of rectangles to outline; infinite ones end at the picture's edge.

    Returns:
        [H, W, 3], its longer side 1000 px.
    """
    places = np.concatenate([T_world_camera[:, :2, 3], path[:, :2]])
    spread = (1 - _SHOWN) / 2
    low = np.minimum(np.quantile(points[:, :2], spread, axis=0), places.min(0))
    high = np.maximum(np.quantile(points[:, :2], 1 - spread, axis=0), places.max(0))
    scale = _SIZE * (1 - 2 * _MARGIN) / max(float((high - low).max()), 1e-9)
    width, height = (int(extent * scale + 2 * _MARGIN * _SIZE) + 1 for extent in high - low)

    def pixel(xy: NDArray[np.floating]) -> NDArray[np.float64]:
        return (xy - low) * (scale, -scale) + (_MARGIN * _SIZE, height - 1 - _MARGIN * _SIZE)

    image = np.full((height, width, 3), _PAPER, dtype=np.uint8)
    order = np.argsort(points[:, 2])  # what is higher covers what is lower
    columns, rows = pixel(points[order, :2]).astype(np.int64).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    image[rows[inside], columns[inside]] = colors[order][inside]
    if len(points) < _FEW_POINTS:  # single pixels would be lost
        image = cv2.erode(image, np.ones((3, 3), np.uint8)).astype(np.uint8)
    for box in [] if boxes is None else boxes:
        corners = np.clip(pixel(box), -1, (width, height))  # a line just outside is not seen
        cv2.rectangle(image, _whole(corners[0]), _whole(corners[1]), _BOX, 2, cv2.LINE_AA)
    if len(path):
        line = np.round(pixel(path[:, :2])).astype(np.int32)[:, None]
        cv2.polylines(image, [line], False, _PATH, 1, cv2.LINE_AA)
    for pose in T_world_camera:
        ahead = pose[:2, 2] / max(float(np.linalg.norm(pose[:2, 2])), 1e-9)
        start = pixel(pose[:2, 3])
        end = start + ahead * (1, -1) * _ARROW * _SIZE
        cv2.arrowedLine(image, _whole(start), _whole(end), _CAMERA, 1, cv2.LINE_AA, tipLength=0.35)
    return image


def _whole(place: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))
