"""Flat pieces of a map: walls count, lines and bushes do not."""

import numpy as np

from splatkit.calibration.walk.surfels import surfels
from splatkit.capture.lidar.voxel_map import VoxelMap


def cloud_of(points, origin=(0.0, 0.0, 3.0)):
    voxels = VoxelMap(0.05, 100_000)
    voxels.add(points, np.broadcast_to(np.array(origin), points.shape))
    return voxels.cloud()


def test_a_floor_has_normals_toward_the_sensor():
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-3, 3, (20000, 2)), 0.1 + 0.01 * rng.normal(size=20000)])
    middles, normals = surfels(cloud_of(points), 0.01)
    assert len(middles) > 150
    assert np.abs(middles[:, 2] - 0.1).max() < 0.02
    assert normals[:, 2].min() > 0.98


def test_lines_on_the_ground_and_bushes_have_none():
    rng = np.random.default_rng(0)
    line = np.column_stack([np.linspace(-3, 3, 5000), 0.01 * rng.normal(size=5000), 0.01 * rng.normal(size=5000)])
    assert len(surfels(cloud_of(line), 0.01)[0]) == 0
    bush = rng.uniform(-1, 1, (20000, 3))
    assert len(surfels(cloud_of(bush), 0.01)[0]) == 0


def test_an_empty_map_has_no_pieces():
    middles, normals = surfels(VoxelMap(0.05, 100).cloud(), 0.01)
    assert middles.shape == normals.shape == (0, 3)
