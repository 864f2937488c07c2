"""Triangle meshes: PLY, OBJ and GLB with vertex colors.

Coordinates in memory are the project's (z up where the dataset is). glTF is y-up by specification, so GLB files hold
(x, z, -y) and reading turns them back. glTF colors are linear; ours are sRGB like the images.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.ply import write_ply

MESH_SUFFIXES = (".ply", ".obj", ".glb")


@dataclass(frozen=True)
class Texture:
    """A picture of a mesh's surface, and where the corners of each face lie in it."""

    image: NDArray[np.uint8]  # [H, W, 3] sRGB
    uvs: NDArray[np.floating]  # [T, 2] in [0, 1]; v counts from the picture's lower edge
    faces: NDArray[np.integer]  # [F, 3] indices into uvs


@dataclass(frozen=True)
class Mesh:
    """V vertices and F triangles, counter-clockwise seen from outside."""

    vertices: NDArray[np.floating]  # [V, 3]
    faces: NDArray[np.integer]  # [F, 3] vertex indices
    vertex_colors: NDArray[np.uint8] | None = None  # [V, 3] sRGB
    vertex_normals: NDArray[np.floating] | None = None  # [V, 3] unit
    texture: Texture | None = None

    def face_areas(self) -> NDArray[np.float64]:
        """[F] areas in squared units of the vertices."""
        return np.linalg.norm(self._face_crosses(), axis=-1) / 2

    def face_normals(self) -> NDArray[np.float64]:
        """[F, 3] unit normals; zero for degenerate triangles."""
        crosses = self._face_crosses()
        lengths = np.linalg.norm(crosses, axis=-1, keepdims=True)
        return np.divide(crosses, lengths, out=np.zeros_like(crosses), where=lengths > 0)

    def _face_crosses(self) -> NDArray[np.float64]:
        a, b, c = (self.vertices[self.faces[:, i]].astype(np.float64) for i in range(3))
        return np.cross(b - a, c - a)


def write_mesh(path: Path, mesh: Mesh, comments: tuple[str, ...] = ()) -> None:
    """Write a mesh in the format of the suffix of `path` (.ply, .obj, .glb).

    Args:
        path: the file; written whole or not at all.
        mesh: what to write.
        comments: lines for a person who opens the file, e.g. frame and units (.ply and .obj; .glb: `extras`).
    """
    path = Path(path)
    writers = {".ply": _write_ply, ".obj": _write_obj, ".glb": _write_glb}
    if path.suffix.lower() not in writers:
        raise ValueError(f"{path}: expected a name ending in {', '.join(MESH_SUFFIXES)}")
    writers[path.suffix.lower()](path, mesh, comments)


