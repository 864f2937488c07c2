"""The surface of a trained run as a point cloud with colors and normals, as .ply or, for surveyors, .las and .laz."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import splatkit
from splatkit.errors import DatasetError
from splatkit.export.files.frames import ExportFrame, export_frame, read_georeference
from splatkit.export.open_run import open_run, surface_of
from splatkit.export.settings import ExportPointsSettings
from splatkit.export.texture.photographs import check_photographs
from splatkit.export.texture.settings import TextureSettings
from splatkit.export.texture.texturing import color_points
from splatkit.geometry.triangles import sample_faces
from splatkit.io.atomic import atomic_file
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.progress import Progress, no_progress

SUFFIXES = (".ply", ".las", ".laz")
MOST_POINTS = 50_000_000
_LAS_STEPS = 2**30  # of its whole numbers, across the cloud


@dataclass(frozen=True)
class PointExport:
    """What was written."""

    path: Path
    count: int
    seen_share: float  # of the points, that photographs show
    units: str


def export_points(settings: ExportPointsSettings, progress: Progress = no_progress) -> PointExport:
    """Draw points from the surface of a run, evenly by area, and color them by the photographs.

    Files of surveyors hold places in the georeference's system where there is one.

    Args:
        settings: see there.
        progress: shows how many cameras and photographs are done.

    Raises:
        FileNotFoundError, DatasetError, CheckpointError: the run, or a photograph of it, cannot be read.
        FileExistsError: `out` exists and may not be overwritten.
        EmptyMeshError: there is no surface.
        ValueError: another ending, or no sensible count.
    """
    out, count = settings.out, settings.count
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{out}: expected a name ending in {', '.join(SUFFIXES)}")
    if not 1 <= count <= MOST_POINTS:
        raise ValueError(f"count: expected 1 to {MOST_POINTS} points, got {count}")
    if out.exists() and not settings.overwrite:
        raise FileExistsError(f"{out} exists; choose another name or pass --overwrite")
    if out.suffix.lower() != ".ply":
        _laspy(out)
    run = open_run(settings.load_config, settings.dataset)
    check_photographs(run.train_views)
    read_georeference(run.dataset, settings.georeference)  # what is wrong with it should be said now
    mesh = surface_of(run, settings.surface, progress).mesh
    drawn, faces = sample_faces(mesh, count, torch.Generator().manual_seed(0))
    points, normals = drawn.numpy(), mesh.face_normals()[faces.numpy()]
    colors, seen = color_points(mesh, points, normals, run.train_views, TextureSettings(), progress)
    if mesh.vertex_colors is not None:  # of what no photograph shows
        colors[~seen] = mesh.vertex_colors[mesh.faces[faces.numpy()[~seen], 0]]
    placed = export_frame(settings.frame, points, run.dataset, settings.georeference)
    cloud = PointCloud(placed.apply(points), colors, normals.astype(np.float32))
    write_points(out, cloud, placed)
    return PointExport(out, count, float(seen.mean()), placed.units)


def write_points(path: Path, cloud: PointCloud, frame: ExportFrame) -> None:
    """Write a cloud whose coordinates are those of `frame`; .las and .laz in the system of its georeference.

    Raises:
        DatasetError: laspy, which writes .las, is not installed.
    """
    if path.suffix.lower() == ".ply":
        comments = (f"splatkit {splatkit.__version__}", *frame.comments(placed=True))
        places = frame.place(cloud.points) if frame.is_local else cloud.points.astype(np.float32)
        write_point_cloud(path, PointCloud(places, cloud.colors, cloud.normals), comments=comments)
        return
    laspy = _laspy(path)
    places = np.asarray(frame.place(cloud.points), dtype=np.float64)
    if frame.georeference is not None and frame.name == "input":
        places = frame.georeference.place(places)
    header = laspy.LasHeader(point_format=2, version="1.2")
    header.offsets = np.floor(places.min(0))
    # A power of ten, as surveyors have it: tenths of a millimeter, or finer for small scenes.
    extent = float(np.ptp(places, axis=0).max())
    header.scales = np.full(3, min(1e-4, 10.0 ** math.ceil(math.log10(max(extent, 1e-9) / _LAS_STEPS))))
    header.generating_software = f"splatkit {splatkit.__version__}"[:32]
    content = laspy.LasData(header)
    content.x, content.y, content.z = places.T
    if cloud.colors is not None:
        content.red, content.green, content.blue = (cloud.colors.astype(np.uint16) * 257).T
    with atomic_file(path) as temporary:
        content.write(str(temporary))


def _laspy(path: Path) -> Any:
    try:
        import laspy
    except ImportError as error:
        raise DatasetError(f"{path}: LAS is written by laspy; install it by pip install 'splatkit[las]'") from error
    return laspy
