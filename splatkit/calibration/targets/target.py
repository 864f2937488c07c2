"""The planar board that camera and LiDAR look at: a pattern in the middle of a rectangular plate."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from splatkit.errors import SettingsError
from splatkit.geometry.se3 import Array

TargetKind = Literal["chessboard", "charuco", "aprilgrid"]
_MILLIMETERS = 1000.0  # in a meter
_ROUNDING_M = 1e-6


@dataclass(frozen=True)
class BoardTarget:
    """Board frame: origin in the middle of the pattern and of the plate, x along `columns` and `width`, z = 0 on it.

    Seen from the front, x points right and y down. Corners make a grid, whatever the kind: of an AprilGrid, the four
    corners of each tag.
    """

    columns: int
    """Corners of the pattern along x: inner ones of a chessboard or ChArUco board, two for each tag of an AprilGrid."""
    rows: int
    """Corners along y."""
    square: float
    """Side of a square, or of a tag with its black border, m."""
    width: float
    """Of the plate along x, m."""
    height: float
    """Of the plate along y, m."""
    kind: TargetKind = "chessboard"
    """A chessboard; one with markers in its white squares; or a grid of AprilTags as Kalibr prints it."""
    marker: float = 0.0
    """Side of a ChArUco board's markers, m."""
    gap: float = 0.0
    """Between the tags of an AprilGrid, m."""
    dictionary: str = ""
    """OpenCV's name of the markers: 5x5_100, 36h11 and so on."""

    def __post_init__(self) -> None:
        if self.columns < 2 or self.rows < 2:
            raise SettingsError(f"board: expected at least 2 x 2 inner corners, got {self.columns} x {self.rows}")
        if not all(length > 0 for length in (self.square, self.width, self.height)):
            raise SettingsError(
                f"board: expected positive lengths in meters, got {self.square} and {self.width} x {self.height}"
            )
        if self.kind == "charuco" and not 0 < self.marker < self.square:
            raise SettingsError(f"board: expected markers smaller than squares of {self.square} m, got {self.marker} m")
        if self.kind == "aprilgrid" and not (self.gap > 0 and self.columns % 2 == self.rows % 2 == 0):
            raise SettingsError(
                f"board: expected tags with space between them, got {self.columns / 2:g} x {self.rows / 2:g} tags "
                f"{self.gap} m apart"
            )
        self._check_plate()

    def _check_plate(self) -> None:
        """Refuse a plate that the pattern does not fit on. It may end within the outer squares, not before a corner."""
        plate, pattern = np.array([self.width, self.height]) + _ROUNDING_M, np.array(self.pattern_size)
        extent = np.ptp(self.corners()[:, :2], axis=0)
        stated = f"board: {self.columns} x {self.rows} corners with {self.parts} of {self.square:g} m"
        turned = {  # as boards are written down: by corners, squares or tags
            "chessboard": (self.rows, self.columns),
            "charuco": (self.rows + 1, self.columns + 1),
            "aprilgrid": (self.rows // 2, self.columns // 2),
        }[self.kind]
        if (pattern > plate).any() and (pattern[::-1] <= plate).all():
            raise SettingsError(
                f"{stated} take {pattern[0]:.3f} x {pattern[1]:.3f} m, more than the plate of {self.width:g} x "
                f"{self.height:g} m, and turned they fit: columns and rows are swapped; give {turned[0]} x "
                f"{turned[1]}, or the plate as {self.height:g} x {self.width:g} m"
            )
        if (extent > plate).any():
            units = self.square > 1 and (pattern / _MILLIMETERS <= plate).all()  # no square is as wide
            cause = "are these millimeters? Lengths are in meters" if units else "measure both again, in meters"
            raise SettingsError(
                f"{stated} need a plate of more than {pattern[0]:.3f} x {pattern[1]:.3f} m, got {self.width:g} x "
                f"{self.height:g} m; {cause}"
            )

    @property
    def pattern_size(self) -> tuple[float, float]:
        """Width and height of what is printed, m: with the outer squares, or the small squares around an AprilGrid."""
        beside = self.gap if self.kind == "aprilgrid" else self.square
        across, down = np.ptp(self.corners()[:, :2], axis=0) + 2 * beside
        return float(across), float(down)

    @property
    def parts(self) -> str:
        """What has the side `square`."""
        return "tags" if self.kind == "aprilgrid" else "squares"

    def corners(self) -> Array:
        """Corners [columns * rows, 3], row by row, m; not to be written to."""
        return _corners(self)

    def outline(self) -> Array:
        """Corners of the plate [4, 3], around it, m."""
        signs = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=np.float64)
        return signs * [self.width / 2, self.height / 2, 0]


@cache  # solvers ask for them at every step
def _corners(target: BoardTarget) -> Array:
    x, y = np.meshgrid(_places(target, target.columns), _places(target, target.rows))
    corners = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1)
    corners.flags.writeable = False
    return corners


def _places(target: BoardTarget, count: int) -> Array:
    """Of corners along an axis [count], their middle at zero."""
    steps = np.arange(count, dtype=np.float64)
    places = target.square * steps
    if target.kind == "aprilgrid":
        places = np.ceil(steps / 2) * target.square + np.floor(steps / 2) * target.gap
    return places - (places[0] + places[-1]) / 2
