"""What evidence does in fusion: thin parts, rays that pass, how far a surface reaches, and what lies far from all."""

import numpy as np
import torch
from torch import Tensor

from splatkit.export.surface.field_grid import extract_mesh
from splatkit.export.surface.fusion import fuse
from splatkit.export.surface.make_surface import make_surface
from splatkit.export.surface.rendered_views import RenderedViews
from splatkit.export.surface.settings import SurfaceSettings
from splatkit.export.surface.view_planes import PlaneViews
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.mesh import Mesh
from splatkit.progress import no_progress
from splatkit.runs.views import RenderedView
from tests.export.surface.test_fusion import SphereRun

SIZE = 60
CAMERA = Camera("pinhole", SIZE, SIZE, 60.0, 60.0, SIZE / 2, SIZE / 2)
VOXEL = 0.02


def wall_view(pose: np.ndarray, depths: Tensor, sigma: float | None = None, seen: Tensor | None = None) -> RenderedView:
    """Depths of something that faces the camera; where `seen` is False, nothing is known."""
    ones = torch.ones(SIZE, SIZE)
    seen = ones > 0 if seen is None else seen
    backward = torch.tensor(-pose[:3, 2], dtype=torch.float32).expand(SIZE, SIZE, 3)
    sigmas = None if sigma is None else sigma * ones
    alphas = torch.where(seen, 1.0, 0.3)
    measured = None if sigma is None else seen
    return RenderedView(
        PosedCamera("", CAMERA, pose), depths * seen, 0 * ones, backward, alphas, backward.abs(), sigmas, measured
    )


def pose_at(z: float, backward: bool = False) -> np.ndarray:
    """A camera on the z axis, looking along it or against it."""
    pose = np.eye(4)
    if backward:
        pose[:3, :3] = np.diag([1.0, -1, -1])
    pose[2, 3] = z
    return pose


def planes_of(views: list[RenderedView], max_depth: float | None = None) -> PlaneViews:
    return PlaneViews(RenderedViews(views), min_alpha=0.5, max_incidence_deg=80, max_depth=max_depth)


def fused(planes: PlaneViews, min_views: int = 1) -> Mesh:
    fusion = fuse(
        planes,
        voxel_size=VOXEL,
        truncation_voxels=4,
        min_views=min_views,
        memory_limit_gb=1.0,
        max_cells=10**6,
        progress=no_progress,
    )
    return extract_mesh(fusion.grid)


def test_a_plate_thinner_than_the_band_keeps_its_thickness():
    """Seen from both sides, two voxels thick: its views see four voxels to each side of their surface."""
    depths = torch.full((SIZE, SIZE), 1.0)
    thickness = 2 * VOXEL
    mesh = fused(planes_of([wall_view(pose_at(0), depths), wall_view(pose_at(2 + thickness, True), depths)]))
    middle = mesh.vertices[(np.abs(mesh.vertices[:, :2]) < 0.3).all(1)]
    front, back = middle[middle[:, 2] < 1 + VOXEL, 2], middle[middle[:, 2] > 1 + VOXEL, 2]
    assert len(front) > 100
    assert len(back) > 100
    # Each side would lie 2.25 voxels outside, if views counted as much behind what they see.
    np.testing.assert_allclose(front, 1, atol=0.05 * VOXEL)
    np.testing.assert_allclose(back, 1 + thickness, atol=0.05 * VOXEL)


def test_a_precise_view_outweighs_several_that_are_not():
    precise = wall_view(pose_at(0), torch.full((SIZE, SIZE), 1.0), 0.003)
    others = [wall_view(pose_at(0), torch.full((SIZE, SIZE), 1.02), 0.03) for _ in range(3)]
    mesh = fused(planes_of([precise, *others]))
    middle = mesh.vertices[(np.abs(mesh.vertices[:, :2]) < 0.3).all(1), 2]
    # Weights are 1 / (0.3^2 + s^2), s in footprints of 1/60: with 0.18 and 1.8 that is 0.122 and 3.33.
    expected = (1 / 0.122 * 1.0 + 3 / 3.33 * 1.02) / (1 / 0.122 + 3 / 3.33)
    np.testing.assert_allclose(np.median(middle), expected, atol=3e-4)


