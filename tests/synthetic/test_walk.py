"""A rig on its walk: its motion, its cameras' rows and its LiDAR's points are where they should be in the scene."""

import dataclasses

import numpy as np
import open3d as o3d
import pytest

from splatkit.synthetic.defects import LidarFaults
from splatkit.synthetic.description import find_scene, read_scene
from splatkit.synthetic.lidar import scan_turn
from splatkit.synthetic.outdoor import make_terrain, make_tree
from splatkit.synthetic.tracer import Tracer
from splatkit.synthetic.walk import RigMotion, carried_camera, lidar_from_camera, rolling_shutter

EXACT = LidarFaults(range_noise_m=0, dropout=0, divergence_rad=0)


@pytest.fixture(scope="module")
def description():
    return read_scene(find_scene("courtyard"))


@pytest.fixture(scope="module")
def walk(description):
    return dataclasses.replace(description.walk, lidar=dataclasses.replace(description.walk.lidar, columns=120))


@pytest.fixture(scope="module")
def tracer(description):
    return Tracer(description, seed=0)


@pytest.fixture(scope="module")
def motion(walk):
    return RigMotion(walk, np.random.default_rng(0))


def scan(tracer, motion, walk, start=3.0, faults=EXACT):
    return scan_turn(tracer, motion, walk.lidar, start, faults, np.random.default_rng(1))


def in_world(cloud, motion, times=None):
    """Points of a scan where the rig was at the moment of each."""
    poses = motion.poses(cloud.time if times is None else times)
    return np.einsum("nij,nj->ni", poses[:, :3, :3], cloud.points) + poses[:, :3, 3]


def as_tensor(points):
    return o3d.core.Tensor.from_numpy(points.astype(np.float32))


def mesh_scene(tracer):
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        as_tensor(tracer.mesh.vertices), o3d.core.Tensor.from_numpy(tracer.mesh.faces.astype(np.uint32))
    )
    return scene


def distance_to_mesh(tracer, point):
    """m from the plane of the nearest triangle that lies under a point [3]: all triangles, in float64."""
    corners = tracer.mesh.vertices.astype(np.float64)[tracer.mesh.faces]
    u, v, p = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], point - corners[:, 0]
    normals = np.cross(u, v)
    area = np.einsum("fd,fd->f", normals, normals)
    second = np.einsum("fd,fd->f", np.cross(p, v), normals) / area
    third = np.einsum("fd,fd->f", np.cross(u, p), normals) / area
    under = (second >= 0) & (third >= 0) & (second + third <= 1)
    return np.abs(np.einsum("fd,fd->f", p, normals)[under] / np.sqrt(area[under])).min()


def test_the_walk_is_closed_upright_and_at_constant_speed(motion, walk):
    times = np.linspace(0, motion.duration, 2000)
    poses = motion.poses(times)
    speed = np.linalg.norm(np.diff(poses[:, :2, 3], axis=0), axis=1) / np.diff(times)
    np.testing.assert_allclose(speed, walk.speed, rtol=2e-3)
    np.testing.assert_allclose(poses[0, :2, 3], poses[-1, :2, 3], atol=1e-9)
    np.testing.assert_allclose(poses[:, 2, 3], walk.height, atol=walk.bob + 1e-9)
    tilt = np.degrees(np.arccos(poses[:, 2, 2]))
    assert 0.5 * walk.sway_deg < tilt.max() < 1.5 * walk.sway_deg
    ahead = np.diff(poses[:, :2, 3], axis=0)
    assert (np.einsum("nd,nd->n", ahead, poses[:-1, :2, 0]) > 0).all()
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1)


