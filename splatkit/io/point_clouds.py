"""Point clouds as PLY files: coordinates with optional colors and normals."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.ply import read_ply_vertices, stack_fields, write_ply

_COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_NORMAL_NAMES = ("nx", "ny", "nz")


@dataclass(frozen=True)
class PointCloud:
    """N >= 1 points; frame and units are the file's."""

    points: NDArray[np.floating]  # [N, 3], float32 or float64
    colors: NDArray[np.uint8] | None = None  # [N, 3] sRGB
    normals: NDArray[np.floating] | None = None  # [N, 3]


def read_point_cloud(path: Path) -> PointCloud:
    """Read the points of a PLY file; colors and normals are None where the file has none.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, empty, or with NaN coordinates.
    """
    path = Path(path)
    vertices = read_ply_vertices(path)
    points = stack_fields(path, vertices, ("x", "y", "z"))
    if not np.issubdtype(points.dtype, np.floating):
        points = points.astype(np.float64)
    names = vertices.dtype.names or ()
    normals = None
    if set(_NORMAL_NAMES) <= set(names):
        normals = stack_fields(path, vertices, _NORMAL_NAMES).astype(np.float32)
    return PointCloud(points, _read_colors(path, vertices), normals)


def write_point_cloud(path: Path, cloud: PointCloud, comments: tuple[str, ...] = ()) -> None:
    """Write a binary PLY; coordinates keep their precision (float32 or float64)."""
    count = len(cloud.points)
    kind = "f8" if cloud.points.dtype == np.float64 else "f4"
    columns: list[tuple[str, str, NDArray[np.generic]]] = [
        (name, kind, cloud.points[:, axis]) for axis, name in enumerate("xyz")
    ]
    if cloud.normals is not None:
        columns += [(name, "f4", cloud.normals[:, axis]) for axis, name in enumerate(_NORMAL_NAMES)]
    if cloud.colors is not None:
        if cloud.colors.dtype != np.uint8:
            raise TypeError(f"colors: expected uint8, got {cloud.colors.dtype}")
        columns += [(name, "u1", cloud.colors[:, axis]) for axis, name in enumerate(_COLOR_NAMES[0])]
    vertices = np.empty(count, dtype=[(name, kind) for name, kind, _ in columns])
    for name, _, values in columns:
        vertices[name] = values
    write_ply(Path(path), vertices, comments=comments)


def _read_colors(path: Path, vertices: NDArray[np.void]) -> NDArray[np.uint8] | None:
    """Colors as uint8: 8-bit as they are, 16-bit and float in [0, 1] scaled to 8 bits."""
    present = set(vertices.dtype.names or ())
    names = next((names for names in _COLOR_NAMES if set(names) <= present), None)
    if names is None:
        return None
    colors = stack_fields(path, vertices, names)
    if colors.dtype == np.uint8:
        return colors.astype(np.uint8)
    if colors.dtype == np.uint16:
        return (colors.astype(np.uint32) // 257).astype(np.uint8)
    values = colors.astype(np.float64)
    if np.issubdtype(colors.dtype, np.floating) and values.min() >= 0 and values.max() <= 1:
        return np.round(values * 255).astype(np.uint8)
    raise DatasetError(f"{path}: colors of type {colors.dtype} must be 8-bit, 16-bit or floats in [0, 1]")
