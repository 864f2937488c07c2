"""`.spz` (Niantic; its description and header are public): Gaussians of some 20 to 65 bytes each, packed.

Positions are fixed-point numbers of 24 bits, scales logarithms of 8, colors and opacities bytes; quaternions their
three smaller components (version 3 on) or x, y, z (version 2). Versions 2 and 3 are one gzip stream, version 4 is one
Zstandard frame for each attribute behind a table. The axes are x right, y up, z back: those of a `.ply`, which viewers
take to be x right, y down, z forward, are rotated by 180 degrees about x.
"""

import gzip
import itertools
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.splat_formats.gaussians import (
    SH_TERMS,
    check_finite,
    from_smallest_three,
    gaussians_of_file,
    nearest_gaussians,
    rounded,
    smallest_three,
)
from splatkit.io.splats import SplatArrays

_MAGIC, _WRITTEN_VERSION = 0x5053474E, 3
_HEADER = struct.Struct("<IIIBBBB")  # magic, version, count, degree, fractional bits, flags, streams (version 4)
_TABLE_AT = struct.Struct("<I")  # of version 4, behind the header
_TABLE_ROW = struct.Struct("<QQ")  # bytes packed and unpacked
_ANTIALIASED = 1
_COLOR_SHARE = 0.15  # of the byte's range for a coefficient of 1
_SCALE_STEPS, _LEAST_LOG_SCALE = 16.0, -10.0
_LARGEST, _MOST_FRACTIONAL_BITS = (1 << 23) - 1, 20
_COMPONENT_LIMIT = 511  # of a quaternion, at 1 / sqrt(2)
_SH_BITS = (5, 4, 4)  # kept by degree, of 8: what the format's own encoder keeps
_LEVEL = 4  # of gzip: higher ones take three times as long for 2 %
_ROTATION = np.array([1.0, -1.0, -1.0])  # 180 degrees about x, of positions
# The same of harmonics: those that are odd in y and z together change their sign.
_SH_ROTATION = np.array([-1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1.0])


def write_spz(path: Path, splats: SplatArrays, *, antialiased: bool = False) -> int:
    """Write the Gaussians nearest to splats as version 3, which most programs read; returns the size in bytes.

    Raises:
        ValueError: splats are not finite, or lie farther than 8 million units from the origin.
    """
    check_finite(splats)
    gaussians = nearest_gaussians(splats)
    farthest = float(np.abs(gaussians.means).max())
    fractional_bits = min(_MOST_FRACTIONAL_BITS, int(np.floor(np.log2(_LARGEST / max(farthest, 1e-9)))))
    if fractional_bits < 0:
        raise ValueError(
            f"splats: lie up to {farthest:.3g} from the origin; .spz holds coordinates up to {_LARGEST:.3g}"
        )
    degree = SH_TERMS.index(gaussians.shN.shape[1])
    flags = _ANTIALIASED if antialiased else 0
    header = _HEADER.pack(_MAGIC, _WRITTEN_VERSION, len(gaussians.means), degree, fractional_bits, flags, 0)
    positions = np.rint(gaussians.means * _ROTATION * (1 << fractional_bits)).astype("<i4")
    scales = np.log(np.maximum(gaussians.scales, 1e-30))
    parts = (
        np.ascontiguousarray(positions).view(np.uint8).reshape(-1, 3, 4)[..., :3],
        rounded(gaussians.opacities * 255, 255),
        rounded((gaussians.sh0 * _COLOR_SHARE + 0.5) * 255, 255),
        rounded((scales - _LEAST_LOG_SCALE) * _SCALE_STEPS, 255),
        _packed_quats(gaussians.quats),
        _packed_harmonics(gaussians.shN),
    )
    content = header + b"".join(part.astype(np.uint8).tobytes() for part in parts)
    with atomic_file(path) as temporary:
        temporary.write_bytes(gzip.compress(content, _LEVEL, mtime=0))
    return path.stat().st_size


