"""What is printed on a board: cells of black and white, for paper and for rendered photographs."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.targets.target import BoardTarget
from splatkit.errors import SettingsError
from splatkit.geometry.se3 import Array

_PREFIXES = {"charuco": "DICT_", "aprilgrid": "DICT_APRILTAG_"}
BORDER_BITS = {"charuco": 1, "aprilgrid": 2}  # width of a marker's black border; Kalibr's tags have twice the usual


@dataclass(frozen=True)
class Pattern:
    """Rectangles between lines along y and along x, in the board's frame.

    Attributes:
        x: [A + 1] lines, ascending, m.
        y: [B + 1] lines.
        black: [B, A] of the cells between them.
    """

    x: Array
    y: Array
    black: NDArray[np.bool_]

    def black_at(self, position: Array) -> NDArray[np.bool_]:
        """[N] whether positions [N, 2] on the board are black; beyond the pattern it is white."""
        column = np.searchsorted(self.x, position[:, 0], side="right") - 1
        row = np.searchsorted(self.y, position[:, 1], side="right") - 1
        inside = (column >= 0) & (column < self.black.shape[1]) & (row >= 0) & (row < self.black.shape[0])
        return inside & self.black[np.where(inside, row, 0), np.where(inside, column, 0)]


def marker_dictionary(target: BoardTarget) -> cv2.aruco.Dictionary:
    """Of a board with markers.

    Raises:
        SettingsError: OpenCV has no such dictionary, or it has too few markers.
    """
    prefix = _PREFIXES[target.kind]
    number = getattr(cv2.aruco, prefix + target.dictionary.upper(), None)
    if number is None:
        names = sorted(name.removeprefix(prefix).lower() for name in dir(cv2.aruco) if name.startswith(prefix))
        names = [name for name in dict.fromkeys(names) if not name.startswith("apriltag")]
        raise SettingsError(
            f"board: OpenCV has no markers called {target.dictionary!r}; expected one of {', '.join(names)}"
        )
    dictionary = cv2.aruco.getPredefinedDictionary(number)
    needed, there = marker_count(target), len(dictionary.bytesList)
    if needed > there:
        raise SettingsError(f"board: needs {needed} markers, {target.dictionary} has {there}; take a larger dictionary")
    return dictionary


def marker_count(target: BoardTarget) -> int:
    """Markers on the board."""
    if target.kind == "aprilgrid":
        return target.columns * target.rows // 4
    return (target.columns + 1) * (target.rows + 1) // 2


def make_pattern(target: BoardTarget) -> Pattern:
    """Of any kind of board.

    Raises:
        SettingsError: its markers are not known to OpenCV.
    """
    if target.kind == "chessboard":
        columns, rows = target.columns + 1, target.rows + 1
        black = np.add.outer(np.arange(rows), np.arange(columns)) % 2 == 0
        x, y = (_lines(count, target.square, 0, np.zeros(1)) for count in (columns, rows))
        return Pattern(x, y, black)
    return _charuco(target) if target.kind == "charuco" else _aprilgrid(target)


def _charuco(target: BoardTarget) -> Pattern:
    """Black squares, and in the white ones markers, numbered row by row (OpenCV's layout since 4.6)."""
    dictionary = marker_dictionary(target)
    columns, rows = target.columns + 1, target.rows + 1
    bits = dictionary.markerSize + 2 * BORDER_BITS["charuco"]
    margin = (target.square - target.marker) / 2
    within = np.concatenate([[0.0], margin + target.marker / bits * np.arange(bits + 1)])
    cells = []
    number = 0
    for row in range(rows):
        line = []
        for column in range(columns):
            cell = np.ones((bits + 2, bits + 2), dtype=bool)
            if (row + column) % 2:
                cell[:] = False
                cell[1:-1, 1:-1] = _marker(dictionary, number, BORDER_BITS["charuco"])
                number += 1
            line.append(cell)
        cells.append(line)
    x, y = (_lines(count, target.square, 0, within) for count in (columns, rows))
    return Pattern(x, y, np.block(cells))


def _aprilgrid(target: BoardTarget) -> Pattern:
    """Tags numbered from the lower left, row by row, and black squares between their corners (Kalibr's layout)."""
    dictionary = marker_dictionary(target)
    columns, rows = target.columns // 2, target.rows // 2
    bits = dictionary.markerSize + 2 * BORDER_BITS["aprilgrid"]
    within = np.concatenate([[0.0], target.gap + target.square / bits * np.arange(bits)])
    black = np.zeros((rows * (bits + 1) + 1, columns * (bits + 1) + 1), dtype=bool)
    black[:: bits + 1, :: bits + 1] = True
    for row in range(rows):
        for column in range(columns):
            top, left = row * (bits + 1) + 1, column * (bits + 1) + 1
            number = (rows - 1 - row) * columns + column
            marker = _marker(dictionary, number, BORDER_BITS["aprilgrid"])
            black[top : top + bits, left : left + bits] = marker
    step = target.square + target.gap
    return Pattern(_lines(columns, step, target.gap, within), _lines(rows, step, target.gap, within), black)


def _marker(dictionary: cv2.aruco.Dictionary, number: int, border: int) -> NDArray[np.bool_]:
    """Black bits of a marker, row by row from the top."""
    side = dictionary.markerSize + 2 * border
    return np.asarray(cv2.aruco.generateImageMarker(dictionary, number, side, borderBits=border)) < 128


def _lines(count: int, step: float, last: float, within: Array) -> Array:
    """Between the cells of parts that repeat `count` times, `step` apart, and what comes after them; middle at zero."""
    length = count * step + last
    ends = [count * step, length] if last > 0 else [length]
    return np.append((step * np.arange(count)[:, None] + within).ravel(), ends) - length / 2
