"""Similarities come out of surfaces and of poses, with deviations that hold, and contradictions are refused."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.lidar.registration.alignment import Alignment, Similarity, agreed, align_surfaces, changed
from splatkit.capture.lidar.voxel_map import VoxelMap, surface_normals
from splatkit.errors import CaptureRefusedError

TRUTH = Similarity(2.7, Rotation.from_rotvec((0.4, -0.2, 0.7)).as_matrix(), np.array([3.0, -1.0, 0.5]))


def room(rng, count, floor_only=False):
    """Points on a floor, two walls and a box of a room of 8 x 6 x 3 m."""
    parts = [np.column_stack([rng.uniform(0, 8, count), rng.uniform(0, 6, count), np.zeros(count)])]
    if not floor_only:
        parts.append(np.column_stack([np.zeros(count), rng.uniform(0, 6, count), rng.uniform(0, 3, count)]))
        parts.append(np.column_stack([rng.uniform(0, 8, count), np.full(count, 6.0), rng.uniform(0, 3, count)]))
        parts.append(np.column_stack([np.full(count, 5.0), rng.uniform(2, 3, count), rng.uniform(0, 1, count)]))
    return np.concatenate(parts)


def scanned(rng, **options):
    voxels = VoxelMap(0.05, 100_000)
    points = room(rng, 15_000, **options)
    voxels.add(points + rng.normal(scale=0.01, size=points.shape), np.broadcast_to((4.0, 3.0, 1.5), points.shape))
    cloud = voxels.cloud()
    return cloud, *surface_normals(cloud, 0.01)


def photographed(rng, count=400, noise=0.02, **options):
    """Points as structure from motion has them, in its own world; every tenth is wrong."""
    points = room(rng, count, **options)
    points += rng.normal(scale=noise, size=points.shape)
    points[::10] += rng.normal(scale=0.5, size=points[::10].shape)
    return (points - TRUTH.translation) @ TRUTH.rotation / TRUTH.scale


def test_poses_are_moved_like_points():
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 3] = np.random.default_rng(0).normal(size=(3, 3))
    moved = TRUTH.apply_to_poses(poses)
    np.testing.assert_allclose(moved[:, :3, 3], TRUTH.apply(poses[:, :3, 3]))
    np.testing.assert_allclose(
        moved[:, :3, :3] @ np.swapaxes(moved[:, :3, :3], 1, 2), np.tile(np.eye(3), (3, 1, 1)), atol=1e-12
    )


def test_surfaces_give_scale_and_pose_with_deviations_that_hold():
    """Pooled over trials, squared errors over stated variances are about 7 for 7 numbers, and never far below."""
    distances, scales = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        cloud, normals, flat = scanned(rng)
        points = photographed(rng)
        start = changed(TRUTH, np.array([0.02, -0.02, 0.03, 0.1, -0.1, 0.05, 0.02]), np.array([4.0, 3.0, 1.0]))
        found = align_surfaces(points, cloud, normals, flat, start)
        assert found.share > 0.85
        off = difference(found, TRUTH)
        distances.append(off @ np.linalg.solve(found.covariance, off))
        scales.append(off[6])
    assert np.sqrt(np.mean(np.square(scales))) < 1e-3
    assert 3.0 < np.mean(distances) < 14.0


def difference(found, truth):
    """Of a result from the truth, in the numbers that its covariance is of."""
    R = truth.rotation @ found.similarity.rotation.T
    inside = (found.center - found.similarity.translation) @ found.similarity.rotation / found.similarity.scale
    shift = truth.apply(inside[None])[0] - found.center
    return np.concatenate([Rotation.from_matrix(R).as_rotvec(), shift, [np.log(truth.scale / found.similarity.scale)]])


def test_a_floor_alone_leaves_directions_open():
    rng = np.random.default_rng(0)
    cloud, normals, flat = scanned(rng, floor_only=True)
    with pytest.raises(CaptureRefusedError, match="leave a direction"):
        align_surfaces(photographed(rng, 2000, floor_only=True), cloud, normals, flat, TRUTH)


def test_another_place_is_refused():
    rng = np.random.default_rng(0)
    cloud, normals, flat = scanned(rng)
    elsewhere = rng.uniform(-30, 30, (3000, 3))
    with pytest.raises(CaptureRefusedError, match="lie within"):
        align_surfaces(elsewhere, cloud, normals, flat, Similarity(1.0, np.eye(3), np.zeros(3)))
    with pytest.raises(CaptureRefusedError, match="5 points of photographs"):
        align_surfaces(elsewhere[:5], cloud, normals, flat, TRUTH)


def alignment(similarity, deviation, center=(0.0, 0, 0)):
    return Alignment(similarity, deviation**2 * np.eye(7), np.array(center), 0.01, 1.0, "poses")


def test_two_measurements_meet_where_each_is_known_better():
    near, other = (changed(TRUTH, np.array([0, 0, 0, 0, 0, 0, size]), np.zeros(3)) for size in (0.002, 0.004))
    both = agreed(alignment(near, 1e-3), alignment(TRUTH, 1e-3))
    assert np.log(both.similarity.scale / TRUTH.scale) == pytest.approx(0.001, rel=1e-6)
    assert both.scale_sd == pytest.approx(1e-3 / np.sqrt(2))
    surely = agreed(alignment(other, 1e-2), alignment(TRUTH, 1e-5))
    assert np.log(surely.similarity.scale / TRUTH.scale) == pytest.approx(0.0, abs=1e-6)


def test_what_differs_by_more_than_stated_is_less_sure():
    """Scales 4 deviations apart, all else alike: chi-square is 16 of 7."""
    other = changed(TRUTH, np.array([0, 0, 0, 0, 0, 0, 4e-3 * np.sqrt(2)]), np.zeros(3))
    both = agreed(alignment(other, 1e-3), alignment(TRUTH, 1e-3))
    assert both.scale_sd == pytest.approx(1e-3 / np.sqrt(2) * np.sqrt(16 / 7), rel=1e-3)


def test_contradicting_scales_are_refused():
    other = changed(TRUTH, np.array([0, 0, 0, 0, 0, 0, 0.1]), np.zeros(3))
    with pytest.raises(CaptureRefusedError, match=r"by poses the scale is 2\.98.*by surfaces 2\.7"):
        agreed(alignment(other, 1e-3), alignment(TRUTH, 1e-3))


def test_covariances_move_with_their_center():
    """A rotation known to a milliradian moves a place ten meters away by a centimeter."""
    item = alignment(TRUTH, 1e-3)
    far = item.about(np.array([10.0, 0, 0]))
    np.testing.assert_allclose(np.diag(far)[3:6], [1e-6 + 1e-4, 1e-6 + 1e-4, 1e-6 + 1e-4])  # scale, then rotations
