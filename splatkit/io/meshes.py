"""Triangle meshes: PLY, OBJ, GLB, STL and (written alone) USDZ, with vertex colors or a texture.

PLY holds vertex colors alone: of what people open it with, few look at a texture, and a reader that does splits the
vertices along its seams, so that a closed mesh is closed no more. STL holds the bare shape.

How precise vertices are is the float property `sigma` of a PLY's vertices, the attribute _SIGMA of a GLB's and the
primvar `sigma` of a USDZ's, -1 where it is not known; OBJ and STL have no place for it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.geometry.local_origin import local_origin
from splatkit.io.atomic import atomic_file
from splatkit.io.formats.gltf import SIGMA_ATTRIBUTE, write_glb
from splatkit.io.formats.ply import ply_source, write_ply
from splatkit.io.formats.text import heading_lines
from splatkit.io.formats.usd import require_usd, write_usdz
from splatkit.io.formats.wavefront import read_obj, write_obj
from splatkit.io.mesh import Mesh, known_sigmas, stored_sigmas

MESH_SUFFIXES = (".ply", ".obj", ".glb", ".stl")  # read and written
_WRITTEN = (*MESH_SUFFIXES, ".usdz")
_STL_HEADER_BYTES = 80
_SIGMA = "sigma"  # property of a PLY's vertices


def write_mesh(path: Path, mesh: Mesh, comments: tuple[str, ...] = ()) -> None:
    """Write a mesh in the format of the suffix of `path` (.ply, .obj, .glb, .stl, .usdz).

    A texture goes into a .glb or .usdz, and beside an .obj as NAME.mtl and NAME's picture.

    Args:
        path: the file; written whole or not at all.
        mesh: what to write.
        comments: lines for a person who opens the file, e.g. frame and units (.glb: `extras`; .stl: what fits into
            80 bytes).

    Raises:
        ValueError: the name ends otherwise.
        DatasetError: what writes the format is not installed.
    """
    path = Path(path)
    writers = dict(zip(_WRITTEN, (_write_ply, write_obj, write_glb, _write_stl, write_usdz), strict=True))
    if path.suffix.lower() not in writers:
        raise ValueError(f"{path}: expected a name ending in {', '.join(_WRITTEN)}")
    writers[path.suffix.lower()](path, mesh, comments)


def require_writer(path: Path) -> None:
    """DatasetError, before hours of work, where what writes a mesh of that name is not installed."""
    if path.suffix.lower() == ".usdz":
        require_usd(path)


def read_mesh(path: Path) -> Mesh:
    """Read the triangles of a .ply, .obj, .glb or .stl file, vertex colors and sigmas; textures are left aside.

    Along the seams of a texture (but for .obj), and everywhere in an .stl, vertices come more than once.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, or without triangles.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such mesh")
    mesh = _read_obj(path) if path.suffix.lower() == ".obj" else _read_by_trimesh(path)
    if len(mesh.faces) == 0:
        raise DatasetError(f"{path}: no triangles")
    if not np.isfinite(mesh.vertices).all() or mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise DatasetError(f"{path}: vertices are NaN or faces name vertices that do not exist")
    return mesh


def _load(path: Path) -> Any:
    kind = path.suffix.lower()[1:]
    source = ply_source(path) if kind == "ply" else path
    return trimesh.load_mesh(source, file_type=kind, process=False, maintain_order=True)


def _read_obj(path: Path) -> Mesh:
    """By our own reader: trimesh counts negative indices from each object's own first vertex."""
    read = read_obj(path)
    return Mesh(read.vertices, read.faces, read.vertex_colors)