def read_mesh(path: Path) -> Mesh:
    """Read the triangles of a .ply, .obj or .glb file.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, or without triangles.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such mesh")
    try:
        loaded: Any = trimesh.load_mesh(path, process=False, maintain_order=True)
    except Exception as error:  # trimesh's readers raise whatever the damage leads to
        raise DatasetError(f"{path}: not a readable mesh ({type(error).__name__}: {error})") from error
    vertices, faces = np.asarray(loaded.vertices), np.asarray(loaded.faces)
    if len(faces) == 0:
        raise DatasetError(f"{path}: no triangles")
    if not np.isfinite(vertices).all() or faces.min() < 0 or faces.max() >= len(vertices):
        raise DatasetError(f"{path}: vertices are NaN or faces name vertices that do not exist")
    colors = np.asarray(loaded.visual.vertex_colors)[:, :3] if loaded.visual.kind == "vertex" else None
    if path.suffix.lower() == ".glb":
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], axis=-1)
        colors = _read_glb_colors(path)
    return Mesh(vertices, faces, colors)


def _read_glb_colors(path: Path) -> NDArray[np.uint8] | None:
    """sRGB colors of a file with one mesh; trimesh keeps them only before it merges the scene."""
    geometries = list(trimesh.load_scene(path, process=False).geometry.values())
    colors = getattr(geometries[0].visual, "vertex_attributes", {}).get("color")
    if len(geometries) > 1 or colors is None or not np.issubdtype(colors.dtype, np.floating):
        return None
    c = np.asarray(colors, dtype=np.float64)[:, :3]
    srgb = np.where(c <= 0.0031308, 12.92 * c, 1.055 * c ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    return np.round(srgb * 255).astype(np.uint8)


def _write_ply(path: Path, mesh: Mesh, comments: tuple[str, ...]) -> None:
    fields: list[tuple[str, str]] = [(name, "f4") for name in ("x", "y", "z")]
    if mesh.vertex_normals is not None:
        fields += [(name, "f4") for name in ("nx", "ny", "nz")]
    if mesh.vertex_colors is not None:
        fields += [(name, "u1") for name in ("red", "green", "blue")]
    vertices = np.empty(len(mesh.vertices), dtype=fields)
    for axis in range(3):
        vertices["xyz"[axis]] = mesh.vertices[:, axis]
        if mesh.vertex_normals is not None:
            vertices[("nx", "ny", "nz")[axis]] = mesh.vertex_normals[:, axis]
        if mesh.vertex_colors is not None:
            vertices[("red", "green", "blue")[axis]] = mesh.vertex_colors[:, axis]
    write_ply(path, vertices, mesh.faces.astype(np.int32), comments)


def _write_obj(path: Path, mesh: Mesh, comments: tuple[str, ...]) -> None:
    """Colors follow the coordinates as three more numbers, which most readers understand and the others skip."""
    columns, template = [mesh.vertices], "v %.7g %.7g %.7g"
    if mesh.vertex_colors is not None:
        columns.append(mesh.vertex_colors / 255.0)
        template += " %.4f %.4f %.4f"
    with atomic_file(path) as temporary, temporary.open("w") as file:
        file.writelines(f"# {line}\n" for line in comments)
        np.savetxt(file, np.concatenate(columns, axis=1), template)
        if mesh.vertex_normals is not None:
            np.savetxt(file, mesh.vertex_normals, "vn %.5g %.5g %.5g")
            np.savetxt(file, np.repeat(mesh.faces + 1, 2, axis=1), "f %d//%d %d//%d %d//%d")
        else:
            np.savetxt(file, mesh.faces + 1, "f %d %d %d")


def _write_glb(path: Path, mesh: Mesh, comments: tuple[str, ...]) -> None:
    """glTF 2.0 binary: one primitive, y up, unlit where colors (which already hold the scene's light) are given."""
    builder = _GlbBuilder()
    turned = np.stack([mesh.vertices[:, 0], mesh.vertices[:, 2], -mesh.vertices[:, 1]], axis=-1).astype(np.float32)
    attributes = {"POSITION": builder.add(turned, "VEC3", 5126, bounds=True)}
    if mesh.vertex_normals is not None:
        n = mesh.vertex_normals
        turned = np.stack([n[:, 0], n[:, 2], -n[:, 1]], axis=-1).astype(np.float32)
        attributes["NORMAL"] = builder.add(turned, "VEC3", 5126)
    material: dict[str, Any] = {"doubleSided": True, "pbrMetallicRoughness": {"metallicFactor": 0.0}}
    if mesh.vertex_colors is not None:
        attributes["COLOR_0"] = builder.add(_srgb_to_linear(mesh.vertex_colors), "VEC3", 5126)
        material["extensions"] = {"KHR_materials_unlit": {}}
    indices = builder.add(mesh.faces.astype(np.uint32).reshape(-1), "SCALAR", 5125)
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "splatkit", "extras": {"comments": list(comments)}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}],
        "materials": [material],
        "accessors": builder.accessors,
        "bufferViews": builder.views,
        "buffers": [{"byteLength": len(builder.data)}],
    }
    if "extensions" in material:
        document["extensionsUsed"] = ["KHR_materials_unlit"]
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(builder.data)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, total))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", len(builder.data), b"BIN\0"))
        file.write(builder.data)


class _GlbBuilder:
    """Collects arrays into one buffer; every array here has items of 4 bytes, so it stays aligned."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: NDArray[Any], kind: str, component: int, bounds: bool = False) -> int:
        """Append an array; returns its accessor's index. glTF demands bounds of positions."""
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes})
        accessor: dict[str, Any] = {
            "bufferView": len(self.views) - 1,
            "componentType": component,
            "count": len(array),
            "type": kind,
        }
        if bounds:
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        self.accessors.append(accessor)
        self.data += array.tobytes()
        return len(self.accessors) - 1


def _srgb_to_linear(colors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """IEC 61966-2-1, 8-bit sRGB to linear float32 in [0, 1]."""
    c = colors.astype(np.float64) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)
