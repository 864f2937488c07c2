"""One case of the study of meshes: train, make the mesh three ways, compare each with the exact surface."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import open3d as o3d
import torch
from numpy.typing import NDArray
from torch import Tensor

from quiet import train_quietly
from splatkit.evaluation.geometry import make_ray_caster, visible_sample
from splatkit.evaluation.mesh_topology import measure_topology, self_intersecting_faces
from splatkit.export.surface.cleaning import drop_components
from splatkit.export.surface.decimation import decimate
from splatkit.export.surface.field_grid import extract_mesh
from splatkit.export.surface.fusion import Fusion, fuse
from splatkit.export.surface.refinement import RefinementSettings, refine
from splatkit.export.surface.rendered_views import render_views
from splatkit.export.surface.settings import SurfaceSettings
from splatkit.export.surface.sightings import count_sightings
from splatkit.export.surface.view_planes import PlaneViews
from splatkit.geometry.triangles import sample_faces
from splatkit.io.atomic import atomic_file
from splatkit.io.images import write_image
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh, write_mesh
from splatkit.optimize.load_ges import load_ges_run
from splatkit.optimize.train import make_config
from splatkit.progress import no_progress
from splatkit.report.mesh_views import render_mesh_views
from splatkit.runs.trained_run import TrainedRun
from splatkit.runs.views import view_centers
from splatkit.splatting.densification import DensificationSettings
from studies.store import group_by, mean_and_spread

WAYS = {"fusion": "fusion alone", "values": "distances refined alone", "flexicubes": "FlexiCubes refined"}
_TAUS = (0.5, 1.0, 2.0)  # voxels
_SAMPLES = 60_000
_FACES_SHARE = 3  # meshes are decimated to this part of what the smallest has
_COLUMNS = {
    "chamfer": "Chamfer, voxels",
    **{f"f_{tau:g}": f"F at {tau:g} voxel{'s' if tau > 1 else ''}" for tau in _TAUS},
    "normal_accuracy": "normal error to truth, deg",
    "normal_completeness": "from truth, deg",
    "normal_median": "median, deg",
    "boundary_edges": "boundary edges",
    "non_manifold_edges": "non-manifold edges",
    "self_intersections": "self-intersecting faces, %",
    "faces": "faces",
    "cpu_seconds": "CPU-s beyond fusion",
}


@dataclass(frozen=True)
class Scene:
    """A dataset, and its exact surface."""

    dataset: Path
    truth: Path


@dataclass(frozen=True)
class MeshCase:
    """One run of the study."""

    subject: str
    steps: int
    max_splats: int
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.subject}-{self.steps}-{self.max_splats}-{self.seed}"


def measure_case(case: MeshCase, scene: Scene, out: Path) -> dict[str, float]:
    """Scores of each way, as "way.score"; meshes stay in `out`."""
    run = load_ges_run(_trained(case, scene, out))
    settings = SurfaceSettings()
    views = render_views(run, settings.max_view_pixels)
    planes = PlaneViews(
        views, min_alpha=settings.min_alpha, max_incidence_deg=settings.max_incidence_deg, max_depth=None
    )
    fusion = fuse(
        planes,
        voxel_size=None,
        truncation_voxels=settings.truncation_voxels,
        min_views=settings.min_views,
        memory_limit_gb=settings.memory_limit_gb,
        max_cells=settings.max_cells,
        progress=no_progress,
    )
    meshes, scores = {}, {"voxel_size": fusion.grid.spacing}
    for way in WAYS:
        start = time.process_time()
        mesh = _surface(way, fusion, planes)
        scores[f"{way}.cpu_seconds"] = time.process_time() - start
        seen = count_sightings(torch.from_numpy(mesh.vertices).float(), planes, fusion.truncation) > 0
        meshes[way] = drop_components(mesh, seen.numpy(), settings.min_component_share, 0.05)[0]
    faces = min(len(mesh.faces) for mesh in meshes.values()) // _FACES_SHARE
    truth = _Truth(read_mesh(scene.truth), run, planes.max_depth)
    for way, mesh in meshes.items():
        fewer = decimate(mesh, faces, None)[0]
        write_mesh(out / f"meshes/{case.name}-{way}.ply", fewer)
        scores |= {f"{way}.{name}": value for name, value in truth.compare(fewer, fusion.grid.spacing).items()}
    return scores


def _trained(case: MeshCase, scene: Scene, out: Path) -> Path:
    """The config.yml of the case's run, trained now unless it has been."""
    config = make_config(scene.dataset, out / "runs", case.name, case.steps, case.seed)
    config.pipeline.model.densification = DensificationSettings(max_splats=case.max_splats)
    path = config.get_base_dir() / "config.yml"
    if not (path.parent / f"nerfstudio_models/step-{case.steps - 1:09d}.ckpt").is_file():
        train_quietly(config)
    return path


