"""Votes find the one extrinsic that frames share."""

import numpy as np

from splatkit.calibration.detection.association import associate
from splatkit.geometry.se3 import invert, twist_between
from tests.calibration.halls import TARGET


def test_the_board_is_told_from_what_stands_in_the_hall(hall):
    answer = associate([frame.candidates for frame in hall.frames], hall.T_camera_board, TARGET)
    assert answer is not None
    twist = twist_between(answer.T_camera_lidar, hall.rig.T_camera_lidar)
    # A first guess: off by 0.16 to 2.1 deg and 0.007 to 0.072 m over six halls.
    assert np.degrees(np.linalg.norm(twist[:3])) < 5
    assert np.linalg.norm(twist[3:]) < 0.2
    for frame, pose, chosen in zip(hall.frames, hall.T_camera_board, answer.chosen, strict=True):
        center = (invert(hall.rig.T_camera_lidar) @ pose)[:3, 3]
        away = [np.linalg.norm(board.T_lidar_board[:3, 3] - center) for board in frame.candidates]
        assert chosen == np.argmin(away) or min(away) > 0.03  # m
    assert answer.runner_up < 0.5 * answer.votes  # 0.09 to 0.16 of them
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
