"""Wavefront OBJ with its material file (.mtl) and the texture beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

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
    columns, template = [mesh.vertices], "v %.7g %.7g %.7g"
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


def with_absolute_indices(text: str) -> str:
    """The text of an OBJ whose corners are counted from the first vertex, where they were from the last (-1).

    Readers differ in what -1 counts from once a file has several objects; the format has the last vertex of the file
    before the face.
    """
    counts = {"v": 0, "vt": 0, "vn": 0}
    lines = []
    for line in text.splitlines():
        words = line.split()
        if words and words[0] in counts:
            counts[words[0]] += 1
        elif words and words[0] in ("f", "l", "p") and "-" in line:
            line = " ".join([words[0], *(_absolute(corner, counts) for corner in words[1:])])
        lines.append(line)
    return "\n".join(lines) + "\n"


def _absolute(corner: str, counts: dict[str, int]) -> str:
    """A corner as vertex/place/normal, any of which may be negative or missing."""
    parts = zip(corner.split("/"), counts.values(), strict=False)
    return "/".join(str(count + 1 + int(part)) if part.startswith("-") else part for part, count in parts)


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
