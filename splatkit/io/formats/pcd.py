"""PCD files of the Point Cloud Library, versions 0.6 and 0.7: ascii, binary and binary_compressed.

Written here because the libraries at hand drop fields that they do not know, or end the program on damaged files.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.formats.text import decode_text

_KEYS = ("VERSION", "FIELDS", "COLUMNS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS", "DATA")
_KINDS = {"F": "f", "I": "i", "U": "u"}
_SIZES = {"F": (4, 8), "I": (1, 2, 4, 8), "U": (1, 2, 4, 8)}
_MAX_HEADER = 1 << 16  # bytes: of any real one a few hundred
_MAX_COUNT = 1 << 16  # values of a field: descriptors have hundreds


@dataclass(frozen=True)
class _Header:
    record: np.dtype[np.void]  # of one point
    points: int
    encoding: str  # of the data that follow
    size: int  # bytes before the data


def read_pcd(path: Path) -> NDArray[np.void]:
    """The points of a PCD file as a structured array [N]; fields keep their names and types.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: not a PCD file, damaged, or cut short.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    content = path.read_bytes()
    try:
        header = _parse_header(content)
        body = content[header.size :]
        if header.encoding == "ascii":
            return _parse_ascii(body, header)
        if header.encoding == "binary":
            return _parse_binary(body, header)
        return _parse_compressed(body, header)
    except _DamagedError as error:
        raise DatasetError(f"{path}: {error}") from error


class _DamagedError(Exception):
    """What is wrong with the file, without its name."""


def _parse_header(content: bytes) -> _Header:
    values: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in values:
        end = content.find(b"\n", start, _MAX_HEADER)
        if end < 0:
            raise _DamagedError("not a PCD file, or its header is cut short: no DATA line")
        words = decode_text(content[start:end]).split()
        start = end + 1
        if not words or words[0].startswith("#"):
            continue
        if words[0] not in _KEYS:
            raise _DamagedError(f"not a PCD file, or its header is damaged: {' '.join(words)[:40]!r}")
        values["FIELDS" if words[0] == "COLUMNS" else words[0]] = words[1:]
    encoding = " ".join(values["DATA"])
    if encoding not in ("ascii", "binary", "binary_compressed"):
        raise _DamagedError(f"DATA: expected ascii, binary or binary_compressed, got {encoding!r}")
    return _Header(_record(values), _point_count(values), encoding, start)


def _record(values: dict[str, list[str]]) -> np.dtype[np.void]:
    missing = [key for key in ("FIELDS", "SIZE", "TYPE") if not values.get(key)]
    if missing:
        raise _DamagedError(f"the header lacks {', '.join(missing)}")
    names, kinds = values["FIELDS"], values["TYPE"]
    sizes, counts = _integers(values, "SIZE"), _integers(values, "COUNT") or [1] * len(names)
    if not len(names) == len(kinds) == len(sizes) == len(counts):
        raise _DamagedError("FIELDS, SIZE, TYPE and COUNT of the header differ in length")
    columns = []
    for place, (name, kind, size, count) in enumerate(zip(names, kinds, sizes, counts, strict=True)):
        if size not in _SIZES.get(kind, ()) or not 1 <= count <= _MAX_COUNT:
            raise _DamagedError(f"field {name}: no such type (TYPE {kind}, SIZE {size}, COUNT {count})")
        # "_" is padding and may occur more than once.
        columns.append((name if name != "_" else f"_{place}", f"<{_KINDS[kind]}{size}", (count,) if count > 1 else ()))
    if len({name for name, *_ in columns}) < len(columns):
        raise _DamagedError("a field occurs twice in the header")
    return np.dtype(columns)


def _point_count(values: dict[str, list[str]]) -> int:
    width, height = (_integers(values, key) or [1] for key in ("WIDTH", "HEIGHT"))
    points = _integers(values, "POINTS") or [width[0] * height[0]]
    if len(points) != 1 or points[0] < 0 or ("WIDTH" in values and points[0] != width[0] * height[0]):
        raise _DamagedError("POINTS of the header is not WIDTH x HEIGHT")
    return points[0]


def _integers(values: dict[str, list[str]], key: str) -> list[int]:
    try:
        return [int(word) for word in values.get(key, [])]
    except ValueError as error:
        raise _DamagedError(
            f"{key} of the header: expected whole numbers, got {' '.join(values[key])[:40]!r}"
        ) from error


def _parse_ascii(body: bytes, header: _Header) -> NDArray[np.void]:
    words = body.split()
    names = header.record.names or ()
    widths = [int(np.prod(header.record[name].shape, dtype=int)) for name in names]
    wanted = header.points * sum(widths)
    if len(words) != wanted:
        raise _DamagedError(f"cut short or damaged: {len(words)} values, where {header.points} points have {wanted}")
    try:
        table = np.array(words, dtype=np.float64).reshape(header.points, sum(widths))
    except ValueError as error:
        raise _DamagedError(f"damaged: {error}") from error
    vertices = np.zeros(header.points, header.record)
    start = 0
    with np.errstate(invalid="ignore", over="ignore"):  # what does not fit its type becomes some other number, as in C
        for name, width in zip(names, widths, strict=True):
            vertices[name] = table[:, start : start + width].reshape(vertices[name].shape)
            start += width
    return vertices


def _parse_binary(body: bytes, header: _Header) -> NDArray[np.void]:
    wanted = header.points * header.record.itemsize
    if len(body) < wanted:
        raise _DamagedError(f"cut short: {len(body)} bytes, where {header.points} points take {wanted}")
    return np.frombuffer(body, header.record, header.points)


def _parse_compressed(body: bytes, header: _Header) -> NDArray[np.void]:
    """One field after the other, packed by LZF; before them the sizes packed and unpacked."""
    if len(body) < 8:
        raise _DamagedError("cut short: the sizes of the packed data are missing")
    packed, unpacked = np.frombuffer(body, "<u4", 2).tolist()
    if unpacked != header.points * header.record.itemsize:
        raise _DamagedError(f"damaged: {unpacked} bytes unpacked are not {header.points} points")
    if len(body) - 8 < packed:
        raise _DamagedError(f"cut short: {len(body) - 8} bytes, where the packed data take {packed}")
    fields = unpack_lzf(body[8 : 8 + packed], unpacked)
    vertices = np.zeros(header.points, header.record)
    start = 0
    for name in header.record.names or ():
        kind = header.record[name]
        column = np.frombuffer(fields, kind.base, header.points * (kind.itemsize // kind.base.itemsize), start)
        vertices[name] = column.reshape(vertices[name].shape)
        start += header.points * kind.itemsize
    return vertices


def unpack_lzf(packed: bytes, size: int) -> bytes:
    """LibLZF's format: runs of new bytes, and references to bytes already there.

    Raises:
        _DamagedError: the result is not `size` bytes long, or refers to what is not there.
    """
    out = bytearray()
    at, end = 0, len(packed)
    try:
        while at < end and len(out) <= size:
            control = packed[at]
            at += 1
            if control < 32:
                out += packed[at : at + control + 1]
                at += control + 1
                continue
            length = (control >> 5) + 2
            if length == 9:
                length += packed[at]
                at += 1
            back = ((control & 31) << 8) + packed[at] + 1
            at += 1
            if back > len(out):
                raise _DamagedError("damaged: the packed data refer to what is not there")
            run = out[-back:][:length]
            out += run if back >= length else (run * (length // back + 1))[:length]
    except IndexError:
        at = end + 1
    if len(out) != size or at != end:
        raise _DamagedError("damaged: the packed data do not have the size that they state")
    return bytes(out)
