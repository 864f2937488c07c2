"""The folder that an export leaves: the mesh in three formats, the splats, and a record of how they came about."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import splatkit
from splatkit.errors import EmptyMeshError
from splatkit.evaluation.mesh_topology import measure_topology
from splatkit.io.atomic import atomic_directory
from splatkit.io.meshes import MESH_SUFFIXES, Mesh, write_mesh
from splatkit.io.splats import Splats, write_splats


def write_mesh_export(
    out: Path,
    mesh: Mesh,
    *,
    frame: str,
    units: str,
    record: Mapping[str, Any],
    splats: Splats | None = None,
    overwrite: bool = False,
) -> None:
    """Write mesh.ply, mesh.obj, mesh.glb, export.json and, if given, splats.ply into the new folder `out`.

    Args:
        out: the folder; complete or not there at all.
        mesh: at least one triangle.
        frame: what the coordinates refer to, e.g. "the poses in transforms.json".
        units: e.g. "m" or "scene units".
        record: what else to keep in export.json: inputs, settings, metrics; must be JSON.
        splats: the field that the mesh was made from, in the same frame.
        overwrite: replace an existing folder.
    """
    if len(mesh.faces) == 0:
        raise EmptyMeshError("the mesh to export has no triangles")
    comments = (f"splatkit {splatkit.__version__}", f"units: {units}", f"frame: {frame}")
    summary = {
        "splatkit": splatkit.__version__,
        "frame": frame,
        "units": units,
        "glb_axes": "y up: (x, z, -y) of the frame, as glTF demands",
        "mesh": describe_mesh(mesh),
        "splats": None if splats is None else {"count": len(splats.means)},
        **record,
    }
    text = json.dumps(summary, indent=1, allow_nan=False) + "\n"
    with atomic_directory(out, overwrite) as folder:
        for suffix in MESH_SUFFIXES:
            write_mesh(folder / f"mesh{suffix}", mesh, comments)
        if splats is not None:
            write_splats(folder / "splats.ply", splats, comments)
        (folder / "export.json").write_text(text)


def describe_mesh(mesh: Mesh) -> dict[str, Any]:
    """Counts, extent and topology of a mesh; what is not watertight is reported, never repaired."""
    topology = measure_topology(mesh)
    return {
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "area": float(mesh.face_areas().sum()),
        "bounds": [mesh.vertices.min(0).tolist(), mesh.vertices.max(0).tolist()],
        "boundary_edges": topology.boundary_edges,
        "non_manifold_edges": topology.non_manifold_edges,
        "watertight": topology.watertight,
    }
