"""PLY files: one binary writer for vertices and triangles, one reader whose errors name the file."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyParseError

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.formats.text import heading_lines

_LONGEST_HEAD = 1 << 20  # bytes
_HEAD_END = re.compile(rb"(?:^|[\r\n])end_header[ \t]*(?:\r\n|\r|\n)")
_FACES = re.compile(rb"element face (\d+)")
_PLY_TYPES = {"u1": "uchar", "i4": "int", "f4": "float", "f8": "double"}


def write_ply(
    path: Path, vertices: NDArray[np.void], faces: NDArray[np.int32] | None = None, comments: tuple[str, ...] = ()
) -> None:
    """Write a binary little-endian PLY.

    Args:
        path: the file; written whole or not at all.
        vertices: [V] structured array; its field names become the properties.
        faces: [F, 3] vertex indices, or None for a point cloud.
        comments: header lines, e.g. the frame and the units of the coordinates; in UTF-8.
    """
    header = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in heading_lines(comments))]
    header.append(f"element vertex {len(vertices)}")
    for name in vertices.dtype.names or ():
        header.append(f"property {_PLY_TYPES[vertices.dtype[name].str[1:]]} {name}")
    if faces is not None:
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    header.append("end_header\n")
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write("\n".join(header).encode("utf-8"))
        little = np.ascontiguousarray(vertices.astype(vertices.dtype.newbyteorder("<"), copy=False))
        file.write(little.view(np.uint8).data)  # no copy, where the machine counts so
        if faces is not None:
            records = np.empty(len(faces), dtype=[("count", "u1"), ("indices", "<i4", (3,))])
            records["count"], records["indices"] = 3, faces
            file.write(records.tobytes())


def ply_source(path: Path) -> str | io.BytesIO:
    """What libraries read that want a head of ASCII: the file itself, or its content under such a head.

    Bytes of the head that are no ASCII come as two digits of hexadecimals, so that names remain different.
    """
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEAD)
        end = _HEAD_END.search(start)
        if end is None or start[: end.end()].isascii():
            return str(path)
        head = start[: end.end()].removeprefix(b"\xef\xbb\xbf")
        ascii_head = b"".join(b"%02x" % byte if byte > 127 else bytes([byte]) for byte in head)
        return io.BytesIO(ascii_head + start[end.end() :] + file.read())


def read_ply_vertices(path: Path) -> NDArray[np.void]:
    """The vertices of any PLY file as a structured array [V], V >= 1.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: not a PLY file, cut short, or without vertices.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        vertices = PlyData.read(ply_source(path))["vertex"].data
    except (PlyParseError, ValueError, EOFError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: not a PLY file, or damaged or cut short ({error})") from error
    except KeyError as error:
        raise DatasetError(f"{path}: this PLY file has no vertices") from error
    if len(vertices) == 0:
        raise DatasetError(f"{path}: this PLY file is empty (0 vertices)")
    return np.asarray(vertices)


def has_faces(path: Path) -> bool:
    """Whether a PLY file that exists has triangles, by its header."""
    with path.open("rb") as file:
        found = _FACES.search(file.read(_LONGEST_HEAD).split(b"end_header")[0])
    return found is not None and int(found[1]) > 0


def join_fields(path: Path, vertices: NDArray[np.void], names: tuple[str, ...]) -> NDArray[Any]:
    """Columns `names` of a structured array as [V, len(names)]; refuses missing ones and what is not a number.

    Args:
        path: the file they come from, for messages.
        vertices: [V] structured array.
        names: fields.
    """
    if missing := [name for name in names if name not in (vertices.dtype.names or ())]:
        raise DatasetError(f"{path}: the vertices lack {', '.join(missing)}")
    if odd := [name for name in names if vertices[name].ndim != 1 or vertices[name].dtype.kind not in "fiu"]:
        raise DatasetError(f"{path}: expected one number a vertex as {', '.join(odd)}")
    return np.stack([vertices[name] for name in names], axis=-1)


def stack_fields(path: Path, vertices: NDArray[np.void], names: tuple[str, ...]) -> NDArray[Any]:
    """As `join_fields`, but refuses NaN and infinity."""
    columns = join_fields(path, vertices, names)
    bad = len(columns) - int(np.isfinite(columns).all(axis=-1).sum())
    if bad:
        raise DatasetError(f"{path}: {', '.join(names)} of {bad} of {len(columns)} vertices are NaN or infinite")
    return columns
