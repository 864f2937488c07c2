"""The planar board that camera and LiDAR look at: a pattern of squares in the middle of a rectangular plate."""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.se3 import Array
from splatkit.errors import SettingsError


@dataclass(frozen=True)
class BoardTarget:
    """Board frame: origin in the middle of the pattern and of the plate, x along `columns` and `width`, z = 0 on it."""

    columns: int
    """Inner corners of the pattern along x."""
    rows: int
    """Inner corners along y."""
    square: float
    """Side of a square, m."""
    width: float
    """Of the plate along x, m."""
    height: float
    """Of the plate along y, m."""

    def __post_init__(self) -> None:
        if self.columns < 2 or self.rows < 2:
            raise SettingsError(f"board: expected at least 2 x 2 inner corners, got {self.columns} x {self.rows}")
        if not all(length > 0 for length in (self.square, self.width, self.height)):
            raise SettingsError(
                f"board: expected positive lengths in meters, got {self.square} and {self.width} x {self.height}"
            )
        pattern = ((self.columns + 1) * self.square, (self.rows + 1) * self.square)
        if (self.columns - 1) * self.square > self.width or (self.rows - 1) * self.square > self.height:
            raise SettingsError(
                f"board: its {self.columns} x {self.rows} corners need a plate of more than {pattern[0]:.3f} x "
                f"{pattern[1]:.3f} m, got {self.width} x {self.height}; are columns and rows swapped, or the units?"
            )

    def corners(self) -> Array:
        """Inner corners [columns * rows, 3], row by row, m."""
        x, y = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
        grid = np.stack([x.ravel() - (self.columns - 1) / 2, y.ravel() - (self.rows - 1) / 2, 0 * x.ravel()], 1)
        return self.square * grid.astype(np.float64)

    def outline(self) -> Array:
        """Corners of the plate [4, 3], around it, m."""
        signs = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=np.float64)
        return signs * [self.width / 2, self.height / 2, 0]
