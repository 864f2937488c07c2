"""Fusion of views whose surface is known in closed form, and of the generated scene's exact ones."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from splatkit.errors import EmptyMeshError, SettingsError
from splatkit.evaluation.geometry import compare_surfaces, visible_sample
from splatkit.export.surface.make_surface import SurfaceSettings, make_surface
from splatkit.export.surface.rendered_views import RenderedViews, reduced_size
from splatkit.export.surface.sparse_tsdf import SparseTsdf, block_corners, touched_blocks
from splatkit.export.surface.view_planes import PlaneViews, trusted_depths
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.mesh import Mesh
from splatkit.runs.views import RenderedView, RunView
from splatkit.synthetic.cameras import orbit_cameras
from splatkit.synthetic.description import find_scene, read_scene
from splatkit.synthetic.tracer import Tracer

RADIUS = 0.5
SIZE = 80
CAMERA = Camera("pinhole", SIZE, SIZE, 100.0, 100.0, SIZE / 2, SIZE / 2)
COLOR = (0.2, 0.5, 1.0)
FUSED = SurfaceSettings(voxel_size=0.018, refinement_rounds=0)  # a pixel's footprint: these depths have no noise


def sphere_view(eye: Tensor, center: Tensor) -> RenderedView:
    """A sphere from the quadratic formula, seen from `eye`, which is given from its center."""
    grid = torch.arange(SIZE, dtype=torch.float64) + 0.5
    pixels = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    pose = look_at_origin(eye)
    directions = CAMERA.unproject(pixels, torch.ones_like(pixels[..., 0])) @ pose[:3, :3].T
    a, b = directions.square().sum(-1), directions @ eye
    root = b * b - a * (eye @ eye - RADIUS**2)
    depths = torch.where(root > 0, (-b - root.clamp_min(0).sqrt()) / a, 0.0)
    hit = depths > 0
    normals = torch.where(hit[..., None], (eye + depths[..., None] * directions) / RADIUS, 0)
    pose[:3, 3] += center
    return RenderedView(
        PosedCamera("", CAMERA, pose.numpy()),
        depths.float(),
        torch.zeros(SIZE, SIZE),
        normals.float(),
        hit.float(),
        torch.tensor(COLOR).expand(SIZE, SIZE, 3),
    )


def look_at_origin(eye: Tensor) -> Tensor:
    """[4, 4] camera to world."""
    forward = -eye / eye.norm()
    right = torch.linalg.cross(forward, torch.tensor([0.0, 0, 1], dtype=torch.float64))
    right = right / right.norm()
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3] = torch.stack([right, torch.linalg.cross(forward, right), forward, eye], -1)
    return pose


class SphereRun:
    """Cameras round a sphere, as a run of which a surface can be made."""

    def __init__(
        self, center: tuple[float, float, float] = (0.0, 0.0, 0.0), count: int = 10, **changes: object
    ) -> None:
        self.center = torch.tensor(center, dtype=torch.float64)
        angles = [2 * math.pi * view / count for view in range(count)]
        eyes = [[2 * math.cos(a), 2 * math.sin(a), (-1) ** n * 0.8] for n, a in enumerate(angles)]
        views = [sphere_view(torch.tensor(eye, dtype=torch.float64), self.center) for eye in eyes]
        self.views = [RenderedView(**{**view._asdict(), **changes}) for view in views]

    @property
    def train_views(self) -> list[RunView]:
        """As a run has them."""
        return [RunView(Path("x.png"), view.posed, view.posed.camera) for view in self.views]

    view_pixels = 1 << 20
    distance: Callable[[Tensor], Tensor] | None = None

    def render_surface(self, posed: PosedCamera) -> RenderedView:
        """The view of that camera."""
        view = next(v for v in self.views if np.array_equal(v.posed.T_world_camera, posed.T_world_camera))
        assert view.depths.shape == (posed.camera.height, posed.camera.width)
        return view


def radii(mesh: Mesh, center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    return np.linalg.norm(mesh.vertices - np.array(center), axis=-1)


def test_a_sphere_comes_back_with_its_radius_place_and_color():
    center = (5.0, -3.0, 1.0)
    surface = make_surface(SphereRun(center), FUSED)
    mesh, off = surface.mesh, radii(surface.mesh, center) - RADIUS
    assert np.abs(off).mean() < 0.0036  # 0.00296, a sixth of a voxel, on every instruction set
    assert np.abs(off).max() < 0.02
    assert mesh.vertex_colors is not None
    np.testing.assert_allclose(np.median(mesh.vertex_colors, axis=0), [51, 128, 255], atol=1)
    outward = np.einsum("fd,fd->f", mesh.face_normals(), mesh.vertices[mesh.faces[:, 0]] - np.array(center))
    assert np.quantile(outward, 0.01) > 0.7 * RADIUS  # the rest at the edge of what two views see
    assert [step["step"] for step in surface.record["steps"]][:3] == ["views", "planes", "fuse"]


def test_voxels_grow_until_the_field_fits():
    fine, coarse = (
        make_surface(SphereRun(), SurfaceSettings(memory_limit_gb=limit, refinement_rounds=0)) for limit in (1.0, 0.001)
    )
    assert coarse.record["steps"][2]["memory_gb"] <= 0.001
    assert len(coarse.mesh.faces) < len(fine.mesh.faces) / 2
    with pytest.raises(ValueError, match=r"more than the limit of 0\.001 GB"):
        make_surface(SphereRun(), SurfaceSettings(voxel_size=0.005, memory_limit_gb=0.001))


def test_a_signed_distance_of_its_own_is_the_field():
    run = SphereRun()
    run.distance = lambda points: points.norm(dim=-1) - 0.98 * RADIUS  # not quite what the views show
    surface = make_surface(run, FUSED)
    assert np.abs(radii(surface.mesh) - 0.98 * RADIUS).max() < 1e-3
    assert "signed distances" in [step["step"] for step in surface.record["steps"]]


def test_weights_decide_between_views_that_disagree():
    """Two cameras at one place see a wall at different depths; the surface lies between them by their weights."""
    posed = PosedCamera("", Camera("pinhole", 40, 40, 50.0, 50.0, 20.0, 20.0), np.eye(4))
    facing = torch.tensor([0.0, 0, -1]).expand(40, 40, 3)

    def wall(depth: float, length: float) -> RenderedView:
        flat = torch.full((40, 40), depth)
        return RenderedView(posed, flat, 0 * flat, facing * length, 0 * flat + 1, facing * 0)

    planes = PlaneViews(
        RenderedViews([wall(1.995, 0.75), wall(2.005, 0.25)]), min_alpha=0.5, max_incidence_deg=80, max_depth=None
    )
    tsdf = SparseTsdf.empty(touched_blocks(planes, 0.02, 0.1), 0.02, 0.1)
    for view in planes:
        tsdf.integrate(view)
    tsdf.finish()
    corners = tsdf.distances[tsdf.weights > 0]
    assert float(corners.min()) >= -1
    depth = torch.stack([_depth_of_zero(tsdf, key) for key in range(len(tsdf.keys))]).nanmedian()
    assert abs(float(depth) - (0.75 * 1.995 + 0.25 * 2.005)) < 2e-4


def _depth_of_zero(tsdf: SparseTsdf, block: int) -> Tensor:
    """z of the zero crossing in the middle column of a block; nan where there is none."""
    column = tsdf.distances[block].reshape(8, 8, 8)[4, 4]
    known = tsdf.weights[block].reshape(8, 8, 8)[4, 4] > 0
    change = ((column[:-1] > 0) & (column[1:] <= 0) & known[:-1] & known[1:]).nonzero()
    if len(change) == 0:
        return torch.tensor(torch.nan)
    k = int(change[0, 0])
    share = column[k] / (column[k] - column[k + 1])
    return ((block_corners(tsdf.keys)[block, 2] + k + share) * tsdf.voxel_size).float()


def test_voxels_behind_a_camera_are_never_fused():
    """A camera that looks away from the sphere, with the same depths, must not change what the others made."""
    run = SphereRun()
    views = RenderedViews(run.views)
    half_a_turn = np.diag([-1.0, 1.0, -1.0, 1.0])  # about its own vertical axis, at its place
    turned = PosedCamera("", CAMERA, run.views[0].posed.T_world_camera @ half_a_turn)
    settings: dict[str, Any] = {"min_alpha": 0.5, "max_incidence_deg": 80.0, "max_depth": None}
    planes = PlaneViews(views, **settings)
    keys = touched_blocks(planes, 0.02, 0.08)
    tsdf = SparseTsdf.empty(keys, 0.02, 0.08)
    backward = PlaneViews(
        RenderedViews([run.views[0]._replace(posed=turned, depths=torch.full((SIZE, SIZE), 3.0))]), **settings
    )
    for view in backward:
        tsdf.integrate(view)
    assert float(tsdf.weights.abs().max()) == 0
    for view in planes:
        tsdf.integrate(view)
    assert float(tsdf.weights.max()) > 0


def test_pixels_between_two_surfaces_are_masked_and_rims_are_kept():
    depths = torch.full((5, 7), 3.0)
    depths[:, 2:4] = 1.0  # a rod two pixels wide in front of a wall
    depths[:, 4] = 2.0  # its right rim blends into the wall
    kept = trusted_depths(flat_view(depths), 0.5, 80)
    assert kept.tolist() == [[True, True, True, True, False, True, True]] * 5


def test_transparent_and_missing_pixels_are_masked():
    depths = torch.full((4, 6), 2.0)
    depths[0, 0], depths[3, 5] = torch.nan, -1.0
    alphas = torch.ones_like(depths)
    alphas[:, 2] = 0.49
    kept = trusted_depths(flat_view(depths, alphas), 0.5, 80)
    assert not kept[0, 0]
    assert not kept[3, 5]
    assert not kept[:, 2].any()
    assert not kept[0, 1]  # alone between two of them: nothing says what surface it belongs to
    assert int(kept.sum()) == 4 * 5 - 3


def flat_view(depths: Tensor, alphas: Tensor | None = None) -> RenderedView:
    height, width = depths.shape
    posed = PosedCamera("", Camera("pinhole", width, height, 100.0, 100.0, width / 2, height / 2), np.eye(4))
    ones = torch.ones(height, width)
    normals = torch.tensor([0.0, 0, -1]).expand(height, width, 3)
    return RenderedView(posed, depths, 0 * ones, normals, ones if alphas is None else alphas, normals.abs() * 0.5)


def test_each_step_that_loses_the_surface_says_so():
    with pytest.raises(EmptyMeshError, match="none of 2 views has a depth"):
        make_surface(SphereRun(count=2, depths=torch.full((SIZE, SIZE), torch.nan)), FUSED)
    with pytest.raises(EmptyMeshError, match=r"alpha >= 0\.5"):
        make_surface(SphereRun(count=2, alphas=torch.full((SIZE, SIZE), 0.4)), FUSED)
    noise = 1 + torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 50
    with pytest.raises(EmptyMeshError, match="neighbor of like depth"):
        make_surface(
            SphereRun(count=2, depths=noise, alphas=torch.ones(SIZE, SIZE)), SurfaceSettings(max_incidence_deg=1)
        )
    with pytest.raises(EmptyMeshError, match="max_depth"):
        make_surface(SphereRun(count=2), SurfaceSettings(max_depth=0.1))
    with pytest.raises(EmptyMeshError, match="no training view"):
        RenderedViews([])


def test_a_single_view_gives_what_it_sees():
    mesh = make_surface(SphereRun(count=1), FUSED).mesh
    assert len(mesh.faces) > 100
    assert np.abs(radii(mesh) - RADIUS).max() < 0.02


def test_photographs_of_any_size_are_rendered_within_the_limit():
    assert reduced_size(4000, 3000, 120_000) == (400, 300)
    assert reduced_size(320, 240, 120_000) == (320, 240)


def test_settings_out_of_range_are_named():
    for wrong in ({"voxel_size": -1.0}, {"min_views": 0}, {"min_alpha": 1.5}, {"max_faces": 2}, {"close_holes": -1.0}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            SurfaceSettings(**wrong)


@pytest.mark.slow
def test_the_true_depth_of_the_studio_gives_its_mesh_back():
    description = read_scene(find_scene("studio"))
    tracer = Tracer(description, seed=0)
    assert description.cameras is not None
    run = SphereRun(count=1)
    cameras = orbit_cameras(description.cameras, 160, 120, 30, phase=0.0)
    rng = np.random.default_rng(0)
    run.views = []
    for camera in cameras:
        seen = tracer.render(camera, 1, rng)
        depths = torch.from_numpy(seen.depths).float()
        # Without normals of its own, a view has those of its slopes.
        run.views.append(
            RenderedView(
                camera,
                depths,
                0 * depths,
                torch.zeros(*depths.shape, 3),
                (depths > 0).float(),
                torch.from_numpy(seen.colors).float(),
            )
        )
    mesh = make_surface(run, SurfaceSettings(voxel_size=0.0105, refinement_rounds=0)).mesh  # the median footprint
    seen_points = visible_sample(tracer.mesh, cameras, samples=20_000)
    result = compare_surfaces(mesh, tracer.mesh, tau=0.02, truth_points=seen_points, samples=20_000)
    diagonal = np.linalg.norm(np.ptp(tracer.mesh.vertices, axis=0))
    assert result.accuracy_mean < 0.002 * diagonal
    assert result.completeness_mean < 0.002 * diagonal
