"""How good a mesh is, by the exact surface. Needs nothing of how the mesh was made, so that any one can be judged."""

from collections.abc import Sequence

import numpy as np
import open3d as o3d
import torch
from numpy.typing import NDArray

from splatkit.evaluation.geometry import make_ray_caster, visible_sample
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.triangles import sample_faces
from splatkit.io.mesh import Mesh

_TAUS = (0.5, 1.0, 2.0)  # voxels
_SAMPLES = 100_000
_SEEN_BY = 2  # cameras that must see what a mesh should have
_ASTRAY = 0.01  # of the diagonal of the truth: what is farther from it is no part of it


def score_mesh(
    mesh: Mesh, truth: Mesh, cameras: Sequence[PosedCamera], voxel: float, farthest: float | None = None
) -> dict[str, float]:
    """Distances, normals and shares of a mesh by the exact surface.

    Args:
        mesh: to judge; without faces it gets zeros, and NaN for what only a surface has.
        truth: exact surface, in the same frame and unit.
        cameras: of the photographs that the mesh was made of; what two of them see it should have.
        voxel: unit of distances and of F-scores; the same for all meshes that are compared.
        farthest: from the middle of the cameras; what lies beyond it on either surface is scenery, but for `astray`.

    Returns:
        chamfer: mean of both mean distances, voxels.
        f_0.5, f_1, f_2: F-scores at so many voxels, 0 to 1.
        to_truth_mean, to_truth_median, from_truth_mean, from_truth_median: angles between normals, degrees.
        complete: share of the truth that two cameras see with mesh within two voxels.
        astray: share of the mesh's area, all of it, farther from the truth than 1 % of the truth's diagonal.
    """
    center = np.mean([camera.center for camera in cameras], axis=0)
    seen = visible_sample(_within(truth, center, farthest), cameras, min_views=_SEEN_BY, samples=_SAMPLES).numpy()
    seen = seen[_near(seen, center, farthest)]
    if len(mesh.faces) == 0:
        return _scores(np.zeros(0), np.full(len(seen), np.inf), voxel) | _normals_of(np.zeros(0), np.zeros(0), 0.0)
    drawn, face = (found.numpy() for found in sample_faces(mesh, _SAMPLES, torch.Generator().manual_seed(0)))
    to_truth, truth_normals = _nearest(truth, drawn)
    astray = float((to_truth > _ASTRAY * _diagonal(truth)).mean())
    near = _near(drawn, center, farthest)
    to_mesh, mesh_normals = _nearest(mesh, seen)
    _, seen_normals = _nearest(truth, seen)
    accuracy = _angles(mesh.face_normals()[face[near]], truth_normals[near])
    return _scores(to_truth[near], to_mesh, voxel) | _normals_of(accuracy, _angles(mesh_normals, seen_normals), astray)


def _scores(to_truth: NDArray[np.floating], to_mesh: NDArray[np.floating], voxel: float) -> dict[str, float]:
    """Of distances from the mesh [M] and from the truth [N]."""
    scores = {"chamfer": (_mean(to_truth) + _mean(to_mesh)) / 2 / voxel}
    for tau in _TAUS:
        precision, recall = (np.count_nonzero(d <= tau * voxel) / max(len(d), 1) for d in (to_truth, to_mesh))
        scores[f"f_{tau:g}"] = 2 * precision * recall / max(precision + recall, 1e-12)
    return scores | {"complete": float((to_mesh <= _TAUS[-1] * voxel).mean())}


def _normals_of(accuracy: NDArray[np.floating], completeness: NDArray[np.floating], astray: float) -> dict[str, float]:
    scores = {}
    for name, angles in (("to_truth", accuracy), ("from_truth", completeness)):
        scores[f"{name}_mean"] = _mean(angles)
        scores[f"{name}_median"] = float(np.median(angles)) if len(angles) else float("nan")
    return scores | {"astray": astray}


def _mean(values: NDArray[np.floating]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _diagonal(mesh: Mesh) -> float:
    return float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))


def _within(mesh: Mesh, center: NDArray[np.floating], farthest: float | None) -> Mesh:
    """Faces that reach into the ball; none of the others hides anything in it from a camera in it."""
    if farthest is None:
        return mesh
    corners = mesh.vertices[mesh.faces]
    middles = corners.mean(1)
    reach = np.linalg.norm(corners - middles[:, None], axis=2).max(1)
    return Mesh(mesh.vertices, mesh.faces[np.linalg.norm(middles - center, axis=1) - reach < farthest])


def _near(points: NDArray[np.floating], center: NDArray[np.floating], farthest: float | None) -> NDArray[np.bool_]:
    distances = np.linalg.norm(points - center, axis=1)
    return np.asarray(distances < (np.inf if farthest is None else farthest))


def _nearest(mesh: Mesh, points: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Distances of points to a mesh, and its normals there."""
    queries = o3d.core.Tensor.from_numpy(np.ascontiguousarray(points, dtype=np.float32))
    found = make_ray_caster(mesh).compute_closest_points(queries)
    return np.linalg.norm(found["points"].numpy() - points, axis=-1), found["primitive_normals"].numpy()


def _angles(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))
