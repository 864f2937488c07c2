"""Boards in scans of the generated hall, where a panel, a cupboard and a table stand too."""

import numpy as np
import pytest

from splatkit.calibration.detection.beams import LidarScan
from splatkit.calibration.detection.extraction import MAX_CANDIDATES, find_boards
from splatkit.geometry.se3 import invert
from tests.calibration.halls import TARGET, hall_frames


def errors(hall):
    """Of the nearest candidate's center, m, the angle between normals, deg, and the board's range, m; by frame."""
    out = []
    for frame, pose in zip(hall.frames, hall.T_camera_board, strict=True):
        truth = invert(hall.rig.T_camera_lidar) @ pose
        boards = [board.T_lidar_board for board in frame.candidates]
        best = min(boards, key=lambda board: np.linalg.norm(board[:3, 3] - truth[:3, 3]), default=np.full((4, 4), 99.0))
        angle = np.degrees(np.arccos(np.clip(abs(best[:3, 2] @ truth[:3, 2]), 0, 1)))
        out.append((np.linalg.norm(best[:3, 3] - truth[:3, 3]), angle, np.linalg.norm(truth[:3, 3])))
    return np.array(out)


def test_the_board_is_among_the_candidates(hall):
    distance, angle, far = errors(hall).T
    # 0.002 to 0.038 m over eight halls; a board farther away meets too few scan lines in some of them
    assert distance[far < 4].max() < 0.08
    assert np.median(distance) < 0.015  # 0.003 to 0.009 m
    assert np.median(angle) < 2.5  # 0.4 to 1.5 deg
    assert all(len(frame.candidates) <= MAX_CANDIDATES for frame in hall.frames)


@pytest.mark.slow
@pytest.mark.parametrize("lidar", ["16", "64", "solid"])
def test_the_board_is_found_by_every_kind_of_lidar(lidar):
    distance, angle, _ = errors(hall_frames(lidar, 8, seed=1)).T
    assert (distance < 0.08).sum() >= 5  # 6 to 8 of 8 over three halls each
    assert np.median(distance) < 0.015  # 0.004 to 0.007 m
    assert np.median(angle) < 2.5  # 0.3 to 1.0 deg


def test_lines_are_found_without_their_numbers(hall):
    frame = hall.frames[0]
    with_rings = frame.candidates[0]
    found = find_boards(LidarScan(frame.scan.points, None, None), TARGET)
    nearest = min(found, key=lambda b: np.linalg.norm(b.T_lidar_board[:3, 3] - with_rings.T_lidar_board[:3, 3]))
    np.testing.assert_allclose(nearest.T_lidar_board[:3, 3], with_rings.T_lidar_board[:3, 3], atol=0.01)
    assert len(nearest.rim) >= 0.8 * len(with_rings.rim)


def test_rims_lie_inside_the_outline_by_less_than_a_step(hall):
    found = []
    for frame, pose in zip(hall.frames, hall.T_camera_board, strict=True):
        truth = invert(hall.rig.T_camera_lidar) @ pose
        for board in frame.candidates:
            if np.linalg.norm(board.T_lidar_board[:3, 3] - truth[:3, 3]) > 0.02:
                continue
            rays = board.rim / np.linalg.norm(board.rim, axis=1, keepdims=True)
            hits = (truth[:3, 3] @ truth[:3, 2] / (rays @ truth[:3, 2]))[:, None] * rays
            found.append((np.abs((hits - truth[:3, 3]) @ truth[:3, :2]) - [TARGET.width / 2, TARGET.height / 2]).max(1))
    beyond = np.concatenate(found)
    assert np.quantile(beyond, 0.95) < 0.002  # at most 0 over four halls
    assert np.quantile(beyond, 0.05) > -0.03  # -0.014 to -0.010


def test_an_empty_hall_has_no_board_of_another_size(hall):
    small = type(TARGET)(7, 5, 0.02, 0.2, 0.15)
    assert len(find_boards(hall.frames[0].scan, small)) <= 2
