"""Votes find the one extrinsic that frames share."""

import numpy as np

from splatkit.calibration.detection.association import associate
from splatkit.geometry.se3 import twist_between
from tests.calibration.halls import TARGET


def test_the_board_is_told_from_what_stands_in_the_hall(hall):
    answer = associate([frame.candidates for frame in hall.frames], hall.T_camera_board, TARGET)
    assert answer is not None
    twist = twist_between(answer.T_camera_lidar, hall.rig.T_camera_lidar)
    assert np.degrees(np.linalg.norm(twist[:3])) < 1
    assert np.linalg.norm(twist[3:]) < 0.03
    assert answer.votes > 0.85 * len(hall.frames)
    assert answer.runner_up < 0.5 * answer.votes
    assert any(answer.turned)
    assert not all(answer.turned)


def test_frames_in_another_order_do_not_agree(hall):
    answer = associate([frame.candidates for frame in hall.frames], np.roll(hall.T_camera_board, 3, axis=0), TARGET)
    assert answer is not None
    assert answer.votes < 0.5 * len(hall.frames)


def test_no_candidates_no_answer(hall):
    assert associate([[] for _ in hall.frames], hall.T_camera_board, TARGET) is None


def test_a_frame_without_the_board_has_no_choice(hall):
    candidates = [list(frame.candidates) for frame in hall.frames]
    candidates[2] = []
    answer = associate(candidates, hall.T_camera_board, TARGET)
    assert answer is not None
    assert answer.chosen[2] is None
    assert not answer.turned[2]
