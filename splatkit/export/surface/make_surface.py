"""The surface of a trained run: what its training cameras see, fused, refined, cleaned and made small enough."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.errors import DatasetError, EmptyMeshError
from splatkit.evaluation.mesh_topology import measure_topology, self_intersecting_faces
from splatkit.export.consistency.photo_views import PhotoSettings, PhotoViews
from splatkit.export.surface.cleaning import close_holes, drop_components, make_manifold
from splatkit.export.surface.coloring import color_vertices
from splatkit.export.surface.decimation import decimate
from splatkit.export.surface.field_grid import extract_mesh, forget_far_from, put_distances
from splatkit.export.surface.fusion import fuse
from splatkit.export.surface.hole_filling import fill_holes
from splatkit.export.surface.refinement import RefinementSettings, refine
from splatkit.export.surface.rendered_views import surface_views
from splatkit.export.surface.settings import SurfaceSettings
from splatkit.export.surface.sightings import count_sightings
from splatkit.export.surface.vertex_sigmas import drop_doubtful, with_sigmas
from splatkit.export.surface.view_planes import PlaneViews
from splatkit.export.timing import StepTimer
from splatkit.io.mesh import Mesh
from splatkit.progress import Progress, no_progress
from splatkit.runs.views import SurfaceSource, SurfaceViews

_MAX_PIXELS = 48_000_000  # of all views together; 20 bytes each
_LARGE_FACE = 4.0  # times the median size of faces
_EVIDENCE_RANGE, _FAR_SHARE = (0.05, 0.95), 0.25  # of the diagonal of the box of most measured places
_MIN_SEEN_SHARE = 0.05  # of the faces of a piece that stays


@dataclass(frozen=True)
class Surface:
    """A mesh in the frame and scale of the dataset, and how it came about."""

    mesh: Mesh
    record: dict[str, Any]  # for export.json: settings, what each step found, changed and cost


def make_surface(
    run: SurfaceViews,
    settings: SurfaceSettings,
    progress: Progress = no_progress,
    points: NDArray[np.floating] | None = None,
) -> Surface:
    """The surface that a run's training cameras see.

    Args:
        run: what is rendered.
        settings: see there.
        progress: shows how far each step is.
        points: [N, 3] the dataset's cloud, which `max_distance_from_points` needs.

    Raises:
        EmptyMeshError: no surface came out; the message says which step lost it.
        DatasetError: the dataset's points are asked for, and it has none.
        ValueError: a given voxel size needs more memory than the limit.
    """
    timer = StepTimer()
    if settings.max_distance_from_points is not None and points is None:
        raise DatasetError("max_distance_from_points: the dataset has no cloud (ply_file_path) to be near to")
    with timer.step("views") as found:
        limit = min(settings.max_view_pixels, _MAX_PIXELS // max(len(run.train_views), 1))
        views = surface_views(run, settings.surface, limit, progress)
        found |= {"views": len(views), "pixels": views.pixels, "most_pixels_of_a_view": limit}
        found["measured_over_rendered"] = views.measured_over_rendered
    with timer.step("planes") as found:
        planes = PlaneViews(
            views,
            min_alpha=settings.min_alpha,
            max_incidence_deg=settings.max_incidence_deg,
            max_depth=settings.max_depth,
        )
        found |= {"max_depth": planes.max_depth, "share_cut_off_beyond": planes.cut_off_share}
    refined, reach = _fused(run, settings, planes, points, timer, progress)
    voxel = reach / settings.truncation_voxels
    mesh = _finish(_certain(refined, settings.min_confidence, voxel, timer), settings, planes, reach, timer)
    if refined.vertex_sigmas is not None:
        mesh = with_sigmas(mesh, refined.vertices, refined.vertex_sigmas, voxel)
    with timer.step("color"):
        mesh = replace(mesh, vertex_colors=color_vertices(mesh.vertices, views, planes, reach))
    return Surface(mesh, {"settings": asdict(settings), "steps": timer.entries})


def _fused(
    run: SurfaceViews,
    settings: SurfaceSettings,
    planes: PlaneViews,
    points: NDArray[np.floating] | None,
    timer: StepTimer,
    progress: Progress,
) -> tuple[Mesh, float]:
    """The surface of all views together, refined if that is asked for; and how far from it its views may differ."""
    with timer.step("fuse") as found:
        fusion = fuse(
            planes,
            voxel_size=settings.voxel_size,
            truncation_voxels=settings.truncation_voxels,
            min_views=settings.min_views,
            memory_limit_gb=settings.memory_limit_gb,
            max_cells=settings.max_cells,
            progress=progress,
        )
        found |= {"voxel_size": fusion.grid.spacing, "blocks": fusion.blocks, "memory_gb": round(fusion.memory_gb, 3)}
    if settings.surface != "measured" and isinstance(run, SurfaceSource) and run.distance is not None:
        with timer.step("signed distances") as found:
            put_distances(fusion.grid, run.distance)
            found |= {"points": int(fusion.grid.observed.sum())}
    near, distance = _known_places(settings, planes, points)
    if near is not None:
        with timer.step("keep what is near to evidence") as found:
            found |= {"distance": distance, "forgotten_vertices": forget_far_from(fusion.grid, near, distance)}
    if settings.fill_voxels > 0:
        with timer.step("fill holes") as found:
            views_needed = min(settings.min_views, len(planes))
            filled = fill_holes(fusion.grid, planes, fusion.truncation, settings.fill_voxels, views_needed)
            found |= filled._asdict()
    with timer.step("extract") as found:
        mesh = extract_mesh(fusion.grid)
        found |= _counts(mesh)
    if len(mesh.faces) == 0:
        agreeing = min(settings.min_views, len(planes))
        raise EmptyMeshError(
            f"fusion found no surface that {agreeing} views agree on (voxel size {fusion.grid.spacing:g}); "
            "check that depths and poses belong together, or lower min_views"
        )
    reach = fusion.truncation
    if settings.refinement_rounds > 0:
        with timer.step("refine") as found:
            refinement = RefinementSettings(rounds=settings.refinement_rounds)
            photos = _photographs(run, settings, progress)
            mesh = refine(fusion.grid, planes, reach, refinement, photos, progress)
            found |= {"settings": asdict(refinement)} | _counts(mesh)
        if len(mesh.faces) == 0:
            raise EmptyMeshError("refinement left no surface; set refinement_rounds = 0 for the fused one")
    return mesh, reach


def _photographs(run: SurfaceViews, settings: SurfaceSettings, progress: Progress) -> PhotoViews | None:
    if settings.photo_max_pixels == 0 or settings.refinement_rounds < 2:
        return None
    return PhotoViews(run.train_views, PhotoSettings(max_pixels=settings.photo_max_pixels), progress)


def _known_places(
    settings: SurfaceSettings, planes: PlaneViews, points: NDArray[np.floating] | None
) -> tuple[NDArray[np.floating] | None, float]:
    """Points [N, 3] that a surface must be near to, if any, and how near.

    Where nothing else is asked for these are measured places, and what lies far from all of them, in terms of how far
    they reach, is a backdrop that splats stand for.
    """
    if settings.max_distance_from_points is not None:
        return points, settings.max_distance_from_points
    evidence = planes.evidence.numpy()
    if settings.surface != "both" or len(evidence) == 0:
        return None, 0.0
    low, high = np.quantile(evidence, _EVIDENCE_RANGE, axis=0)
    return evidence, _FAR_SHARE * float(np.linalg.norm(high - low))


def _certain(mesh: Mesh, least: float, voxel: float, timer: StepTimer) -> Mesh:
    """What is known with a confidence of at least so much."""
    if least == 0:
        return mesh
    with timer.step("drop what is doubtful") as found:
        mesh, dropped = drop_doubtful(mesh, least, voxel)
        found |= {"dropped_faces": dropped} | _counts(mesh)
    if len(mesh.faces) == 0:
        raise EmptyMeshError(f"no face has a confidence of {least:g}; lower min_confidence")
    return mesh


def _finish(mesh: Mesh, settings: SurfaceSettings, planes: PlaneViews, reach: float, timer: StepTimer) -> Mesh:
    """Clean, close, decimate and make watertight, as far as that is asked for."""
    with timer.step("clean") as found:
        seen = count_sightings(torch.from_numpy(mesh.vertices).float(), planes, reach) > 0
        mesh, dropped = drop_components(mesh, seen.numpy(), settings.min_component_share, _MIN_SEEN_SHARE)
        found |= {"dropped": asdict(dropped)} | _counts(mesh)
    if len(mesh.faces) == 0:
        raise EmptyMeshError("no camera sees any piece of the surface; check that depths and poses belong together")
    if settings.close_holes > 0 and not settings.watertight:
        with timer.step("close holes") as found:
            mesh, untangled = make_manifold(mesh)
            mesh, closed = close_holes(mesh, settings.close_holes)
            found |= {"untangled": asdict(untangled), "closed": asdict(closed)} | _counts(mesh)
    with timer.step("decimate") as found:
        mesh, deviation = decimate(mesh, settings.max_faces, settings.max_deviation)
        found |= {"deviation": None if deviation is None else asdict(deviation)} | _counts(mesh)
    if settings.watertight:
        with timer.step("make watertight") as found:
            found["self_intersections_before"] = _self_intersections(mesh)
            mesh, untangled = make_manifold(mesh)
            mesh, closed = close_holes(mesh, float("inf"))
            found |= {"untangled": asdict(untangled), "closed": asdict(closed)} | _counts(mesh)
            found["self_intersections_after"] = _self_intersections(mesh)
            found["watertight"] = measure_topology(mesh).watertight
    return mesh


def _self_intersections(mesh: Mesh) -> dict[str, int]:
    """Faces that pass through others; those much larger than most, as across wide holes, are counted apart."""
    corners = mesh.vertices[mesh.faces]
    sizes = np.linalg.norm(corners - corners.mean(1, keepdims=True), axis=-1).max(1)
    large = sizes > _LARGE_FACE * np.median(sizes)
    tested = Mesh(mesh.vertices, mesh.faces[~large])
    return {"faces": int(self_intersecting_faces(tested).sum()), "too_large_to_test": int(large.sum())}


def _counts(mesh: Mesh) -> dict[str, int]:
    return {"vertices": len(mesh.vertices), "faces": len(mesh.faces)}
