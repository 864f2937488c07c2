"""Depth maps on disk: 16-bit PNGs, as nerfstudio reads them, and the standard deviations that belong to them.

Read are also TIFFs and .npy, of integers or floats, as data sets have them.
Depths are z-depths in whole units of the dataset (1 mm unless it says otherwise, so at most 65.535 m), deviations in
tenths of that unit; 0 is no measurement. nerfstudio knows the depths and passes over the deviations.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.maps.png import write_png

DEPTH_UNIT_M = 1e-3
_SIGMA_UNITS = 0.1  # of a depth's unit
_FARTHEST_M = 100.0  # medians of float depth maps below it are meters, above it millimeters
LARGEST_DEPTH = 65535  # in units
_SUFFIXES = (".png", ".npy", ".tif", ".tiff")


@dataclass(frozen=True)
class DepthMap:
    """What is known of the depth of an image."""

    depths: NDArray[np.float32]  # [H, W] z-depth at pixel centers; 0 where there is none
    sigmas: NDArray[np.float32]  # [H, W] standard deviation; 0 where there is none, or it is not known


def write_depth_map(path: Path, depths: NDArray[np.floating], unit: float = DEPTH_UNIT_M) -> int:
    """Write depths [H, W] as a 16-bit PNG; returns how many lie beyond what it holds and were left out."""
    whole = np.round(np.asarray(depths, dtype=np.float64) / unit)
    beyond = whole > LARGEST_DEPTH
    write_png(path, np.where(beyond, 0, whole).astype(np.uint16))
    return int(beyond.sum())


def write_depth_sigmas(path: Path, sigmas: NDArray[np.floating], unit: float = DEPTH_UNIT_M) -> None:
    """Write standard deviations [H, W] as a 16-bit PNG; what is larger than it holds becomes the largest."""
    whole = np.round(np.asarray(sigmas, dtype=np.float64) / (unit * _SIGMA_UNITS))
    write_png(path, np.where(sigmas > 0, np.clip(whole, 1, LARGEST_DEPTH), 0).astype(np.uint16))


def read_depth_map(path: Path, sigma_path: Path | None = None, unit: float = DEPTH_UNIT_M) -> DepthMap:
    """Read depths and their deviations where there is a file of them.

    Depths are in a 16-bit PNG, a TIFF of 16 bits or floats, or an .npy of integers or floats, all in the same unit;
    where floats are NaN or infinite, nothing was measured.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: not a depth map, damaged, or of different sizes; names the file.
    """
    depths = _read(path) * np.float32(unit)
    if (depths < 0).any():
        raise DatasetError(f"{path}: a depth is negative; where nothing was measured, it must be 0, NaN or infinite")
    if sigma_path is None:
        return DepthMap(depths, np.zeros_like(depths))
    sigmas = _read(sigma_path) * np.float32(unit * _SIGMA_UNITS)
    if sigmas.shape != depths.shape:
        raise DatasetError(f"{sigma_path}: has {_size(sigmas)} px, the depths of {path.name} {_size(depths)}")
    return DepthMap(depths, sigmas)


def unstated_unit(path: Path) -> float:
    """The unit of a depth map whose dataset states none: 1 mm, unless floats are so small that they must be meters.

    Raises:
        FileNotFoundError, DatasetError: see `read_depth_map`.
    """
    depths = _read(path)
    fractions = (depths != np.round(depths)).any()
    measured = depths[depths > 0]
    return 1.0 if fractions and len(measured) and float(np.median(measured)) < _FARTHEST_M else DEPTH_UNIT_M


def _size(values: NDArray[np.float32]) -> str:
    return f"{values.shape[1]}x{values.shape[0]}"


def _read(path: Path) -> NDArray[np.float32]:
    """[H, W] in the file's unit; 0 where nothing was measured."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.suffix.lower() not in _SUFFIXES:
        raise DatasetError(
            f"{path}: {path.suffix or 'a file without suffix'} is of a kind that depth maps are not read from; "
            f"expected {', '.join(_SUFFIXES)}: convert it to an .npy [H, W] of floats"
        )
    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    except (ValueError, EOFError, cv2.error) as error:
        raise DatasetError(f"{path}: the depth map is damaged ({error})") from error
    if values is not None and values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values is None or values.ndim != 2 or values.dtype.kind not in "uif" or values.dtype.itemsize < 2:
        raise DatasetError(
            f"{path}: not a depth map; expected a 16-bit PNG of one channel, or an .npy [H, W] of 16 bits or more"
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        depths = values.astype(np.float32)
    return np.where(np.isfinite(depths), depths, np.float32(0))
