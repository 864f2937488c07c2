"""The docs' pictures of reconstructed stairs: `scripts/pictures.py flexicubes --out docs/pictures`.

Generated stairs, and what marching cubes, dual marching cubes with vertices at centroids, and FlexiCubes make of them
on the same grid of 32 cells a side, under the same loss, from their distances (`flexicubes.jpg`); and FlexiCubes from a
sphere: its triangles before, on the way and after (`flexicubes_sphere.jpg`), and as a turntable (`.webp`).
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.marching_cubes import MarchingCubes
from splatkit.evaluation.geometry import signed_distances
from splatkit.geometry.triangles import TriangleMesh
from splatkit.io.atomic import atomic_file
from splatkit.io.images import write_image
from splatkit.io.mesh import Mesh
from splatkit.isosurface import FlexiCubes
from splatkit.isosurface.fitting import FitSettings, Observer, fit_surface
from splatkit.isosurface.supervision import SurfaceTarget
from splatkit.isosurface.surface import Surface, SurfaceMesh
from splatkit.report.mesh_views import render_mesh_views
from splatkit.synthetic.solids import make_sphere, make_stairs

_RESOLUTION = 32
_SIZE = (360, 270)  # px, of a view
_AZIMUTH_DEG, _STEPS_DEG = 67.5, 250.0  # where the steps are seen from behind, and from before
_SPHERE_RADIUS = 0.75
_ROUNDS = 10  # after each the field becomes the distance from its surface again: far from the target others fray
_APPROACH = FitSettings(steps=16, field_rate=0.01, final_rate_share=1.0)
_FRAME_RADIUS = 0.85  # of what the pictures of the sphere show
_SMALL_SIZE = (260, 195)
_TURN_FRAMES, _FRAME_SECONDS = 40, 0.14


def target_mesh() -> Mesh:
    """Stairs amid the box, turned so that no face lies along the grid."""
    solid = make_stairs((1.1, 0.9, 1.0), 4)
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -0.4, 0.3], [0.4, 0, -0.2], [-0.3, 0.2, 0]])).double().numpy()
    return Mesh((solid.vertices - (solid.vertices.min(0) + solid.vertices.max(0)) / 2) @ turn.T, solid.faces)


def distances_on_grid(mesh: TriangleMesh) -> Tensor:
    """Signed distances from a closed mesh at all grid vertices."""
    points = FlexiCubes(_RESOLUTION).grid_points()
    return signed_distances(points.reshape(-1, 3).double(), mesh).float().reshape(points.shape[:3])


def fit(
    method: nn.Module,
    start: Tensor,
    truth: Mesh,
    settings: FitSettings,
    observer: Observer | None = None,
) -> SurfaceMesh:
    """The surface that a method comes to from a field."""
    vertices, faces = torch.from_numpy(truth.vertices).float(), torch.from_numpy(truth.faces).long()
    target = SurfaceTarget(vertices, faces, 5000, torch.Generator().manual_seed(0))
    field = nn.Parameter(start.clone())
    fit_surface(method, field, target, settings, observer)
    found: Surface = method.eval()(field)
    return found.mesh


def compare_methods(truth: Mesh) -> list[TriangleMesh]:
    """The target, and what each method makes of it."""
    start = distances_on_grid(truth)
    methods = (MarchingCubes(), FlexiCubes(_RESOLUTION, weights=False, deform=False), FlexiCubes(_RESOLUTION))
    return [truth, *(fit(method, start, truth, FitSettings()) for method in methods)]


def fit_from_sphere(truth: Mesh) -> list[SurfaceMesh]:
    """Surfaces on the way from a sphere, then the last one."""
    field = FlexiCubes(_RESOLUTION).grid_points().norm(dim=-1) - _SPHERE_RADIUS
    way: list[SurfaceMesh] = []

    def keep(step: int, surface: Surface, _: float) -> None:
        if step % 4 == 0:
            way.append(surface.mesh)

    for _ in range(_ROUNDS):
        field = distances_on_grid(fit(FlexiCubes(_RESOLUTION), field, truth, _APPROACH, keep))
    return [*way, fit(FlexiCubes(_RESOLUTION), field, truth, FitSettings())]


def turntable(way: list[SurfaceMesh], frame: TriangleMesh) -> list[Image.Image]:
    """The way from several sides in the first two thirds of a turn, the end in the rest."""
    frames = []
    for number in range(_TURN_FRAMES):
        at = min(int(1.5 * number / _TURN_FRAMES * len(way)), len(way) - 1)
        azimuth = _STEPS_DEG + 360 * number / _TURN_FRAMES
        (view,) = render_mesh_views(way[at], None, [azimuth], size=_SMALL_SIZE, edges=True, frame=frame)
        frames.append(Image.fromarray(view))
    return frames


def main(out: Path) -> None:
    """Write flexicubes.jpg, flexicubes_sphere.jpg and flexicubes_sphere.webp.

    Args:
        out: folder of the pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    truth = target_mesh()
    views = [render_mesh_views(mesh, None, [_AZIMUTH_DEG], size=_SIZE)[0] for mesh in compare_methods(truth)]
    write_image(out / "flexicubes.jpg", np.concatenate(views, 1))
    way = fit_from_sphere(truth)
    ball = make_sphere(_FRAME_RADIUS)
    frame = Mesh(ball.vertices, ball.faces)
    shown = [way[0], way[len(way) // 8], way[len(way) // 3], way[-1]]
    views = [render_mesh_views(m, None, [_STEPS_DEG], size=_SMALL_SIZE, edges=True, frame=frame)[0] for m in shown]
    write_image(out / "flexicubes_sphere.jpg", np.concatenate(views, 1))
    first, *others = turntable(way, frame)
    with atomic_file(out / "flexicubes_sphere.webp") as temporary:
        first.save(
            temporary,
            "WEBP",
            save_all=True,
            append_images=others,
            duration=int(1000 * _FRAME_SECONDS),
            loop=0,
            quality=20,
            method=6,
        )
