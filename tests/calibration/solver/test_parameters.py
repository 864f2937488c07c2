"""What is estimated beside the extrinsic: derivatives, gauges, priors."""

import numpy as np
import pytest

from splatkit.calibration.solver.parameters import Freedom, Parameters, make_prior, range_basis, range_weights
from splatkit.calibration.solver.solve import ALL_KINDS, make_problem, solve
from splatkit.calibration.views import BoardView
from splatkit.geometry.se3 import invert
from tests.calibration.halls import TARGET


@pytest.fixture(scope="module")
def views(hall):
    out = []
    for frame, pose in zip(hall.frames[:6], hall.T_camera_board[:6], strict=True):
        center = (invert(hall.rig.T_camera_lidar) @ pose)[:3, 3]
        board = min(frame.candidates, key=lambda found: np.linalg.norm(found.T_lidar_board[:3, 3] - center))
        index = board.indices
        out.append(
            BoardView(
                frame.corners,
                board.points,
                board.rim,
                board.rim_steps,
                frame.scan.ring[index],
                frame.scan.intensity[index],
            )
        )
    return out


@pytest.fixture(scope="module")
def problem(hall, views):
    return make_problem(views, TARGET, (hall.rig.camera,), hall.rig.noise, Freedom(True, True, True))


def guess_of(hall, problem):
    boards = invert(hall.rig.T_camera_lidar) @ hall.T_camera_board[: len(problem.views)]
    bias = np.linspace(-0.01, 0.01, problem.layout.bias_count)
    return Parameters(hall.rig.T_camera_lidar[None], boards, problem.cameras, bias)


def test_derivatives_to_all_shared_unknowns(hall, problem):
    guess, layout = guess_of(hall, problem), problem.layout
    still = np.zeros((len(problem.views), 6))
    blocks = problem.blocks(guess, ALL_KINDS)
    for column in range(layout.size):
        step = np.zeros(layout.size)
        step[column] = 1e-4 if column in range(6, 10) else 1e-6
        ends = [problem.blocks(guess.moved(sign * step, still, layout), ALL_KINDS) for sign in (1, -1)]
        for view, after, before in zip(blocks, *ends, strict=True):
            for block, plus, minus in zip(view, after, before, strict=True):
                difference = (plus.values - minus.values) / (2 * step[column])
                dense = np.zeros((len(block.values), layout.size))
                dense[:, block.shared] = block.to_shared
                scale = np.abs(dense[:, column]).max() + 1
                np.testing.assert_allclose(dense[:, column], difference, atol=2e-3 * scale)


def test_every_return_has_one_ring_and_one_place_on_the_curve(problem):
    rings = len(problem.basis.rings)
    for weights in problem.basis.weights:
        np.testing.assert_allclose(weights[:, :rings].sum(1), 1)
        np.testing.assert_allclose(weights[:, rings:].sum(1), 1)
    assert problem.basis.shares[:rings].sum() == pytest.approx(1)


def test_rings_that_were_never_seen_stay_uncorrected(problem, views):
    strange = BoardView(views[0].corners, views[0].points, ring=np.full(len(views[0].points), 999))
    weights = range_weights(problem.basis.rings, np.zeros(0), strange)
    assert not weights.any()


def test_scans_without_rings_or_intensities_free_nothing(views):
    bare = [BoardView(view.corners, view.points) for view in views]
    basis = range_basis(bare, Freedom(rings=True, intensity=True))
    assert len(basis.shares) == 0


def test_an_offset_of_all_ranges_is_known_to_three_millimeters(hall, problem):
    prior = make_prior(problem.cameras, problem.basis, problem.layout, guess_of(hall, problem))
    shift = np.zeros(problem.layout.size)
    shift[problem.layout.biases.start : problem.layout.biases.start + len(problem.basis.rings)] = 0.003
    assert np.abs(prior.rows @ shift).max() == pytest.approx(1.0)


def test_nothing_freed_is_the_plain_solution(hall, views):
    plain = solve(views, TARGET, hall.rig.camera, hall.rig.noise)
    assert plain.layout.size == 6
    freed = solve(views, TARGET, hall.rig.camera, hall.rig.noise, freedom=Freedom(rings=True))
    assert freed.layout.size == 6 + len(freed.basis.rings)
    assert freed.chi["plane"] < plain.chi["plane"]
