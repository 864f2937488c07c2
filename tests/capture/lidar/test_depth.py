"""Sparse depth maps agree with the exact depth of a generated walk, and their deviations with what noise does."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.lidar.depth import depth_deviations, project_depth
from splatkit.geometry.camera import Camera
from splatkit.synthetic.defects import LidarFaults
from splatkit.synthetic.description import find_scene, read_scene
from splatkit.synthetic.lidar import scan_turn
from splatkit.synthetic.tracer import Tracer
from splatkit.synthetic.walk import RigMotion, carried_camera

CAMERA = Camera("pinhole", 64, 48, 50.0, 50.0, 32.0, 24.0)
K, SIZE = CAMERA.K, (64, 48)


def test_depths_lie_in_the_pixels_of_their_points():
    points = np.array([[0.01, 0.01, 2], [1, 0.01, 4], [0, 0, -3], [9, 0, 1], [0.011, 0.01, 1.98]])
    found = project_depth(points, CAMERA, 0.02)
    rows, columns = np.nonzero(found.depths)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(24, 32), (24, 44)]
    assert found.depths[24, 32] == pytest.approx(1.98)  # the nearer of two in one pixel
    assert found.depths[24, 44] == pytest.approx(4)
    assert found.sigmas[24, 32] == pytest.approx(0.02, rel=1e-4)
    assert (found.sigmas > 0).sum() == 2


def test_deviations_are_those_of_disturbed_points():
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(6, 6)) * np.array([2e-3] * 3 + [0.01] * 3)[:, None]
    covariance, points = spread @ spread.T, rng.normal(size=(5, 3)) * (3, 2, 1) + (0, 0, 8)
    twists = rng.multivariate_normal(np.zeros(6), covariance, size=40000)
    ranges = 1 + rng.normal(scale=0.03, size=(40000, 5)) / np.linalg.norm(points, axis=1)
    turned = np.einsum("sij,nj->sni", Rotation.from_rotvec(twists[:, :3]).as_matrix(), points)
    z = (turned * ranges[..., None] + twists[:, None, 3:])[..., 2]
    np.testing.assert_allclose(depth_deviations(points, 0.03, covariance), z.std(0), rtol=0.03)


def test_a_wall_hides_what_is_behind_and_flat_ground_hides_nothing():
    x, y = np.meshgrid(np.linspace(-1, 1, 15), np.linspace(-0.8, 0.8, 12))
    wall = np.stack([x, y, np.full_like(x, 3.0)], axis=-1).reshape(-1, 3)
    rng = np.random.default_rng(0)
    behind = np.column_stack([rng.uniform(-1.5, 1.5, 60), rng.uniform(-1.2, 1.2, 60), np.full(60, 6.0)])
    found = project_depth(np.concatenate([wall, behind]), CAMERA, 0.02)
    assert (found.depths == 6).sum() == 0
    assert (found.depths == 3).sum() > 150
    x, z = np.meshgrid(np.linspace(-6, 6, 40), np.geomspace(3, 25, 24))
    ground = np.stack([x, np.full_like(x, 1.2), z], axis=-1).reshape(-1, 3)
    pixels = ground @ K.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    cells = np.unique(pixels[((pixels >= 0) & (pixels < SIZE)).all(1)].astype(int), axis=0)
    assert (project_depth(ground, CAMERA, 0.02).depths > 0).sum() > 0.97 * len(cells)


def test_depths_of_a_walk_are_true_and_most_hidden_points_are_left_out():
    description = read_scene(find_scene("courtyard"))
    assert description.walk is not None
    walk = description.walk
    tracer, motion = Tracer(description, 0), RigMotion(walk, np.random.default_rng(0))
    faults, rng = LidarFaults(range_noise_m=0.02, dropout=0.01, divergence_rad=0.0), np.random.default_rng(1)
    scans = []
    for start in (0.0, 2.0, 4.0, 6.0, 8.0):
        cloud = scan_turn(tracer, motion, walk.lidar, start, faults, rng)
        assert cloud.time is not None
        poses = motion.poses(cloud.time)
        scans.append(np.einsum("nij,nj->ni", poses[:, :3, :3], cloud.points) + poses[:, :3, 3])
    world = np.concatenate(scans)
    for mount in walk.cameras:
        camera = carried_camera(mount, (320, 240), motion, 4.02)
        found = project_depth(camera.local(world), camera.camera, 0.02)
        pixels, z = camera.image(world)
        inside = np.flatnonzero((z > 0.05) & ((pixels >= 0) & (pixels < (320, 240))).all(1))
        columns, rows = pixels[inside].astype(int).T
        kept = np.isclose(found.depths[rows, columns], z[inside], rtol=1e-5)
        ways = world[inside] - camera.center
        reach = tracer.measure(np.broadcast_to(camera.center, ways.shape), ways, shade=False).distances
        hidden = reach < 0.9  # of the way to the point
        assert hidden.sum() > 800
        assert (kept & hidden).sum() < 0.4 * hidden.sum()  # 14 to 24 % over five walks
        assert (kept & hidden).sum() < 0.03 * kept.sum()
        true = reach[kept & ~hidden] * z[inside][kept & ~hidden]
        off = z[inside][kept & ~hidden] - true
        assert (
            np.quantile(np.abs(off), 0.68) < 2 * 0.02
        )  # on slopes a range error along one ray is larger along another
        assert kept.sum() > 10000


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"points: expected finite numbers of shape \[N, 3\]"):
        project_depth(np.zeros((4, 2)), CAMERA, 0.02)
    with pytest.raises(ValueError, match="points"):
        project_depth(np.full((4, 3), np.nan), CAMERA, 0.02)
    with pytest.raises(ValueError, match="covariance"):
        project_depth(np.zeros((4, 3)), CAMERA, 0.02, np.eye(3))
    assert (project_depth(np.zeros((0, 3)), CAMERA, 0.02).depths == 0).all()
