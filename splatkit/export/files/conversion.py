"""Splats, meshes, clouds, cameras and trajectories of any program as another kind of file, without a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from splatkit.errors import DatasetError
from splatkit.export.files.camera_conversion import convert_cameras, takes_cameras
from splatkit.export.files.converted import Converted
from splatkit.export.settings import ConvertSettings
from splatkit.geometry.se3 import transform_points
from splatkit.io.formats.las import coordinate_system
from splatkit.io.formats.ply import has_faces
from splatkit.io.meshes import MESH_SUFFIXES, read_mesh, write_mesh
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.io.scans.reader import LeftOut
from splatkit.io.scans.readers import has_reader, passed_over, read_scans
from splatkit.io.splat_formats.formats import holds_splats, read_splat_file, write_splat_file

_SURVEYORS = (".las", ".laz")
_KNOWN_ENDINGS = (
    "splats (.ply, .sog, .spz, .splat, .glb), meshes (.ply, .obj, .glb, .stl), point clouds, cameras or trajectories"
)


def convert(settings: ConvertSettings) -> Converted:
    """Read a file and write it as another kind, in the same frame and units.

    Raises:
        FileNotFoundError: there is no such file.
        FileExistsError: `output` exists and may not be overwritten.
        DatasetError: it is of no known kind, or damaged.
        ValueError: what is in it is not written with such an ending.
    """
    source, out = settings.input, settings.output
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file")
    if out.exists() and not settings.overwrite:
        raise FileExistsError(f"{out} exists; choose another name or pass --overwrite")
    if holds_splats(source):
        splats = read_splat_file(source)
        return Converted(out, f"{len(splats.means)} splats", tuple(write_splat_file(out, splats)))
    if _is_mesh(source):
        return _convert_mesh(source, out)
    if takes_cameras(source, out):
        return convert_cameras(settings)
    if has_reader(source):
        return _convert_cloud(source, out)
    raise DatasetError(f"{source}: not a file that can be converted; expected {_KNOWN_ENDINGS}")


def _is_mesh(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in MESH_SUFFIXES and (suffix != ".ply" or has_faces(path))


def _convert_mesh(source: Path, out: Path) -> Converted:
    mesh, lost = read_mesh(source), []
    if source.suffix.lower() in (".obj", ".glb"):
        lost.append("a texture, if it has one")
    if out.suffix.lower() == ".stl" and mesh.vertex_colors is not None:
        lost.append("the colors of its vertices")
    if out.suffix.lower() in (".stl", ".obj") and mesh.vertex_sigmas is not None:
        lost.append("the standard deviations of its vertices")
    write_mesh(out, mesh)
    return Converted(out, f"{len(mesh.vertices)} vertices, {len(mesh.faces)} faces", tuple(lost))


def _convert_cloud(source: Path, out: Path) -> Converted:
    """All scans of a file, where it says their poses, in its world."""
    if out.suffix.lower() != ".ply":
        raise ValueError(f"{out}: point clouds are written as .ply; choose a name with that ending")
    left_out: list[LeftOut] = list(passed_over(source))
    scans = list(read_scans(source, note=left_out.append))
    if not scans:
        raise DatasetError(f"{source}: no scan in it holds a point")
    if len(scans) > 1 and any(scan.T_world_lidar is None for scan in scans):
        raise DatasetError(f"{source}: holds several scans and not the pose of each")
    clouds = []
    for scan in scans:
        pose = np.eye(4) if scan.T_world_lidar is None else scan.T_world_lidar
        normals = None if scan.cloud.normals is None else scan.cloud.normals @ pose[:3, :3].T.astype(np.float32)
        clouds.append(replace(scan.cloud, points=transform_points(pose, scan.cloud.points), normals=normals))
    names = ("points", "colors", "normals", "intensity", "ring", "time")
    columns: dict[str, Any] = {}
    lost = [f"{item.name}: {item.reason}" for item in left_out]
    if source.suffix.lower() in _SURVEYORS and (system := coordinate_system(source)) is not None:
        lost.append(f"the coordinate system {system}")
    for name in names:
        parts = [part for cloud in clouds if (part := getattr(cloud, name)) is not None]
        if len(parts) == len(clouds):
            columns[name] = np.concatenate(parts)
        elif parts:
            lost.append(f"{name}, which {len(clouds) - len(parts)} of {len(clouds)} scans do not have")
    cloud = PointCloud(**columns)
    dropped = sum(part.dropped for part in clouds)
    if dropped:
        lost.append(f"{dropped} points without a return")
    write_point_cloud(out, cloud)
    return Converted(out, f"{len(cloud.points)} points of {len(scans)} scan{'s' * (len(scans) > 1)}", tuple(lost))