def _surface(way: str, fusion: Fusion, planes: PlaneViews) -> Mesh:
    grid = fusion.grid._replace(values=fusion.grid.values.clone())
    if way == "fusion":
        return extract_mesh(grid)
    settings = RefinementSettings()
    if way == "values":
        settings = replace(settings, weight_rate=0.0)
    return refine(grid, planes, fusion.truncation, settings, lambda steps, _: steps)


class _Truth:
    """The exact surface, and what of it counts: what two cameras see within the depth that was fused."""

    def __init__(self, mesh: Mesh, run: TrainedRun, max_depth: float) -> None:
        self._mesh, self._max_depth = mesh, max_depth
        self._center = torch.from_numpy(view_centers(run.train_views).mean(0))
        cameras = [view.posed for view in run.train_views]
        seen = visible_sample(mesh, cameras, min_views=2, samples=_SAMPLES)
        self._seen = seen[self._near(seen)].numpy()

    def _near(self, points: Tensor) -> Tensor:
        return (points - self._center).norm(dim=1) < self._max_depth

    def compare(self, mesh: Mesh, voxel: float) -> dict[str, float]:
        """Distances in voxels, angles in degrees, shares."""
        middles = torch.from_numpy(mesh.vertices[mesh.faces].mean(1)).double()
        near = Mesh(mesh.vertices, mesh.faces[self._near(middles).numpy()])
        drawn, face = sample_faces(near, _SAMPLES, torch.Generator().manual_seed(0))
        to_truth, truth_normals = _nearest(self._mesh, drawn.numpy())
        to_mesh, mesh_normals = _nearest(near, self._seen)
        _, seen_normals = _nearest(self._mesh, self._seen)
        accuracy = _angles(near.face_normals()[face.numpy()], truth_normals)
        completeness = _angles(mesh_normals, seen_normals)
        scores = {"chamfer": float(to_truth.mean() + to_mesh.mean()) / 2 / voxel}
        for tau in _TAUS:
            precision, recall = ((found <= tau * voxel).mean() for found in (to_truth, to_mesh))
            scores[f"f_{tau:g}"] = float(2 * precision * recall / max(precision + recall, 1e-12))
        topology = measure_topology(mesh)
        return scores | {
            "normal_accuracy": float(accuracy.mean()),
            "normal_completeness": float(completeness.mean()),
            "normal_median": float(np.median(accuracy)),
            "boundary_edges": topology.boundary_edges,
            "non_manifold_edges": topology.non_manifold_edges,
            "self_intersections": 100 * float(self_intersecting_faces(mesh).mean()),
            "faces": len(mesh.faces),
        }


def _nearest(mesh: Mesh, points: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Distances of points to a mesh, and its normals there."""
    queries = o3d.core.Tensor.from_numpy(np.ascontiguousarray(points, dtype=np.float32))
    found = make_ray_caster(mesh).compute_closest_points(queries)
    return np.linalg.norm(found["points"].numpy() - points, axis=-1), found["primitive_normals"].numpy()


def _angles(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def write_mesh_summary(out: Path, results: list[tuple[MeshCase, dict[str, float]]]) -> None:
    """Write summary.md into `out`."""
    text = [
        "# What refinement brings to meshes",
        "",
        "Mean and spread over the seeds; all ways with as many faces.",
        "",
    ]
    text += ["| scene | way | " + " | ".join(_COLUMNS.values()) + " |", "|---" * (len(_COLUMNS) + 2) + "|"]
    for subject, rows in group_by(results, lambda case: case.subject).items():
        for way, label in WAYS.items():
            figures = [mean_and_spread([result[f"{way}.{name}"] for _, result in rows]) for name in _COLUMNS]
            cells = [f"{mean:.4g} ± {spread:.2g}" for mean, spread in figures]
            text.append(f"| {subject} | {label} | " + " | ".join(cells) + " |")
    voxels = {case.subject: result["voxel_size"] for case, result in results}
    text += ["", "Voxels: " + ", ".join(f"{subject} {1000 * size:.1f} mm" for subject, size in voxels.items()) + "."]
    with atomic_file(out / "summary.md") as temporary:
        temporary.write_text("\n".join(text) + "\n", encoding="utf-8")


def write_mesh_pictures(out: Path, cases: list[MeshCase]) -> None:
    """Beside each other, fusion alone and refined, of the first case of each subject."""
    for subject, rows in group_by([(case, {}) for case in cases], lambda case: case.subject).items():
        name = rows[0][0].name
        first, last = (read_mesh(out / f"meshes/{name}-{way}.ply") for way in ("fusion", "flexicubes"))
        views = [render_mesh_views(mesh, None, 2, frame=first) for mesh in (first, last)]
        write_image(out / f"{subject}.jpg", np.concatenate([np.concatenate(row, 1) for row in views], 0))
