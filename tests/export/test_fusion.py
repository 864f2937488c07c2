"""Fusion on depth maps whose surface is known in closed form, and on the generated scene."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from splatkit.errors import EmptyMeshError
from splatkit.evaluation.geometry import compare_surfaces, visible_sample
from splatkit.export import fusion
from splatkit.export.fusion import FusionSettings, fuse_depths, keep_large_components, mask_depths
from splatkit.geometry.transform import invert_rigid
from splatkit.io.meshes import Mesh
from splatkit.synthetic.cameras import orbit_cameras
from splatkit.synthetic.description import find_scene, read_scene
from splatkit.synthetic.tracer import Tracer

RADIUS = 0.5
SIZE = 80


def sphere_views(center=(0.0, 0.0, 0.0), count=10) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Depths, colors, alphas, viewmats and Ks of cameras around a sphere, from the quadratic formula."""
    K = torch.tensor([[100.0, 0, SIZE / 2], [0, 100, SIZE / 2], [0, 0, 1]], dtype=torch.float64)
    grid = torch.arange(SIZE, dtype=torch.float64) + 0.5
    pixels = torch.stack([*torch.meshgrid(grid, grid, indexing="xy"), torch.ones(SIZE, SIZE)], -1)
    rays = pixels @ torch.linalg.inv(K).T
    depths, poses = [], []
    for view in range(count):
        azimuth, height = 2 * math.pi * view / count, (-1) ** view * 0.8
        eye = torch.tensor([2 * math.cos(azimuth), 2 * math.sin(azimuth), height], dtype=torch.float64)
        forward = -eye / eye.norm()
        right = torch.linalg.cross(forward, torch.tensor([0.0, 0, 1], dtype=torch.float64))
        right = right / right.norm()
        pose = torch.eye(4, dtype=torch.float64)
        pose[:3] = torch.stack([right, torch.linalg.cross(forward, right), forward, eye], -1)
        directions = rays @ pose[:3, :3].T
        b, c = directions @ eye, eye @ eye - RADIUS**2
        a = directions.square().sum(-1)
        root = b * b - a * c
        depths.append(torch.where(root > 0, (-b - root.clamp_min(0).sqrt()) / a, 0.0))
        pose[:3, 3] += torch.tensor(center)
        poses.append(pose)
    stacked = torch.stack(depths)
    colors = torch.tensor([0.2, 0.5, 1.0]).expand(count, SIZE, SIZE, 3)
    return stacked, colors, (stacked > 0).double(), invert_rigid(torch.stack(poses)), K.expand(count, 3, 3)


def test_a_sphere_comes_back_with_its_radius_place_and_color():
    center = np.array([5.0, -3.0, 1.0])
    mesh = fuse_depths(*sphere_views(tuple(center)), FusionSettings())
    radii = np.linalg.norm(mesh.vertices - center, axis=-1)
    assert np.abs(radii - RADIUS).mean() < 0.003  # a sixth of a pixel, whose footprint is 0.018
    assert np.abs(radii - RADIUS).max() < 0.02
    assert mesh.vertex_colors is not None
    np.testing.assert_allclose(np.median(mesh.vertex_colors, axis=0), [51, 128, 255], atol=1)
    outward = np.einsum("fd,fd->f", mesh.face_normals(), mesh.vertices[mesh.faces[:, 0]] - center)
    assert np.quantile(outward, 0.01) > 0  # a few slivers have no direction


def test_the_grid_fits_the_memory_it_was_estimated_to_need():
    views = sphere_views()
    settings = FusionSettings(voxel_size=0.02)
    depths = mask_depths(views[0], views[2], views[4], settings)
    voxel_size, blocks = fusion._choose_voxel_size(depths, views[3], views[4], settings)
    grid = fusion._integrate(depths, views[1], views[3], views[4], settings, voxel_size, blocks)
    assert voxel_size == 0.02
    assert 0.5 * blocks < grid.hashmap().size() <= blocks


def test_voxels_grow_until_the_grid_fits():
    views = sphere_views()
    fine = fuse_depths(*views, FusionSettings())
    coarse = fuse_depths(*views, FusionSettings(memory_limit_gb=0.002))
    assert len(coarse.faces) < len(fine.faces) / 2
    with pytest.raises(ValueError, match=r"more than the limit of 0\.001 GB"):
        fuse_depths(*views, FusionSettings(voxel_size=0.005, memory_limit_gb=0.001))


def test_pixels_between_two_surfaces_are_masked_and_rims_are_kept():
    depths = torch.full((1, 5, 7), 3.0)
    depths[0, :, 2:4] = 1.0  # a rod two pixels wide in front of a wall
    depths[0, :, 4] = 2.0  # its right rim blends into the wall
    K = torch.tensor([[[100.0, 0, 3], [0, 100, 2], [0, 0, 1]]])
    kept = mask_depths(depths, torch.ones_like(depths), K, FusionSettings()) > 0
    assert kept[0].tolist() == [[True, True, True, True, False, True, True]] * 5


