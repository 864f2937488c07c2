"""Fewer faces: quadric error decimation (Garland and Heckbert, SIGGRAPH 1997; Open3D's), its deviation measured."""

from dataclasses import dataclass

import numpy as np
import open3d as o3d
import torch

from splatkit.evaluation.geometry import point_to_surface
from splatkit.geometry.triangles import sample_triangles
from splatkit.io.mesh import Mesh

_SAMPLES = 50_000  # on each mesh, beside all vertices
_SEARCH_STEPS = 6  # halvings of the number of faces' logarithm
_FEWEST = 50  # faces that a search tries


@dataclass(frozen=True)
class Deviation:
    """How far two surfaces lie apart, measured at all vertices and at points drawn on both."""

    largest: float  # Hausdorff distance, of what was measured
    mean: float  # of the larger of the two directions


def measure_deviation(a: Mesh, b: Mesh, seed: int = 0) -> Deviation:
    """Both ways."""
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for mine, other in ((a, b), (b, a)):
        points = torch.cat([torch.from_numpy(mine.vertices).double(), sample_triangles(mine, _SAMPLES, generator)])
        found = point_to_surface(points, other)
        distances.append((float(found.max()), float(found[len(mine.vertices) :].mean())))
    return Deviation(max(d for d, _ in distances), max(m for _, m in distances))


def decimate(mesh: Mesh, max_faces: int | None, max_deviation: float | None) -> tuple[Mesh, Deviation | None]:
    """Take faces away, and say how far the surface moved.

    Args:
        mesh: its colors and normals are lost.
        max_faces: to end with at most; None: as few as `max_deviation` allows.
        max_deviation: scene units, largest allowed distance between both surfaces; where this and `max_faces` cannot
            both hold, this one does. None: not bounded.

    Returns:
        The mesh itself and None where nothing is to be done.
    """
    if max_deviation is None:
        if max_faces is None or len(mesh.faces) <= max_faces:
            return mesh, None
        fewer = _quadric(mesh, max_faces)
        return fewer, measure_deviation(mesh, fewer)
    best, deviation = mesh, None
    low, high = np.log(_FEWEST), np.log(len(mesh.faces))
    if max_faces is not None and max_faces < len(mesh.faces):
        low, high = min(low, np.log(max_faces)), high
        fewer = _quadric(mesh, max_faces)
        if (found := measure_deviation(mesh, fewer)).largest <= max_deviation:
            return fewer, found
        low = np.log(max_faces)
    elif max_faces is not None:
        return mesh, None
    for _ in range(_SEARCH_STEPS):
        middle = (low + high) / 2
        fewer = _quadric(mesh, int(np.exp(middle)))
        found = measure_deviation(mesh, fewer)
        if found.largest <= max_deviation:
            best, deviation, high = fewer, found, middle
        else:
            low = middle
    return best, deviation


def _quadric(mesh: Mesh, faces: int) -> Mesh:
    full = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)),
        o3d.utility.Vector3iVector(mesh.faces.astype(np.int32)),
    )
    fewer = full.simplify_quadric_decimation(faces)
    return Mesh(np.asarray(fewer.vertices).astype(np.float32), np.asarray(fewer.triangles).astype(np.int64))