def _read_by_trimesh(path: Path) -> Mesh:
    try:
        loaded: Any = _load(path)
    except Exception as error:  # trimesh's readers raise whatever the damage leads to
        raise DatasetError(f"{path}: not a readable mesh ({type(error).__name__}: {error})") from error
    vertices, faces = np.asarray(loaded.vertices), np.asarray(loaded.faces)
    if path.suffix.lower() == ".glb":
        z_up = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], axis=-1)
        colors, sigmas = _read_glb_attributes(path)
        return Mesh(z_up, faces, colors, vertex_sigmas=sigmas)
    colors = np.asarray(loaded.visual.vertex_colors)[:, :3] if loaded.visual.kind == "vertex" else None
    return Mesh(vertices, faces, colors, vertex_sigmas=_ply_sigmas(loaded))


def _ply_sigmas(loaded: Any) -> NDArray[np.float32] | None:
    """Of what trimesh loaded, if it was a PLY with the property; vertices that it split at seams have none."""
    raw = loaded.metadata.get("_ply_raw", {}).get("vertex", {})
    if _SIGMA not in raw.get("properties", ()) or raw["length"] != len(loaded.vertices):
        return None
    return known_sigmas(np.asarray(raw["data"][_SIGMA]).reshape(-1))


def _read_glb_attributes(path: Path) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
    """sRGB colors and sigmas of a file with one mesh; trimesh keeps them only before it merges the scene."""
    geometries: list[Any] = list(trimesh.load_scene(path, process=False).geometry.values())
    if len(geometries) > 1:
        return None, None
    colors = getattr(geometries[0].visual, "vertex_attributes", {}).get("color")
    sigmas = geometries[0].vertex_attributes.get(SIGMA_ATTRIBUTE)
    return _srgb(colors), None if sigmas is None else known_sigmas(np.asarray(sigmas).reshape(-1))


def _srgb(colors: NDArray[Any] | None) -> NDArray[np.uint8] | None:
    """Of linear colors [V, 3 or 4] in [0, 1]."""
    if colors is None or not np.issubdtype(colors.dtype, np.floating):
        return None
    c = np.asarray(colors, dtype=np.float64)[:, :3]
    srgb = np.where(c <= 0.0031308, 12.92 * c, 1.055 * c ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    return np.round(srgb * 255).astype(np.uint8)


def _write_ply(path: Path, mesh: Mesh, comments: tuple[str, ...]) -> None:
    coordinate = "f8" if local_origin(mesh.vertices).any() else "f4"
    fields: list[tuple[str, str]] = [(name, coordinate) for name in ("x", "y", "z")]
    if mesh.vertex_normals is not None:
        fields += [(name, "f4") for name in ("nx", "ny", "nz")]
    if mesh.vertex_colors is not None:
        fields += [(name, "u1") for name in ("red", "green", "blue")]
    if mesh.vertex_sigmas is not None:
        fields.append((_SIGMA, "f4"))
    vertices = np.empty(len(mesh.vertices), dtype=fields)
    for axis in range(3):
        vertices["xyz"[axis]] = mesh.vertices[:, axis]
        if mesh.vertex_normals is not None:
            vertices[("nx", "ny", "nz")[axis]] = mesh.vertex_normals[:, axis]
        if mesh.vertex_colors is not None:
            vertices[("red", "green", "blue")[axis]] = mesh.vertex_colors[:, axis]
    if mesh.vertex_sigmas is not None:
        vertices[_SIGMA] = stored_sigmas(mesh.vertex_sigmas)
    write_ply(path, vertices, mesh.faces.astype(np.int32), comments)


def _write_stl(path: Path, mesh: Mesh, comments: tuple[str, ...]) -> None:
    """Binary; the format knows neither colors nor which corners are one vertex."""
    records = np.zeros(len(mesh.faces), dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")])
    records["normal"] = mesh.face_normals()
    records["corners"] = mesh.vertices[mesh.faces]
    text = "; ".join(heading_lines(comments)).encode("utf-8")[:_STL_HEADER_BYTES]
    header = text.decode("utf-8", "ignore").encode("utf-8").ljust(_STL_HEADER_BYTES)  # no letter is cut in half
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(header + np.uint32(len(records)).astype("<u4").tobytes())
        file.write(records.tobytes())
