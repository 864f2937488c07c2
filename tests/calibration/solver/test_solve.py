"""The solver finds the truth, as well as can be, says how well it did, and refuses what cannot be solved."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from splatkit.calibration.quality.observability import pixel_uncertainty, weakest_motion
from splatkit.calibration.quality.simulation import draw_views, example_rig, measure
from splatkit.calibration.solver.closed_form import DegenerateViewsError
from splatkit.calibration.solver.parameters import Freedom, Parameters, Prior
from splatkit.calibration.solver.problem import fitted_shares, information
from splatkit.calibration.solver.solve import ALL_KINDS, PLANE_ONLY, checked_inverse, make_problem, solve
from splatkit.calibration.views import SensorNoise
from splatkit.errors import SettingsError
from splatkit.geometry.se3 import compose, exp_se3, invert, transform_points, twist_between


def true_blocks(rig, target, views, poses, kinds=ALL_KINDS):
    problem = make_problem(views, target, (rig.camera,), rig.noise)
    truth = Parameters(rig.T_camera_lidar[None], invert(rig.T_camera_lidar) @ poses, (rig.camera,), np.zeros(0))
    return problem.blocks(truth, kinds)


@pytest.mark.parametrize("kinds", [PLANE_ONLY, ALL_KINDS])
@pytest.mark.parametrize("lidar", ["16", "solid"])
def test_measurements_without_noise_give_the_truth(target, lidar, kinds):
    rig = example_rig(lidar, SensorNoise(corner_px=1e-6, range_m=1e-8, outline_m=1e-3))
    views, poses = draw_views(rig, target, 5, np.random.default_rng(0))
    solution = solve(views, target, rig.camera, rig.noise, kinds)
    error = twist_between(solution.T_camera_lidar, rig.T_camera_lidar)
    assert np.degrees(np.linalg.norm(error[:3])) < 1e-4
    assert np.linalg.norm(error[3:]) < 1e-5
    np.testing.assert_allclose(solution.T_camera_board, poses, atol=1e-6)


def test_information_is_the_schur_complement_of_the_whole_problem(target):
    rig = example_rig("16")
    views, poses = draw_views(rig, target, 3, np.random.default_rng(1))
    blocks = true_blocks(rig, target, views, poses)
    rows = []
    for index, view in enumerate(blocks):
        for block in view:
            row = np.zeros((len(block.values), 6 + 6 * len(views)))
            row[:, block.shared] = block.to_shared
            row[:, 6 + 6 * index : 12 + 6 * index] = block.to_board
            rows.append(row)
    J = np.concatenate(rows)
    covariance = np.linalg.inv(J.T @ J)[:6, :6]
    np.testing.assert_allclose(information(blocks, 6) @ covariance, np.eye(6), atol=1e-6)


def test_rims_tell_by_how_much_all_ranges_are_off(target):
    """Planes alone take an offset for a LiDAR that sits elsewhere; what a plate subtends says how far away it is."""
    rig = example_rig("32", SensorNoise(corner_px=0.1, range_m=0.005, outline_m=0.001))
    views, _ = draw_views(rig, target, 15, np.random.default_rng(0))

    def farther(points):
        return points * (1 + 0.008 / np.linalg.norm(points, axis=1, keepdims=True))

    off = [
        replace(view, points=farther(view.points), rim=farther(view.rim), ring=np.zeros(len(view.points), np.int64))
        for view in views
    ]
    freed, held = (solve(off, target, rig.camera, rig.noise, freedom=Freedom(rings=rings)) for rings in (True, False))
    error = twist_between(freed.T_camera_lidar, rig.T_camera_lidar)
    assert abs(error[5]) < 0.0015  # 0.0007 at most over twelve draws
    assert error @ np.linalg.solve(freed.covariance, error) < chi2.ppf(0.999, 6)
    assert freed.guess.range_bias[0] == pytest.approx(0.008, abs=0.0025)
    assert abs(twist_between(held.T_camera_lidar, rig.T_camera_lidar)[5]) > 0.003  # 0.005 to 0.007


def test_outliers_hardly_move_the_result(target):
    rig = example_rig("32")
    rng = np.random.default_rng(2)
    views, _ = draw_views(rig, target, 12, rng)
    clean = solve(views, target, rig.camera, rig.noise)
    spoiled = []
    for view in views:
        points = view.points.copy()
        which = rng.random(len(points)) < 0.05
        points[which] *= rng.uniform(1.05, 1.3, (which.sum(), 1))  # mixed pixels lie behind the board
        spoiled.append(replace(view, points=points))
    solution = solve(spoiled, target, rig.camera, rig.noise)
    error = twist_between(solution.T_camera_lidar, clean.T_camera_lidar)
    assert np.degrees(np.linalg.norm(error[:3])) < 0.06
    assert np.linalg.norm(error[3:]) < 0.006


def test_covariance_follows_the_noise_that_is_there(target):
    rig = example_rig("32")
    views, _ = draw_views(rig, target, 8, np.random.default_rng(3))
    right = solve(views, target, rig.camera, rig.noise)
    assumed = SensorNoise(rig.noise.corner_px / 3, rig.noise.range_m / 3, rig.noise.outline_m)
    wrong = solve(views, target, rig.camera, assumed, PLANE_ONLY)
    assert wrong.chi["plane"] == pytest.approx(3, rel=0.35)
    plane = solve(views, target, rig.camera, rig.noise, PLANE_ONLY)
    assert wrong.rotation_deg == pytest.approx(plane.rotation_deg, rel=0.25)
    assert right.rotation_deg < plane.rotation_deg
    assert right.translation_m < plane.translation_m


def poses_with(rotations, depth=3.0):
    return [
        compose(exp_se3(np.array([*w, 0, 0, 0]))[:3, :3], np.array([0.2 * k, 0, depth]))
        for k, w in enumerate(rotations)
    ]


@pytest.mark.parametrize(
    ("rotations", "message"),
    [
        ([(0, 0, 0.7)] * 8, "are all parallel"),
        ([(0, angle, 0) for angle in (-0.5, -0.2, 0.1, 0.3, 0.6)], "turn about one axis only"),
        ([(0.5, 0, 0), (0, 0.5, 0)], "at least 3 poses"),
    ],
)
def test_views_that_leave_the_extrinsic_open_are_refused_with_the_cure(target, rotations, message):
    rig = example_rig("32")
    rng = np.random.default_rng(4)
    views = [measure(rig, target, pose, rng) for pose in poses_with(rotations)]
    with pytest.raises(DegenerateViewsError, match=message):
        solve(views, target, rig.camera, rig.noise)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("points", np.full((5, 3), np.nan), "view 1: points contain NaN"),
        ("points", np.zeros((2, 3)), "view 1: expected at least 3"),
        ("corners", (np.zeros((34, 2)),), "view 1: the board has 35 corners, got 34"),
        ("corners", (np.zeros((35, 3)),), r"view 1: expected corners \[N, 2\]"),
        ("rim_steps", np.zeros((1, 3)), "rim points have 1 steps"),
    ],
)
def test_views_that_cannot_be_used_are_named(target, name, values, message):
    rig = example_rig("32")
    views, _ = draw_views(rig, target, 3, np.random.default_rng(5))
    views[1] = replace(views[1], **{name: values})
    with pytest.raises(SettingsError, match=message):
        solve(views, target, rig.camera)


def test_boards_that_one_scan_line_meets_give_no_planes(target):
    rig = example_rig("16")
    tilted = poses_with([(0.4, 0, 0), (0, 0.45, 0), (-0.35, -0.35, 0), (0.3, -0.4, 0.2)])

    def one_line(view):
        elevation = np.arcsin(view.points[:, 2] / np.linalg.norm(view.points, axis=1))
        return replace(view, points=view.points[np.abs(elevation - np.median(elevation)) < 0.01])

    normalized = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        views = [measure(rig, target, pose, rng) for pose in tilted]
        found = solve([*views[:3], one_line(views[3])], target, rig.camera, rig.noise)
        error = twist_between(found.T_camera_lidar, rig.T_camera_lidar)
        normalized.append(error @ np.linalg.solve(found.covariance, error))
        with pytest.raises(DegenerateViewsError, match="on about one line in 2 of 4 poses: hold it nearer"):
            solve([*views[:2], *map(one_line, views[2:])], target, rig.camera, rig.noise)
    # 4 to 11 for any five of twenty draws, where 6 would be the mean; of one draw in twenty it is more than 22.5.
    assert np.median(normalized) < 22.5


def test_all_residuals_together_are_fitted_by_as_many_as_there_are_unknowns(target):
    rig = example_rig("16")
    views, poses = draw_views(rig, target, 5, np.random.default_rng(8))
    blocks = true_blocks(rig, target, views, poses)
    covariance = checked_inverse(information(blocks, 6))
    nothing = Prior(np.zeros((0, 6)), np.zeros(0), np.full(6, np.inf))
    shares = fitted_shares(blocks, covariance, nothing, dict.fromkeys(ALL_KINDS, 1.0))
    counts = {kind: sum(len(b.values) for view in blocks for b in view if b.kind == kind) for kind in ALL_KINDS}
    assert sum(shares[kind] * counts[kind] for kind in ALL_KINDS) == pytest.approx(6 + 6 * len(views))
    assert all(0 < share < 1 for share in shares.values())


def test_pixel_uncertainty_is_what_samples_of_the_extrinsic_show(target):
    rig = example_rig("32")
    views, poses = draw_views(rig, target, 6, np.random.default_rng(6))
    blocks = true_blocks(rig, target, views, poses)
    covariance = checked_inverse(information(blocks, 6))
    stated = pixel_uncertainty(covariance, rig.camera, 5.0)[1, 1]
    rng = np.random.default_rng(7)
    point = np.array([[0.0, 0.0, 5.0]])
    lidar_point = transform_points(invert(rig.T_camera_lidar), point)
    twists = rng.multivariate_normal(np.zeros(6), covariance, 2000)
    pixels = np.concatenate(
        [rig.camera.image(transform_points(exp_se3(twist) @ rig.T_camera_lidar, lidar_point)) for twist in twists]
    )
    assert stated == pytest.approx(np.sqrt(np.linalg.eigvalsh(np.cov(pixels.T))[1]), rel=0.08)
    assert pixel_uncertainty(covariance, rig.camera, 2.0).shape == (3, 3)


@pytest.mark.parametrize(
    ("index", "words"), [(3, "right axis"), (4, "down axis"), (5, "forward axis"), (2, "rotation")]
)
def test_the_weakest_direction_is_named(index, words):
    covariance = np.diag([1e-8] * 3 + [1e-6] * 3)
    covariance[index, index] = 1e-2
    assert words in weakest_motion(covariance).words


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [PLANE_ONLY, ALL_KINDS])
def test_errors_are_those_of_the_cramer_rao_bound_and_of_the_stated_covariance(target, kinds):
    rig = example_rig("32")
    trials, errors, bounds, normalized = 50, [], [], []
    for seed in range(trials):
        views, poses = draw_views(rig, target, 10, np.random.default_rng(seed))
        solution = solve(views, target, rig.camera, rig.noise, kinds)
        error = twist_between(solution.T_camera_lidar, rig.T_camera_lidar)
        bounds.append(np.linalg.inv(information(true_blocks(rig, target, views, poses, kinds), 6)))
        errors.append(error)
        normalized.append(error @ np.linalg.solve(solution.covariance, error))
    for part in (slice(0, 3), slice(3, 6)):
        rms = np.sqrt(np.mean(np.square(np.array(errors)[:, part]).sum(1)))
        bound = np.sqrt(np.mean([np.trace(b[part, part]) for b in bounds]))
        assert 0.8 < rms / bound < 1.25
    low, high = chi2.ppf([0.001, 0.999], 6 * trials)
    assert low < np.sum(normalized) < high * 1.15  # rims are uniform, not normal