def test_points_without_noise_lie_on_the_surface(tracer, motion, walk):
    cloud = scan(tracer, motion, walk)
    points = in_world(cloud, motion)
    assert len(points) > 2000
    # Open3D names the nearest triangle, in float32; where that is not the one on which a point lies, all are asked.
    nearest = mesh_scene(tracer).compute_closest_points(as_tensor(points))
    corners = tracer.mesh.vertices.astype(np.float64)[tracer.mesh.faces[nearest["primitive_ids"].numpy()]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    off = np.abs(np.einsum("nd,nd->n", points - corners[:, 0], normals))
    assert np.linalg.norm(nearest["points"].numpy() - points, axis=-1).max() < 2e-3
    others = np.flatnonzero(off > 1e-9)
    assert len(others) < 0.05 * len(points)
    off[others] = [distance_to_mesh(tracer, point) for point in points[others]]
    assert off.max() < 1e-9


def test_without_the_motion_points_miss_the_surface(tracer, motion, walk):
    cloud = scan(tracer, motion, walk)
    frozen = in_world(cloud, motion, np.full(len(cloud.points), cloud.time.mean()))
    away = mesh_scene(tracer).compute_distance(as_tensor(frozen)).numpy()
    assert np.quantile(away, 0.9) > 0.01


def test_time_and_ring_are_those_of_the_beam(tracer, motion, walk):
    cloud, lidar = scan(tracer, motion, walk), walk.lidar
    assert (np.diff(cloud.time) >= 0).all()
    assert cloud.time.min() >= 3.0
    assert cloud.time.max() < 3.0 + 1 / lidar.turns_per_s
    turned = -(cloud.time - 3.0) * lidar.turns_per_s * 2 * np.pi
    azimuth = np.arctan2(cloud.points[:, 1], cloud.points[:, 0])
    assert np.abs(np.angle(np.exp(1j * (azimuth - turned)))).max() < 1e-9
    lasers = np.linspace(lidar.elevation_deg[0], lidar.elevation_deg[1], lidar.rings)
    elevation = np.degrees(np.arcsin(cloud.points[:, 2] / np.linalg.norm(cloud.points, axis=-1)))
    np.testing.assert_allclose(elevation, lasers[cloud.ring], atol=1e-9)
    assert len(np.unique(cloud.ring)) == lidar.rings


def test_range_noise_is_what_it_says(tracer, motion, walk):
    exact = scan(tracer, motion, walk)
    noisy = scan(tracer, motion, walk, faults=dataclasses.replace(EXACT, range_noise_m=0.05))
    assert len(noisy.points) == len(exact.points)
    off = np.linalg.norm(noisy.points, axis=-1) - np.linalg.norm(exact.points, axis=-1)
    assert off.std() == pytest.approx(0.05, rel=0.05)
    assert abs(off.mean()) < 0.004
    np.testing.assert_allclose(np.cross(noisy.points, exact.points), 0, atol=1e-9)  # along the beams


def test_dropouts_take_their_share_and_more_at_grazing_incidence(tracer, motion, walk):
    exact = scan(tracer, motion, walk)
    some = scan(tracer, motion, walk, faults=dataclasses.replace(EXACT, dropout=0.3))
    kept = {tuple(point) for point in some.points}
    stays = np.array([tuple(point) in kept for point in exact.points])
    assert stays.sum() == len(some.points)
    poses = motion.poses(exact.time)
    directions = np.einsum("nij,nj->ni", poses[:, :3, :3], exact.points)
    cosines = tracer.measure(poses[:, :3, 3], directions).cosines
    for low, high in ((0.0, 0.05), (0.05, 0.15), (0.3, 1.0)):
        chosen = (cosines >= low) & (cosines < high)
        expected = 0.7 * (1 - np.exp2(-cosines[chosen] / 0.05)).mean()
        assert stays[chosen].mean() == pytest.approx(expected, abs=4 * np.sqrt(0.21 / chosen.sum()))


def test_wide_beams_mix_at_edges_alone(tracer, motion, walk):
    exact = scan(tracer, motion, walk)
    wide = scan(tracer, motion, walk, faults=dataclasses.replace(EXACT, divergence_rad=0.002))
    assert len(wide.points) == len(exact.points)
    off = np.abs(np.linalg.norm(wide.points, axis=-1) - np.linalg.norm(exact.points, axis=-1))
    mixed = off > 0.02  # on slopes the mean over a beam hardly differs from its middle
    assert 0.002 < mixed.mean() < 0.2
    assert off.max() < 0.5  # no farther than what counts as one return
    away = mesh_scene(tracer).compute_distance(as_tensor(in_world(wide, motion)[mixed])).numpy()
    assert np.quantile(away, 0.9) > 0.005  # between surfaces


def test_cameras_sit_on_the_rig(motion, walk):
    for camera in walk.cameras:
        taken = carried_camera(camera, (40, 30), motion, 2.5)
        np.testing.assert_allclose(
            taken.T_world_camera, motion.poses(np.array([2.5]))[0] @ lidar_from_camera(camera), atol=1e-12
        )
        view = lidar_from_camera(camera)[:3, 2]  # in the rig: x ahead, y left, z up
        assert np.degrees(np.arctan2(view[1], view[0])) == pytest.approx(camera.yaw_deg)
        assert np.degrees(np.arcsin(view[2])) == pytest.approx(camera.pitch_deg)
        assert lidar_from_camera(camera)[2, 1] < -0.99  # the camera's y axis points down
        edge = taken.rays(np.array([[0.0, 15.0], [40.0, 15.0]]))[1]
        angle = np.degrees(np.arccos(edge[0] @ edge[1] / np.prod(np.linalg.norm(edge, axis=1))))
        assert angle == pytest.approx(camera.horizontal_fov_deg)


def test_each_row_of_a_rolling_shutter_has_its_own_moment(motion, walk):
    camera, readout = walk.cameras[0], 0.05
    still = carried_camera(camera, (40, 30), motion, 2.5)
    rolling = rolling_shutter(still, camera, motion, 2.5, readout)
    for row in (0, 11, 29):
        pixels = np.stack([np.arange(40) + 0.5, np.full(40, row + 0.5)], axis=-1)
        origins, directions = rolling.rays(pixels)
        moment = carried_camera(camera, (40, 30), motion, 2.5 + ((row + 0.5) / 30 - 0.5) * readout)
        np.testing.assert_allclose(origins, np.tile(moment.center, (40, 1)), atol=1e-6)
        np.testing.assert_allclose(directions, moment.rays(pixels)[1], atol=5e-6)
    assert np.abs(still.rays(pixels)[1] - directions).max() > 1e-3


@pytest.mark.parametrize(
    "solid",
    [make_terrain(30.0, 4.0, 8.0, np.random.default_rng(0)), make_tree(4.0, 1.5, np.random.default_rng(0))],
    ids=["terrain", "tree"],
)
def test_outdoor_solids_are_closed_with_the_outside_out(solid):
    edges = np.concatenate([solid.faces[:, [0, 1]], solid.faces[:, [1, 2]], solid.faces[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges)  # each is passed once in each direction
    assert {tuple(edge) for edge in edges[:2000]} <= {tuple(edge[::-1]) for edge in edges}
    a, b, c = (solid.vertices[solid.faces[:, corner]] for corner in range(3))
    assert np.einsum("fd,fd->", a, np.cross(b, c)) > 0
    np.testing.assert_allclose(np.linalg.norm(solid.corner_normals, axis=-1), 1)