def read_spz(path: Path) -> SplatArrays:
    """Read the Gaussians of a file of version 2, 3 or 4; of degree 4 the first three degrees.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, cut short, or of another version; or version 4 without zstandard.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    content = path.read_bytes()
    if content[:4] != _MAGIC.to_bytes(4, "little"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetError(f"{path}: not a .spz file, or damaged or cut short ({error})") from error
    if len(content) < _HEADER.size or content[:4] != _MAGIC.to_bytes(4, "little"):
        raise DatasetError(f"{path}: not a .spz file: its header is missing")
    _, version, count, degree, fractional_bits, _, streams = _HEADER.unpack_from(content)
    if version not in (2, 3, 4):
        raise DatasetError(f"{path}: version {version} of .spz; this reader knows versions 2 to 4")
    if degree > 4:
        raise DatasetError(f"{path}: damaged: spherical harmonics of degree {degree}")
    terms = (degree + 1) ** 2 - 1
    sizes = [9 * count, count, 3 * count, 3 * count, (3 if version == 2 else 4) * count, 3 * terms * count]
    parts = _streams(path, content, streams, sizes) if version == 4 else _slices(path, content, sizes)
    positions, opacities, colors, scales, quats, harmonics = parts
    fixed = np.zeros((count, 3, 4), np.uint8)
    fixed[..., 1:] = positions.reshape(count, 3, 3)  # the sign's byte last: one shift extends it
    means = (fixed.view("<i4")[..., 0] >> 8) / float(1 << fractional_bits)
    kept = min(terms, SH_TERMS[-1])
    shN = ((harmonics.reshape(count, terms, 3)[:, :kept].astype(np.float32) - 128) / 128) * _SH_ROTATION[:kept, None]
    turned = _quats_of_two(quats) if version == 2 else _unpacked_quats(quats)
    return gaussians_of_file(
        path,
        means * _ROTATION,
        turned * np.concatenate([[1], _ROTATION]),
        np.exp(scales.reshape(count, 3) / _SCALE_STEPS + _LEAST_LOG_SCALE),
        opacities / 255,
        (colors.reshape(count, 3) / 255 - 0.5) / _COLOR_SHARE,
        shN,
    )


def _slices(path: Path, content: bytes, sizes: list[int]) -> list[NDArray[np.uint8]]:
    """The attributes of versions 2 and 3, one after the other."""
    stated = _HEADER.size + sum(sizes)
    if len(content) < stated:
        raise DatasetError(f"{path}: cut short: {len(content)} of {stated} bytes are there")
    ends = _HEADER.size + np.cumsum([0, *sizes])
    return [np.frombuffer(content[start:end], np.uint8) for start, end in itertools.pairwise(ends)]


def _streams(path: Path, content: bytes, count: int, sizes: list[int]) -> list[NDArray[np.uint8]]:
    """The attributes of version 4, each a Zstandard frame whose sizes stand in a table before all of them."""
    try:
        import zstandard
    except ImportError as error:
        raise DatasetError(
            f"{path}: version 4 of .spz is read by zstandard; install it by pip install 'splatkit[spz]'"
        ) from error
    try:
        (table,) = _TABLE_AT.unpack_from(content, _HEADER.size)
        rows = [_TABLE_ROW.unpack_from(content, table + k * _TABLE_ROW.size) for k in range(count)]
        start, parts = table + count * _TABLE_ROW.size, list[NDArray[np.uint8]]()
        for (packed, stated), size in zip(rows, [*sizes, *[0] * (count - len(sizes))], strict=True):
            if len(parts) < len(sizes):
                if stated != size:
                    raise DatasetError(f"{path}: damaged: {stated} bytes are stated where {size} belong")
                frame = content[start : start + packed]
                part = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size) if size else b""
                if len(part) != size:
                    raise DatasetError(f"{path}: damaged or cut short: {len(part)} of {size} bytes are there")
                parts.append(np.frombuffer(part, np.uint8))
            start += packed
    except (struct.error, zstandard.ZstdError, ValueError) as error:
        raise DatasetError(f"{path}: damaged or cut short ({error})") from error
    return parts


def _packed_quats(quats: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[N, 4] bytes: two bits for which of x, y, z, w is the largest, then ten for each other, sign first."""
    largest, others = smallest_three((quats * np.concatenate([[1], _ROTATION]))[:, [1, 2, 3, 0]])
    bits = largest.astype(np.uint32)
    for component in others.T:
        size = rounded(np.abs(component) * np.sqrt(2) * _COMPONENT_LIMIT, _COMPONENT_LIMIT)
        bits = bits << 10 | (component < 0).astype(np.uint32) << 9 | size
    return bits.astype("<u4").view(np.uint8).reshape(-1, 4)


def _unpacked_quats(packed: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Quaternions [N, 4] wxyz of version 3 on, in the file's axes."""
    bits = packed.reshape(-1, 4).copy().view("<u4")[:, 0]
    parts = np.stack([bits >> 20, bits >> 10, bits], 1) & 1023
    sizes = (parts & _COMPONENT_LIMIT) / (np.sqrt(2) * _COMPONENT_LIMIT)
    quats = from_smallest_three((bits >> 30).astype(np.int64), np.where(parts >> 9, -sizes, sizes))
    return quats[:, [3, 0, 1, 2]]


def _quats_of_two(packed: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Quaternions [N, 4] wxyz of version 2, in the file's axes: w is what x, y, z leave of 1."""
    xyz = packed.reshape(-1, 3) / 127.5 - 1
    return np.concatenate([np.sqrt(np.maximum(0, 1 - (xyz**2).sum(1, keepdims=True))), xyz], 1)


def _packed_harmonics(shN: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[N, K, 3] bytes: signed shares of 128, to the bits that their degree keeps."""
    packed = np.empty(shN.shape, np.uint8)
    for degree, bits in enumerate(_SH_BITS, 1):
        terms = slice(SH_TERMS[degree - 1], min(SH_TERMS[degree], shN.shape[1]))
        step = 1 << (8 - bits)
        turned = shN[:, terms] * _SH_ROTATION[: shN.shape[1], None][terms].astype(np.float32)
        packed[:, terms] = np.clip(np.rint((turned * 128 + 128) / step) * step, 0, 255).astype(np.uint8)
    return packed
