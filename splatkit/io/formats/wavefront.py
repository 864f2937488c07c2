"""Wavefront OBJ with its material file (.mtl) and the texture beside it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.local_origin import local_origin
from splatkit.io.atomic import atomic_file
from splatkit.io.formats.text import heading_lines
from splatkit.io.images import encode_image

if TYPE_CHECKING:
    from splatkit.io.mesh import Mesh

_MATERIAL = "surface"


def write_obj(path: Path, mesh: Mesh, comments: tuple[str, ...]) -> None:
    """Write an .obj, and for a texture NAME.mtl and NAME.png (or .jpg) before it.

    Vertex colors follow the coordinates as three more numbers, which most readers understand and the others skip.
    """
    header = [f"# {line}\n" for line in heading_lines(comments)]
    if mesh.texture is not None:
        _write_material(path, mesh.texture.suffix, encode_image(mesh.texture.image, mesh.texture.suffix), header)
        header.append(f"mtllib {path.stem}.mtl\n")
    digits = 13 if local_origin(mesh.vertices).any() else 7
    columns, template = [mesh.vertices], "v" + f" %.{digits}g" * 3
    if mesh.vertex_colors is not None:
        columns.append(mesh.vertex_colors / 255.0)
        template += " %.4f %.4f %.4f"
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(header)
        np.savetxt(file, np.concatenate(columns, axis=1), template)
        if mesh.texture is not None:
            np.savetxt(file, mesh.texture.uvs, "vt %.7g %.7g")
        if mesh.vertex_normals is not None:
            np.savetxt(file, mesh.vertex_normals, "vn %.5g %.5g %.5g")
        if mesh.texture is not None:
            file.write(f"usemtl {_MATERIAL}\n")
        _write_faces(file, mesh)


@dataclass(frozen=True)
class ObjMesh:
    """What is read of an .obj: V vertices and F triangles."""

    vertices: NDArray[np.float64]  # [V, 3], all of the file, in its order
    faces: NDArray[np.int64]  # [F, 3]; polygons are cut into fans
    vertex_colors: NDArray[np.uint8] | None  # [V, 3] sRGB, where all vertices have one


def read_obj(path: Path) -> ObjMesh:
    """Read vertices, their colors, and faces of all objects of an .obj.

    Negative indices count back from the last vertex before the face, whatever object it is in.

    Raises:
        DatasetError: a line is damaged, or a face names a vertex that does not exist; names file and line.
    """
    text = path.read_bytes().decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\\\n", " ")
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split("#", 1)[0].split()
        try:
            if words[:1] == ["v"]:
                vertices.append(_vertex(words[1:]))
            elif words[:1] == ["f"]:
                corners = [_vertex_index(word, len(vertices)) for word in words[1:]]
                faces.extend((corners[0], b, c) for b, c in pairwise(corners[1:]))
        except ValueError as error:
            raise DatasetError(f"{path}: line {number}: {error}, got {line.strip()[:60]!r}") from None
    colored = bool(vertices) and all(len(vertex) == 6 for vertex in vertices)
    values = np.array([vertex[:3] for vertex in vertices], dtype=np.float64).reshape(-1, 3)
    indices = np.array(faces, dtype=np.int64).reshape(-1, 3)
    if indices.size and indices.max() >= len(values):
        raise DatasetError(f"{path}: a face names vertex {indices.max() + 1}, there are {len(values)}")
    return ObjMesh(values, indices, _colors(vertices) if colored else None)


def _vertex(words: list[str]) -> list[float]:
    """x y z, or x y z r g b; a weight behind either is left aside."""
    if len(words) < 3:
        raise ValueError("expected v X Y Z")
    return [float(word) for word in words[: 6 if len(words) >= 6 else 3]]


def _vertex_index(word: str, count: int) -> int:
    """From 0, of a corner as 7, 7/1, 7//2 or 7/1/2, or by negative numbers; a later vertex may be named, as some do."""
    index = int(word.split("/", 1)[0])
    if index == 0 or -index > count:
        raise ValueError(f"expected indices from 1, or from -1 back to -{count}")
    return index - 1 if index > 0 else count + index


def _colors(vertices: list[list[float]]) -> NDArray[np.uint8]:
    """Of numbers up to 1, or up to 255 as some programs write them."""
    colors = np.array([vertex[3:] for vertex in vertices])
    white = 1.0 if colors.max(initial=0) <= 1 else 255.0
    return np.round(np.clip(colors / white, 0, 1) * 255).astype(np.uint8)


def _write_faces(file: TextIO, mesh: Mesh) -> None:
    """Corners are vertex, vertex/place, vertex//normal or vertex/place/normal, all counted from 1."""
    corner, columns = "%d", [mesh.faces]
    if mesh.texture is not None:
        corner, columns = corner + "/%d", [*columns, mesh.texture.faces]
    if mesh.vertex_normals is not None:
        corner, columns = corner + ("/%d" if mesh.texture is not None else "//%d"), [*columns, mesh.faces]
    indices = np.stack(columns, axis=-1).reshape(len(mesh.faces), -1) + 1
    np.savetxt(file, indices, f"f {corner} {corner} {corner}")


def _write_material(path: Path, suffix: str, picture: bytes, header: list[str]) -> None:
    """Ambient and diffuse color by the texture, no highlights: the light is in the photographs already."""
    name = path.with_suffix(suffix)
    with atomic_file(name) as temporary:
        temporary.write_bytes(picture)
    lines = [f"newmtl {_MATERIAL}", "Ka 1 1 1", "Kd 1 1 1", "Ks 0 0 0", "d 1", "illum 1", f"map_Kd {name.name}"]
    with atomic_file(path.with_suffix(".mtl")) as temporary:
        temporary.write_text("".join(header) + "\n".join(lines) + "\n", encoding="utf-8")