def test_a_ray_that_ends_beyond_the_reach_has_passed_up_to_there_and_no_farther():
    """A wall at 1 in two views; another one sees through its left half, to 3, which is out of reach."""
    near, far = torch.full((SIZE, SIZE), 1.0), torch.full((SIZE, SIZE), 3.0)
    left = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    left[:, : SIZE // 2] = True
    walls = [wall_view(pose_at(0), near) for _ in range(2)]
    through = [wall_view(pose_at(0), far, seen=left) for _ in range(20)]
    mesh = fused(planes_of([*walls, *through], max_depth=2.0))
    assert len(mesh.faces) > 100
    assert mesh.vertices[:, 0].min() > -3 * VOXEL
    behind = [wall_view(pose_at(0), torch.full((SIZE, SIZE), 2.5), seen=left) for _ in range(20)]
    buried = [wall_view(pose_at(2), torch.full((SIZE, SIZE), 1.0)) for _ in range(2)]  # a wall at 3, seen from within
    mesh = fused(planes_of([*buried, *behind], max_depth=2.0))
    assert mesh.vertices[:, 0].min() < -0.3  # what ends at 2.5 says nothing of what is at 3


def test_measured_depths_extend_the_reach():
    def reach(far: float, sigma: float | None) -> float:
        depths = torch.full((SIZE, SIZE), 1.0)
        depths[: SIZE // 4] = far
        return planes_of([wall_view(pose_at(0), depths, sigma)]).max_depth

    assert reach(5.0, None) == 3  # three times the median: a backdrop costs nothing
    assert reach(5.0, 0.01) == 5
    assert reach(50.0, 0.01) == 10  # ten times


def test_evidence_is_what_was_measured():
    seen = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    seen[20:40, 20:40] = True
    depths = torch.full((SIZE, SIZE), 1.0)
    planes = planes_of([wall_view(pose_at(0), depths, 0.01, seen), wall_view(pose_at(0), depths)])
    evidence = planes.evidence.numpy()
    assert len(evidence) > 300
    np.testing.assert_allclose(evidence[:, 2], 1, atol=1e-6)
    assert np.abs(evidence[:, :2]).max() < 10 / 60 + 1e-6
    assert len(planes_of([wall_view(pose_at(0), depths)]).evidence) == 0


class _Halved(SphereRun):
    """Cameras round a sphere, of which only what is on one side was measured."""

    def __init__(self, share: float) -> None:
        super().__init__()
        for number, view in enumerate(self.views):
            T = view.posed.T_world_camera
            height, width = view.depths.shape
            y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
            local = view.posed.camera.unproject(torch.stack([x, y], -1).reshape(-1, 2), view.depths.reshape(-1))
            world = local @ torch.tensor(T[:3, :3].T, dtype=torch.float32) + torch.tensor(T[:3, 3], dtype=torch.float32)
            measured = (view.depths > 0) & (world[:, 0].reshape(height, width) > 0.5 - share)
            sigmas = torch.full_like(view.depths, 1e-3)
            self.views[number] = view._replace(sigmas=sigmas, measured=measured)


def test_what_lies_far_from_all_that_was_measured_goes_unless_the_rendered_surface_is_asked_for():
    """Measured is a cap 0.1 deep and 0.6 wide: what is a quarter of its extent away from it goes."""
    whole = make_surface(_Halved(0.1), SurfaceSettings(voxel_size=0.018, refinement_rounds=0, surface="rendered")).mesh
    kept = make_surface(_Halved(0.1), SurfaceSettings(voxel_size=0.018, refinement_rounds=0))
    step = next(step for step in kept.record["steps"] if step["step"] == "keep what is near to evidence")
    assert step["forgotten_vertices"] > 0
    assert whole.vertices[:, 0].min() < -0.49
    # Along the axis: from the cap's rim, at 0.4.
    assert kept.mesh.vertices[:, 0].min() > 0.4 - step["distance"] - 0.04
    assert kept.mesh.vertices[:, 0].min() < 0.4
    assert kept.mesh.vertices[:, 0].max() > 0.48
