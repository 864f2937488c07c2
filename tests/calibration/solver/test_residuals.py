"""Residuals: zero at the truth, distributed as they claim, and with the right derivatives."""

from dataclasses import replace

import numpy as np
import pytest

from splatkit.calibration.quality.simulation import draw_views, example_rig
from splatkit.calibration.solver.parameters import Parameters
from splatkit.calibration.solver.solve import ALL_KINDS, make_problem
from splatkit.calibration.views import SensorNoise
from splatkit.geometry.se3 import exp_se3, invert


@pytest.fixture
def rig():
    return example_rig("32")


def blocks_of(rig, target, view, pose, extrinsic_twist=None, board_twist=None):
    zero = np.zeros(6)
    problem = make_problem([view], target, (rig.camera,), rig.noise)
    guess = Parameters(
        (exp_se3(zero if extrinsic_twist is None else extrinsic_twist) @ rig.T_camera_lidar)[None],
        (exp_se3(zero if board_twist is None else board_twist) @ invert(rig.T_camera_lidar) @ pose)[None],
        (rig.camera,),
        np.zeros(0),
    )
    return {block.kind: block for block in problem.blocks(guess, ALL_KINDS)[0]}


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_derivatives_are_those_of_the_values(rig, target, kind):
    (view,), (pose,) = draw_views(rig, target, 1, np.random.default_rng(3))
    # Derivatives hold the step from ray to ray as it is; here it is 0, so that the values do too.
    view = replace(view, rim_steps=np.zeros_like(view.rim_steps))
    block = blocks_of(rig, target, view, pose)[kind]
    to_extrinsic = np.zeros((len(block.values), 6))
    to_extrinsic[:, block.shared] = block.to_shared
    for axis in range(6):
        step = np.zeros(6)
        step[axis] = 1e-6
        for derivatives, changed in ((to_extrinsic, "extrinsic_twist"), (block.to_board, "board_twist")):
            ends = [blocks_of(rig, target, view, pose, **{changed: sign * step})[kind].values for sign in (1, -1)]
            difference = (ends[0] - ends[1]) / 2e-6
            scale = np.abs(derivatives).max() + 1
            np.testing.assert_allclose(
                derivatives[:, axis], difference, atol=1e-7 * scale
            )  # 1e-9 at most over twelve draws


def test_the_lidar_sees_nothing_of_the_camera_but_through_the_board(rig, target):
    (view,), (pose,) = draw_views(rig, target, 1, np.random.default_rng(4))
    twist = np.array([0.1, -0.2, 0.05, 0.3, -0.1, 0.2])
    before, after = blocks_of(rig, target, view, pose), blocks_of(rig, target, view, pose, twist)
    for kind in ("plane", "rim"):
        np.testing.assert_array_equal(after[kind].values, before[kind].values)


def test_residuals_at_the_truth_have_the_spread_they_claim(rig, target):
    views, poses = draw_views(rig, target, 40, np.random.default_rng(5))
    for kind in ALL_KINDS:
        blocks = (blocks_of(rig, target, view, pose) for view, pose in zip(views, poses, strict=True))
        values = np.concatenate([found[kind].values for found in blocks if kind in found])
        assert abs(values.mean()) < 4 / np.sqrt(len(values)) + 0.05
        assert 0.85 < values.std() < 1.1


def test_exact_measurements_leave_nothing(target):
    rig = example_rig("64", SensorNoise(corner_px=1e-9, range_m=1e-9, outline_m=1e-3))
    (view,), (pose,) = draw_views(rig, target, 1, np.random.default_rng(6))
    blocks = blocks_of(rig, target, view, pose)
    assert np.abs(blocks["plane"].values).max() * 1e-9 < 1e-7
    assert np.abs(blocks["corners"].values).max() * 1e-9 < 1e-7
    inside = np.abs(blocks["rim"].values) < np.sqrt(3) + 1e-6  # a uniform share of the step
    assert inside.mean() > 0.9  # near a corner of the plate the other edge may have ended the line
