"""How well a reconstruction has the details of the true surface: its normals and its sharp edges.

The measures of Table 2 of FlexiCubes (arXiv 2308.05371), which takes them from Neural Dual Contouring (arXiv
2202.01999) and BSP-Net (arXiv 1911.06971). Published scales depend on conventions that the papers leave open. Here
points are drawn uniformly by area on both surfaces and measured to the nearest triangle of the other; lengths are in
the units of the meshes, which the caller normalizes.
"""

from dataclasses import dataclass

import numpy as np
import open3d as o3d
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.evaluation.geometry import make_ray_caster
from splatkit.geometry.triangles import TriangleMesh, sample_faces

NORMAL_THRESHOLD_DEG = 5.0
EDGE_DOT = 0.2  # |n . n'| of normals across a sharp edge lies below
_EDGE_NEIGHBORS = 32


@dataclass(frozen=True)
class MeshDetail:
    """Differences between two surfaces. Both directions count alike in all measures."""

    chamfer: float  # mean of the mean distances both ways
    chamfer_squared: float  # mean of the mean squared distances both ways
    f_score: float  # harmonic mean of the shares within tau
    inaccurate_normals: float  # share of points whose normal is more than 5 degrees off (IN>5)
    edge_chamfer: float  # mean of the mean distances between points near sharp edges; inf if one surface alone has any
    edge_f_score: float  # ... within edge_tau; 1 if neither has sharp edges


def compare_details(
    reconstruction: TriangleMesh,
    truth: TriangleMesh,
    *,
    tau: float = 0.003,
    edge_tau: float = 0.01,
    edge_radius: float = 0.02,
    samples: int = 100_000,
    seed: int = 0,
) -> MeshDetail:
    """Compare a reconstruction with the truth.

    Args:
        reconstruction: mesh to judge, at least one triangle.
        truth: mesh to judge by.
        tau: distance within which a point counts as right.
        edge_tau: distance within which a point near an edge counts as right.
        edge_radius: a point is near a sharp edge if a neighbor within it has a normal at nearly a right angle.
        samples: points drawn on each mesh; so many that some ten lie within edge_radius. The defaults are for surfaces
            about as large as a cube of side 1.
        seed: of the drawing.
    """
    generator = torch.Generator().manual_seed(seed)
    mine, theirs = (_draw(mesh, samples, generator) for mesh in (reconstruction, truth))
    to_truth, truth_angles = _distances(*mine, truth)
    to_mine, mine_angles = _distances(*theirs, reconstruction)
    edge_chamfer, edge_f_score = _compare_edges(
        _near_edges(*mine, edge_radius), _near_edges(*theirs, edge_radius), edge_tau
    )
    wrong = [(angles > NORMAL_THRESHOLD_DEG).mean() for angles in (truth_angles, mine_angles)]
    return MeshDetail(
        chamfer=float(to_truth.mean() + to_mine.mean()) / 2,
        chamfer_squared=float((to_truth**2).mean() + (to_mine**2).mean()) / 2,
        f_score=_f_score((to_truth <= tau).mean(), (to_mine <= tau).mean()),
        inaccurate_normals=float(sum(wrong)) / 2,
        edge_chamfer=edge_chamfer,
        edge_f_score=edge_f_score,
    )


def _draw(
    mesh: TriangleMesh, samples: int, generator: torch.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and their faces' unit normals."""
    points, chosen = sample_faces(mesh, samples, generator)
    corners = np.asarray(mesh.vertices, dtype=np.float64)[np.asarray(mesh.faces)]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[chosen.numpy()]
    return points.numpy(), normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-300)


def _distances(
    points: NDArray[np.float64], normals: NDArray[np.float64], mesh: TriangleMesh
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of each point to a mesh, and the angle in degrees between the normals there."""
    queries = o3d.core.Tensor.from_numpy(points.astype(np.float32))
    found = make_ray_caster(mesh).compute_closest_points(queries)
    distances = np.linalg.norm(found["points"].numpy() - points, axis=-1)
    dots = np.einsum("ij,ij->i", found["primitive_normals"].numpy().astype(np.float64), normals)
    return distances, np.degrees(np.arccos(np.clip(dots, -1, 1)))


def _near_edges(points: NDArray[np.float64], normals: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    tree = cKDTree(points)
    distances, neighbors = tree.query(points, k=_EDGE_NEIGHBORS, distance_upper_bound=radius)
    padded = np.concatenate([normals, np.zeros((1, 3))])[neighbors]
    dots = np.abs(np.einsum("ikj,ij->ik", padded, normals))
    return points[(np.isfinite(distances) & (dots < EDGE_DOT)).any(1)]


def _compare_edges(mine: NDArray[np.float64], theirs: NDArray[np.float64], tau: float) -> tuple[float, float]:
    if len(mine) == 0 and len(theirs) == 0:
        return 0.0, 1.0
    if len(mine) == 0 or len(theirs) == 0:
        return float("inf"), 0.0
    to_theirs, to_mine = cKDTree(theirs).query(mine)[0], cKDTree(mine).query(theirs)[0]
    return float(to_theirs.mean() + to_mine.mean()) / 2, _f_score((to_theirs <= tau).mean(), (to_mine <= tau).mean())


def _f_score(precision: float, recall: float) -> float:
    return float(2 * precision * recall / (precision + recall)) if precision + recall > 0 else 0.0
