"""Distances between a reconstructed surface and the true one.

Conventions: points are drawn uniformly by area on one surface and measured to the nearest *triangle* of the other, so a
perfect reconstruction scores 0 however few points are drawn. Accuracy: from the reconstruction to the truth.
Completeness: from the truth to the reconstruction. Chamfer: the mean of the two means, not squared. F-score: harmonic
mean of the shares within tau. All in the units of the meshes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import open3d as o3d
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.triangles import TriangleMesh, sample_triangles

# Relative depth within which a point counts as the surface that a ray to it meets first; rays are cast in float32.
_VISIBILITY_TOLERANCE = 5e-4


@dataclass(frozen=True)
class SurfaceDistances:
    """How far two surfaces lie apart; lengths in the units of the meshes."""

    accuracy_mean: float  # reconstruction to truth
    accuracy_median: float
    completeness_mean: float  # truth to reconstruction
    completeness_median: float
    chamfer: float  # (accuracy_mean + completeness_mean) / 2
    tau: float  # the threshold of the shares below
    precision: float  # share of the reconstruction within tau of the truth
    recall: float  # share of the truth within tau of the reconstruction
    f_score: float  # 2 precision recall / (precision + recall), 0 where both are 0


def compare_surfaces(
    reconstruction: TriangleMesh,
    truth: TriangleMesh,
    tau: float,
    *,
    truth_points: Tensor | None = None,
    samples: int = 100_000,
    seed: int = 0,
) -> SurfaceDistances:
    """Distances both ways between a reconstruction and the truth.

    Args:
        reconstruction: mesh to judge.
        truth: mesh to judge by.
        tau: threshold of precision, recall and F-score.
        truth_points: [N, 3] points of the truth that the reconstruction should cover, e.g. from `visible_sample`;
            None: drawn on all of it.
        samples: number of points drawn on each mesh.
        seed: of the drawing.
    """
    if tau <= 0:
        raise ValueError(f"tau: expected a positive length, got {tau}")
    generator = torch.Generator().manual_seed(seed)
    if truth_points is None:
        truth_points = sample_triangles(truth, samples, generator)
    accuracy = point_to_surface(sample_triangles(reconstruction, samples, generator), truth)
    completeness = point_to_surface(truth_points, reconstruction)
    precision, recall = (float((distances <= tau).double().mean()) for distances in (accuracy, completeness))
    return SurfaceDistances(
        accuracy_mean=float(accuracy.mean()),
        accuracy_median=float(accuracy.median()),
        completeness_mean=float(completeness.mean()),
        completeness_median=float(completeness.median()),
        chamfer=float(accuracy.mean() + completeness.mean()) / 2,
        tau=tau,
        precision=precision,
        recall=recall,
        f_score=2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0,
    )


def point_to_surface(points: Tensor, mesh: TriangleMesh) -> Tensor:
    """Distance of each point to the nearest triangle: [N, 3] -> [N] float64, accurate to float32."""
    queries = o3d.core.Tensor.from_numpy(np.ascontiguousarray(points.numpy(), dtype=np.float32))
    return torch.from_numpy(make_ray_caster(mesh).compute_distance(queries).numpy()).double()


def signed_distances(points: Tensor, mesh: TriangleMesh) -> Tensor:
    """Distance of each point to a closed mesh, negative inside: [N, 3] -> [N] float64, accurate to float32.

    Inside is where rays cross the mesh an odd number of times, by the majority of three.
    """
    queries = o3d.core.Tensor.from_numpy(np.ascontiguousarray(points.numpy(), dtype=np.float32))
    return torch.from_numpy(make_ray_caster(mesh).compute_signed_distance(queries, nsamples=3).numpy()).double()


def visible_sample(
    mesh: TriangleMesh,
    cameras: Sequence[PosedCamera],
    *,
    min_views: int = 3,
    samples: int = 100_000,
    seed: int = 0,
) -> Tensor:
    """Points on the part of a mesh that cameras see; what no camera saw, like a table's underside, cannot be judged.

    Args:
        mesh: the true surface.
        cameras: that look at it.
        min_views: how many cameras must see a point.
        samples: points drawn on the whole mesh, of which the visible ones are returned.
        seed: of the drawing.

    Returns:
        [N, 3] float64, N <= samples.
    """
    points = sample_triangles(mesh, samples, torch.Generator().manual_seed(seed))
    caster = make_ray_caster(mesh)
    seen_by = torch.zeros(len(points), dtype=torch.int64)
    for camera in cameras:
        _, in_image = camera.project(points, nearest=0.0)
        seen_by[in_image] += _first_hit(caster, torch.tensor(camera.center), points[in_image])
    return points[seen_by >= min_views]


def _first_hit(caster: o3d.t.geometry.RaycastingScene, center: Tensor, points: Tensor) -> Tensor:
    """Whether each point [N, 3] is what a ray from `center` [3] meets first: [N] bool."""
    rays = torch.cat([center.expand_as(points), points - center], -1).float().numpy()
    distances: NDArray[np.float32] = caster.cast_rays(o3d.core.Tensor.from_numpy(rays))["t_hit"].numpy()
    return torch.from_numpy(distances >= 1 - _VISIBILITY_TOLERANCE)


def make_ray_caster(mesh: TriangleMesh) -> o3d.t.geometry.RaycastingScene:
    """A mesh ready for rays and nearest points."""
    caster = o3d.t.geometry.RaycastingScene()
    vertices = np.ascontiguousarray(mesh.vertices, dtype=np.float32)
    faces = np.ascontiguousarray(mesh.faces, dtype=np.uint32)
    caster.add_triangles(o3d.core.Tensor.from_numpy(vertices), o3d.core.Tensor.from_numpy(faces))
    return caster
