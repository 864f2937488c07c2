"""Deviations by how views differ: those of noise where there is nothing else, more where views share an error."""

from dataclasses import replace

import numpy as np
import pytest

from splatkit.calibration.quality.jackknife import observed_covariance
from splatkit.calibration.quality.simulation import draw_views, example_rig
from splatkit.calibration.solver.solve import solve
from splatkit.geometry.se3 import exp_se3, twist_between
from tests.calibration.halls import TARGET


def _stretched(corners, by):
    return corners + by * (corners - 900) ** 3


def normalized_errors(stretch, count=12, trials=5):
    """Squared errors over the stated and over the observed covariance, of rigs whose images are stretched."""
    rig = example_rig("32")
    stated, observed = [], []
    for seed in range(trials):
        views, _ = draw_views(rig, TARGET, count, np.random.default_rng(seed))
        views = [replace(view, corners=tuple(_stretched(seen, stretch) for seen in view.corners)) for view in views]
        solution = solve(views, TARGET, rig.camera, rig.noise)
        others = [
            solve(views[:index] + views[index + 1 :], TARGET, rig.camera, rig.noise) for index in range(len(views))
        ]
        error = twist_between(solution.T_camera_lidar, rig.T_camera_lidar)
        covariance = observed_covariance(solution, others, 0)
        assert np.linalg.eigvalsh(covariance - solution.covariance)[0] > -1e-9 * np.trace(covariance)
        stated.append(error @ np.linalg.solve(solution.covariance, error))
        observed.append(error @ np.linalg.solve(covariance, error))
    return np.mean(stated), np.mean(observed)


def test_noise_alone_stays_as_it_is():
    stated, observed = normalized_errors(0.0)
    assert 0.5 * stated < observed <= stated  # 0.69 to 0.85 of it over five times five draws


def test_a_wrong_lens_is_seen_in_how_views_differ():
    stated, observed = normalized_errors(2e-8)  # 10 px at 900 px from the middle
    assert stated > 60  # six would be right
    assert observed < 0.35 * stated  # 0.05 to 0.16


def test_few_solutions_tell_nothing_or_no_directions():
    rig = example_rig("32")
    views, _ = draw_views(rig, TARGET, 5, np.random.default_rng(1))
    solution = solve(views, TARGET, rig.camera, rig.noise)
    np.testing.assert_array_equal(observed_covariance(solution, [], 0), solution.covariance)
    others = [solve(views[:index] + views[index + 1 :], TARGET, rig.camera, rig.noise) for index in range(5)]
    covariance = observed_covariance(solution, others, 0)
    ratio = covariance / solution.covariance
    np.testing.assert_allclose(ratio, ratio[0, 0])


@pytest.mark.parametrize("count", [10, 20])
def test_few_views_that_differ_unlike_in_all_directions_state_their_errors(count):
    """Squared errors of six over the covariance, of means of views whose spreads are those of a real rig's."""
    rig = example_rig("32")
    views, _ = draw_views(rig, TARGET, 4, np.random.default_rng(1))
    solution = solve(views, TARGET, rig.camera, rig.noise)
    solution = replace(solution, joint_covariances=(1e-12 * np.eye(6),))
    deviations = 1e-6 * np.sqrt(count * np.array([1, 2, 4, 9, 15, 150]))
    rng, squares = np.random.default_rng(0), []
    for _ in range(300):
        draws = rng.normal(size=(count, 6)) * deviations
        error = draws.mean(0)
        others = [
            replace(
                solution,
                guess=replace(solution.guess, T_camera_lidar=exp_se3(change) @ solution.guess.T_camera_lidar),
            )
            for change in (error - draws) / (count - 1)
        ]
        squares.append(error @ np.linalg.solve(observed_covariance(solution, others, 0), error))
    assert 5 < np.mean(squares) < 8  # 5.7 to 7.2 over six seeds