def test_transparent_and_missing_pixels_are_masked():
    depths = torch.full((1, 4, 6), 2.0)
    depths[0, 0, 0], depths[0, 3, 5] = torch.nan, -1.0
    alphas = torch.ones_like(depths)
    alphas[0, :, 2] = 0.49
    K = torch.tensor([[[10.0, 0, 3], [0, 10, 2], [0, 0, 1]]])
    kept = mask_depths(depths, alphas, K, FusionSettings()) > 0
    assert not kept[0, 0, 0]
    assert not kept[0, 3, 5]
    assert not kept[0, :, 2].any()
    assert not kept[0, 0, 1]  # alone between two of them: nothing says what surface it belongs to
    assert int(kept.sum()) == 4 * 5 - 3


def test_steep_surfaces_are_masked_beyond_the_limit():
    """A plane z = z0 + t x seen from the front: its depth changes by t z / f from pixel to pixel."""
    columns = torch.arange(40) + 0.5 - 20
    K = torch.tensor([[[200.0, 0, 20], [0, 200, 5], [0, 0, 1]]])
    flat, steep = ((2.0 / (1 - math.tan(math.radians(angle)) * columns / 200)).expand(1, 10, 40) for angle in (70, 86))
    assert (mask_depths(flat, torch.ones(1, 10, 40), K, FusionSettings())[0, :, 10:30] > 0).all()
    with pytest.raises(EmptyMeshError, match="neighbor of like depth"):
        mask_depths(steep, torch.ones(1, 10, 40), K, FusionSettings())


def test_small_components_are_dropped():
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    vertices = np.concatenate([corners * size + [shift, 0, 0] for size, shift in ((1.0, 0), (0.5, 5), (0.01, 9))])
    colors = np.arange(27, dtype=np.uint8).reshape(9, 3)
    kept = keep_large_components(Mesh(vertices, np.arange(9).reshape(3, 3), colors), min_share=0.01)
    np.testing.assert_array_equal(kept.vertices, vertices[:6])
    assert kept.vertex_colors is not None
    np.testing.assert_array_equal(kept.vertex_colors, colors[:6])
    assert len(keep_large_components(Mesh(vertices, np.arange(9).reshape(3, 3)), min_share=1.0).faces) == 1


def test_each_stage_that_loses_the_surface_says_so():
    depths, colors, alphas, viewmats, Ks = sphere_views(count=2)
    with pytest.raises(EmptyMeshError, match=r"alpha >= 0\.5"):
        fuse_depths(depths, colors, alphas * 0.4, viewmats, Ks, FusionSettings())
    noise = 1 + torch.rand(depths.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 50
    with pytest.raises(EmptyMeshError, match="neighbor of like depth"):
        fuse_depths(noise, colors, alphas * 0 + 1, viewmats, Ks, FusionSettings(max_incidence_deg=5))
    with pytest.raises(EmptyMeshError, match="max_depth"):
        fuse_depths(depths, colors, alphas, viewmats, Ks, FusionSettings(max_depth=0.1))
    apart = viewmats.clone()
    apart[1, :3, 3] += 50
    with pytest.raises(EmptyMeshError, match="no surface that 2 views agree on"):
        fuse_depths(depths, colors, alphas, apart, Ks, FusionSettings())


def test_wrong_shapes_are_named():
    depths, colors, alphas, viewmats, Ks = sphere_views(count=2)
    with pytest.raises(ValueError, match=r"alphas: expected shape \[2, 80, 80\]"):
        fuse_depths(depths, colors, alphas[..., None], viewmats, Ks, FusionSettings())


@pytest.mark.slow
def test_the_true_depth_of_the_studio_gives_its_mesh_back():
    description = read_scene(find_scene("studio"))
    tracer = Tracer(description, seed=0)
    assert description.cameras is not None
    cameras = orbit_cameras(description.cameras, 160, 120, 30, phase=0.0)
    rng = np.random.default_rng(0)
    views = [tracer.render(camera, 1, rng) for camera in cameras]
    depths, colors = (torch.from_numpy(np.stack([getattr(v, name) for v in views])) for name in ("depths", "colors"))
    viewmats = invert_rigid(torch.from_numpy(np.stack([camera.camera_to_world for camera in cameras])))
    Ks = torch.from_numpy(np.stack([camera.K for camera in cameras]))
    mesh = fuse_depths(depths, colors, (depths > 0).float(), viewmats, Ks, FusionSettings())
    seen = visible_sample(tracer.mesh, viewmats, Ks, (160, 120), samples=20_000)
    result = compare_surfaces(mesh, tracer.mesh, tau=0.02, truth_points=seen, samples=20_000)
    diagonal = np.linalg.norm(np.ptp(tracer.mesh.vertices, axis=0))
    assert result.accuracy_mean < 0.002 * diagonal
    assert result.completeness_mean < 0.002 * diagonal
