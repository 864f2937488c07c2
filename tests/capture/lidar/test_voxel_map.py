"""Maps keep the mean of each voxel in bounded memory, and know how their surfaces lie."""

import numpy as np
import pytest

from splatkit.capture.lidar.voxel_map import VoxelMap, surface_normals

UP = np.array([0.0, 0, 3])


def test_each_voxel_holds_the_mean_of_its_points():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (5000, 3))
    voxels = VoxelMap(0.5, 10_000)
    for part in np.array_split(points, 7):
        voxels.add(part, part + UP)
    cloud = voxels.cloud()
    assert (len(cloud.points), int(cloud.counts.sum()), cloud.voxel) == (64, 5000, 0.5)
    np.testing.assert_allclose(cloud.counts @ cloud.points / 5000, points.mean(0))
    np.testing.assert_allclose(cloud.origins, cloud.points + UP)
    assert np.abs(cloud.points / 0.5 - np.floor(cloud.points / 0.5) - 0.5).max() < 0.5


def test_voxels_grow_until_the_map_fits():
    points = np.random.default_rng(0).uniform(0, 10, (20_000, 3))
    voxels = VoxelMap(0.01, 1000)
    voxels.add(points, points)
    cloud = voxels.cloud()
    assert 250 < len(cloud.points) <= 1000
    assert cloud.counts.sum() == 20_000
    with pytest.raises(ValueError, match="positive"):
        VoxelMap(0.0, 10)


def test_an_empty_map_is_empty():
    assert VoxelMap(0.1, 10).cloud().points.shape == (0, 3)


def test_walls_have_normals_towards_the_sensor_and_clutter_has_none():
    rng = np.random.default_rng(0)
    wall = np.column_stack([rng.uniform(0, 4, 20_000), np.full(20_000, 3.0), rng.uniform(0, 3, 20_000)])
    wall[:, 1] += rng.normal(scale=0.02, size=20_000)
    clutter = rng.uniform((10, 0, 0), (11.5, 1.5, 1.5), (4000, 3))
    voxels = VoxelMap(0.03, 100_000)
    voxels.add(wall, np.broadcast_to((2.0, 0, 1), wall.shape))
    voxels.add(clutter, np.broadcast_to((2.0, 0, 1), clutter.shape))
    cloud = voxels.cloud()
    normals, flat = surface_normals(cloud, 0.02)
    on_wall = cloud.points[:, 0] < 5
    assert flat[on_wall].mean() > 0.92  # 0.958 to 0.977 over twelve seeds
    assert flat[~on_wall].mean() < 0.2
    inner = on_wall & (cloud.points[:, 0] > 0.3) & (cloud.points[:, 0] < 3.7) & flat
    assert np.median(np.degrees(np.arccos(np.clip(-normals[inner, 1], -1, 1)))) < 5
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-9)


def test_few_points_have_no_normals():
    voxels = VoxelMap(0.1, 10)
    voxels.add(np.eye(3), np.zeros((3, 3)))
    normals, flat = surface_normals(voxels.cloud(), 0.02)
    assert not flat.any()
    assert (np.einsum("ni,ni->n", normals, voxels.cloud().points) < 0).all()
