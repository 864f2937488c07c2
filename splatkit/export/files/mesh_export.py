"""The folder that an export leaves: the mesh in several formats, the splats, and a record of how they came about."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import splatkit
from splatkit.errors import EmptyMeshError
from splatkit.evaluation.mesh_topology import measure_topology
from splatkit.export.files.frames import ExportFrame
from splatkit.io.atomic import atomic_directory
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import write_mesh
from splatkit.io.provenance import library_versions
from splatkit.io.splats import SplatArrays, write_splats

MeshFormat = Literal["ply", "obj", "glb", "stl", "usdz"]
FORMATS: tuple[MeshFormat, ...] = ("ply", "obj", "glb")
_FAR_FORMATS = ("ply", "obj", "glb", "usdz")  # hold places far from the origin exactly
_FORMAT = "splatkit export 1"
_SPLATS = "splats.ply"
_LIBRARIES = ("numpy", "torch", "open3d", "xatlas")


def write_mesh_export(
    out: Path,
    mesh: Mesh,
    formats: Sequence[MeshFormat] = FORMATS,
    *,
    frame: ExportFrame,
    record: Mapping[str, Any],
    splats: SplatArrays | None = None,
    overwrite: bool = False,
    more: Callable[[Path, dict[str, Any]], None] = lambda folder, record: None,
) -> dict[str, Any]:
    """Write mesh.ply and so on, export.json and, if given, splats.ply into the new folder `out`.

    Args:
        out: the folder; complete or not there at all.
        mesh: at least one triangle, where `frame.apply` puts it.
        formats: of the mesh.
        frame: what the coordinates refer to.
        record: what else to keep in export.json: inputs, settings, metrics; must be JSON.
        splats: the field that the mesh was made from, in the same frame.
        overwrite: replace an existing folder.
        more: adds files to the folder before it gets its name; takes the record too.

    Returns:
        The content of export.json.
    """
    if len(mesh.faces) == 0:
        raise EmptyMeshError("the mesh to export has no triangles")
    placed = replace(mesh, vertices=frame.place(mesh.vertices))
    summary = {
        "format": _FORMAT,
        "splatkit": splatkit.__version__,
        "libraries": library_versions(_LIBRARIES),
        **frame.record(),
        "glb_axes": "y up: (x, z, -y) of the frame, as glTF demands; .usdz too",
        "mesh": describe_mesh(placed),
        "splats": None if splats is None else {"count": len(splats.means)},
        **record,
    }
    version = f"splatkit {splatkit.__version__}"
    if frame.is_local:
        local = [f"mesh.{name}" for name in formats if name not in _FAR_FORMATS]
        summary["local_files"] = local if splats is None else [*local, _SPLATS]
    with atomic_directory(out, overwrite) as folder:
        for name in formats:
            far = name in _FAR_FORMATS
            write_mesh(folder / f"mesh.{name}", placed if far else mesh, (version, *frame.comments(far)))
        if splats is not None:
            write_splats(folder / _SPLATS, splats, (version, *frame.comments()))
        more(folder, summary)
        summary["files"] = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        (folder / "export.json").write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return summary


def describe_mesh(mesh: Mesh) -> dict[str, Any]:
    """Counts, extent, topology and precision of a mesh; what is not watertight is reported, never repaired."""
    topology = measure_topology(mesh)
    sigmas = {} if mesh.vertex_sigmas is None else {"vertex_sigmas": _describe_sigmas(mesh.vertex_sigmas)}
    return {
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "area": float(mesh.face_areas().sum()),
        "bounds": [mesh.vertices.min(0).tolist(), mesh.vertices.max(0).tolist()],
        **asdict(topology),
        "watertight": topology.watertight,
        **sigmas,
    }


def _describe_sigmas(sigmas: NDArray[np.float32]) -> dict[str, float | None]:
    """Share of the vertices where they are known, and quantiles of these, in units of the mesh."""
    known = sigmas[np.isfinite(sigmas)]
    median, ninety = np.quantile(known, (0.5, 0.9)).tolist() if len(known) else (None, None)
    return {"known_share": len(known) / max(len(sigmas), 1), "median": median, "ninety_percent_below": ninety}
