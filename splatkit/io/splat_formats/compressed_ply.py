"""Compressed PLY (PlayCanvas): Gaussians in chunks of 256, each number a share of its chunk's range.

A vertex has four words: the position in 11, 10 and 11 bits, the rotation in two bits for the largest component of wxyz
and ten for each other, the logarithms of the scales in 11, 10 and 11 bits, color and opacity in a byte each. Spherical
harmonics above degree 0 follow as bytes, in shares of [-4, 4].
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyElement, PlyParseError

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.formats.ply import ply_source
from splatkit.io.splat_formats.gaussians import (
    SH_TERMS,
    check_finite,
    from_smallest_three,
    gaussians_of_file,
    nearest_gaussians,
    rounded,
    smallest_three,
)
from splatkit.io.splat_formats.quantization import morton_order
from splatkit.io.splats import SH0, SplatArrays

_CHUNK = 256
_POSITION_BITS, _COLOR_BITS, _ROTATION_BITS = (11, 10, 11), (8, 8, 8), (10, 10, 10)
_AXES, _SCALES, _COLORS = ("x", "y", "z"), ("scale_x", "scale_y", "scale_z"), ("r", "g", "b")
_WORDS = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
_SH_RANGE = 8.0
_LEAST_LOG_SCALE = -20.0  # thinner is flat


def write_compressed_ply(path: Path, splats: SplatArrays, comments: tuple[str, ...] = ()) -> int:
    """Write the Gaussians nearest to splats, in the order of a curve through space; returns the size in bytes.

    Raises:
        ValueError: splats have NaN or infinite parameters.
    """
    check_finite(splats)
    gaussians = nearest_gaussians(splats)
    order = morton_order(gaussians.means)
    log_scales = np.log(np.maximum(gaussians.scales[order], np.exp(_LEAST_LOG_SCALE)))
    groups = [(_AXES, gaussians.means[order]), (_SCALES, log_scales), (_COLORS, gaussians.sh0[order] * SH0 + 0.5)]
    starts = np.arange(0, len(order), _CHUNK)
    ranges = {}
    for names, values in groups:
        for axis, name in enumerate(names):
            ranges[f"min_{name}"] = np.minimum.reduceat(values[:, axis], starts)
            ranges[f"max_{name}"] = np.maximum.reduceat(values[:, axis], starts)
    chunk_of = np.arange(len(order)) // _CHUNK
    shares = [_shares(values, names, ranges, chunk_of) for names, values in groups]
    largest, others = smallest_three(gaussians.quats[order])
    rotations = largest.astype(np.uint32) << 30 | _packed(others * np.sqrt(0.5) + 0.5, _ROTATION_BITS)
    color = _packed(shares[2], _COLOR_BITS) << 8 | rounded(gaussians.opacities[order] * 255, 255)
    words = (_packed(shares[0], _POSITION_BITS), rotations, _packed(shares[1], _POSITION_BITS), color)
    elements = [_element("chunk", ranges, "<f4"), _element("vertex", dict(zip(_WORDS, words, strict=True)), "<u4")]
    if gaussians.shN.shape[1]:
        rest = gaussians.shN[order].transpose(0, 2, 1).reshape(len(order), -1)
        codes = np.clip(np.floor((rest / _SH_RANGE + 0.5) * 256), 0, 255)
        elements.append(_element("sh", {f"f_rest_{k}": column for k, column in enumerate(codes.T)}, "u1"))
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        PlyData(elements, byte_order="<", comments=[line.replace("\n", " ") for line in comments]).write(file)
    return path.stat().st_size


def is_compressed_ply(path: Path) -> bool:
    """Whether a .ply holds splats in chunks, by its header."""
    with Path(path).open("rb") as file:
        return b" packed_position\n" in file.read(1 << 14).replace(b"\r", b"")


def read_compressed_ply(path: Path) -> SplatArrays:
    """Read the Gaussians of a compressed PLY.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, cut short, or with chunks or properties missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        ply = PlyData.read(ply_source(path))
        vertices, chunks = ply["vertex"].data, ply["chunk"].data
        words = [np.asarray(vertices[name]).astype(np.uint32) for name in _WORDS]
    except (PlyParseError, EOFError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise DatasetError(f"{path}: not a compressed PLY, or damaged or cut short ({error})") from error
    count = len(vertices)
    if len(chunks) * _CHUNK < count:
        raise DatasetError(f"{path}: damaged: {len(chunks)} chunks for {count} splats")
    ranges = {name: np.asarray(chunks[name], np.float64) for name in chunks.dtype.names or ()}
    colors = _unpacked(words[3] >> 8, _COLOR_BITS)
    if "min_r" in ranges:  # older files have the colors themselves
        colors = _of_shares(path, colors, _COLORS, ranges)
    return gaussians_of_file(
        path,
        _of_shares(path, _unpacked(words[0], _POSITION_BITS), _AXES, ranges),
        from_smallest_three(
            (words[1] >> 30).astype(np.int64), (_unpacked(words[1], _ROTATION_BITS) - 0.5) * np.sqrt(2)
        ),
        np.exp(_of_shares(path, _unpacked(words[2], _POSITION_BITS), _SCALES, ranges)),
        (words[3] & 255) / 255,
        (colors - 0.5) / SH0,
        _harmonics(path, ply, count),
    )


def _element(name: str, columns: dict[str, NDArray[Any]], kind: str) -> PlyElement:
    table = np.empty(len(next(iter(columns.values()))), [(column, kind) for column in columns])
    for column, values in columns.items():
        table[column] = values
    return PlyElement.describe(table, name)


def _shares(
    values: NDArray[Any], names: tuple[str, ...], ranges: dict[str, NDArray[Any]], chunk_of: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Values [N, 3] as shares of the range of their chunk."""
    low = np.stack([ranges[f"min_{name}"] for name in names], 1)[chunk_of].astype(np.float64)
    high = np.stack([ranges[f"max_{name}"] for name in names], 1)[chunk_of]
    shares: NDArray[np.float64] = (values - low) / np.maximum(high - low, 1e-12)
    return shares


def _of_shares(
    path: Path, shares: NDArray[np.float64], names: tuple[str, ...], ranges: dict[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """The way back, [N, 3]."""
    if missing := [f"{end}_{name}" for name in names for end in ("min", "max") if f"{end}_{name}" not in ranges]:
        raise DatasetError(f"{path}: its chunks lack {', '.join(missing)}")
    chunk_of = np.arange(len(shares)) // _CHUNK
    low, high = (np.stack([ranges[f"{end}_{name}"] for name in names], 1)[chunk_of] for end in ("min", "max"))
    values: NDArray[np.float64] = low + shares * (high - low)
    return values


def _packed(shares: NDArray[Any], bits: tuple[int, int, int]) -> NDArray[np.uint32]:
    """Shares [N, 3] of 1 in one word [N], the first in the highest of the bits."""
    word: NDArray[Any] = np.zeros(len(shares), np.uint32)
    for column, width in zip(shares.T, bits, strict=True):
        word = word << width | rounded(column * ((1 << width) - 1), (1 << width) - 1)
    return word


def _unpacked(words: NDArray[np.integer], bits: tuple[int, int, int]) -> NDArray[np.float64]:
    """The way back: [N, 3]."""
    columns, shift = [], sum(bits)
    for width in bits:
        shift -= width
        columns.append((words >> shift & ((1 << width) - 1)) / ((1 << width) - 1))
    return np.stack(columns, 1)


def _harmonics(path: Path, ply: PlyData, count: int) -> NDArray[np.float64]:
    """[N, K, 3] above degree 0; the first and the last code are the ends of the range, others the middle of a step."""
    if "sh" not in ply:
        return np.zeros((count, 0, 3))
    table = ply["sh"].data
    names = {f"f_rest_{k}" for k in range(len(table.dtype.names or ()))}
    known = len(names) % 3 == 0 and len(names) // 3 in SH_TERMS
    if len(table) != count or not known or names != set(table.dtype.names or ()):
        raise DatasetError(f"{path}: damaged: {len(table)} rows of {len(names)} SH coefficients for {count} splats")
    codes = np.stack([table[f"f_rest_{k}"] for k in range(len(names))], 1).astype(np.float64)
    shares = np.where(codes == 0, 0.0, np.where(codes == 255, 1.0, (codes + 0.5) / 256))
    values: NDArray[np.float64] = ((shares - 0.5) * _SH_RANGE).reshape(count, 3, -1).transpose(0, 2, 1)
    return values
