"""From frames to a calibration, and the reasons why there is none."""

from dataclasses import replace

import numpy as np
import pytest

from splatkit.calibration.calibrate import calibrate_frames
from splatkit.calibration.solver.closed_form import DegenerateViewsError
from splatkit.calibration.solver.parameters import Freedom
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.se3 import twist_between
from tests.calibration.halls import TARGET, hall_frames


@pytest.fixture(scope="module")
def done(hall):
    return calibrate_frames(hall.frames, TARGET, (hall.rig.camera,))


def test_the_truth_is_found_within_what_is_stated(hall, done):
    twist = twist_between(done.solution.T_camera_lidar, hall.rig.T_camera_lidar)
    assert np.degrees(np.linalg.norm(twist[:3])) < 0.1
    assert np.linalg.norm(twist[3:]) < 0.006
    normalized = twist @ np.linalg.solve(done.covariance(), twist)
    assert normalized < 22.5  # chi-square of six, 99.9 %
    assert sum(not verdict.left_out for verdict in done.verdicts) >= 7  # 9 to 12 of 12 over five halls


def test_range_errors_of_lasers_are_found(hall, done):
    assert done.selection.freedom.rings
    assert not done.selection.freedom.intrinsics  # those supplied are exact
    assert "not explained better" in done.selection.reasons["intrinsics"]
    basis, bias = done.solution.basis, done.solution.guess.range_bias
    often = basis.shares[: len(basis.rings)] > 0.02
    found, truth = bias[: len(basis.rings)][often], hall.ring_bias[basis.rings[often]]
    shares = basis.shares[: len(basis.rings)][often]
    truth = truth - (truth * shares).sum() / shares.sum()  # an offset of all is the extrinsic's
    assert np.corrcoef(found, truth)[0, 1] > 0.85


def test_views_left_out_are_judged(done):
    judged = [view[0] for view in done.leave_one_out.held_out if view]
    assert np.median([item.center_m for item in judged]) < 0.01
    assert np.sqrt(np.mean([item.plane_m**2 for item in judged])) < 0.005
    assert len(done.halves)


def test_the_same_frames_give_the_same_bits(hall):
    few = [calibrate_frames(hall.frames[:5], TARGET, (hall.rig.camera,)).solution for _ in range(2)]
    np.testing.assert_array_equal(few[0].T_camera_lidar, few[1].T_camera_lidar)


def changed(hall, **parts):
    return [replace(frame, **{name: value(frame) for name, value in parts.items()}) for frame in hall.frames]


def test_too_few_boards_are_refused_by_name(hall):
    frames = changed(hall, corners=lambda frame: (None,))
    with pytest.raises(CalibrationRefusedError, match=r"0 of 12 frames .*no pattern in the image of pose00, pose01"):
        calibrate_frames(frames, TARGET, (hall.rig.camera,))
    frames = changed(hall, candidates=lambda frame: [])
    with pytest.raises(CalibrationRefusedError, match="no board in the scan of pose00"):
        calibrate_frames(frames, TARGET, (hall.rig.camera,))


def test_scans_of_other_moments_are_refused(hall):
    scans = [(frame.candidates, frame.scan) for frame in hall.frames]
    order = np.random.default_rng(0).permutation(len(scans))
    frames = [
        replace(frame, candidates=scans[k][0], scan=scans[k][1]) for frame, k in zip(hall.frames, order, strict=True)
    ]
    with pytest.raises(CalibrationRefusedError, match="taken at the same times"):
        calibrate_frames(frames, TARGET, (hall.rig.camera,))


def test_scans_that_are_one_frame_late_are_recognized(hall):
    frames = [
        replace(frame, candidates=hall.frames[k - 1].candidates, scan=hall.frames[k - 1].scan)
        for k, frame in enumerate(hall.frames)
    ]
    with pytest.raises(CalibrationRefusedError, match="scans look one frame"):
        calibrate_frames(frames, TARGET, (hall.rig.camera,))


@pytest.mark.parametrize(
    ("stated", "message"), [(0.095 * 1.6, "squares look 9. mm wide, not 152 mm"), (0.1, "not 100.0 mm")]
)
def test_squares_of_another_size_are_refused(hall, stated, message):
    wrong = replace(TARGET, square=stated, width=max(TARGET.width, 6 * stated), height=max(TARGET.height, 4 * stated))
    with pytest.raises(CalibrationRefusedError, match=message):
        calibrate_frames(hall.frames, wrong, (hall.rig.camera,))


def test_a_plate_of_another_size_is_refused(hall):
    wrong = replace(TARGET, width=0.93, height=0.69)
    with pytest.raises(CalibrationRefusedError, match=r"the plate looks 0\.8[45]. x 0\.61. m in the scans, not 0\.930"):
        calibrate_frames(hall.frames, wrong, (hall.rig.camera,))


def test_mirrored_images_are_recognized(hall):
    def mirror(frame):
        grid = (np.array([hall.rig.camera.width - 1, 0]) + frame.corners[0] * [-1, 1]).reshape(5, 7, 2)
        return (grid[:, ::-1].reshape(-1, 2),)

    with pytest.raises(CalibrationRefusedError, match="mirrored"):
        calibrate_frames(changed(hall, corners=mirror), TARGET, (hall.rig.camera,))


def test_parallel_boards_are_refused(hall):
    normals = hall.T_camera_board[:, :3, 2]
    similar = np.argsort(-normals @ normals[0])[:3]
    with pytest.raises((DegenerateViewsError, CalibrationRefusedError)):
        calibrate_frames([hall.frames[k] for k in similar[:2]], TARGET, (hall.rig.camera,))


def test_a_spoiled_frame_is_left_out_and_named(hall, done):
    used = {verdict.name for verdict in done.verdicts if not verdict.left_out}
    spoiled = next(index for index, frame in enumerate(hall.frames) if frame.name in used)
    frames = list(hall.frames)
    bent = frames[spoiled].corners[0] + np.random.default_rng(0).normal(0, 3, (35, 2))
    frames[spoiled] = replace(frames[spoiled], corners=(bent,))
    verdicts = {item.name: item.left_out for item in calibrate_frames(frames, TARGET, (hall.rig.camera,)).verdicts}
    assert verdicts[frames[spoiled].name] == "its corners do not fit a flat board"


@pytest.mark.slow
def test_wrong_intrinsics_are_mended_where_views_are_many():
    hall = hall_frames("32", 24, seed=6)
    K = hall.rig.camera.K.copy()
    K[1, 2] += 12
    K[[0, 1], [0, 1]] *= 1.01
    wrong = replace(hall.rig.camera, fx=K[0, 0], fy=K[1, 1], cx=K[0, 2], cy=K[1, 2])
    done = calibrate_frames(hall.frames, TARGET, (wrong,))
    assert done.selection.freedom.intrinsics
    found = done.solution.guess.cameras[0]
    np.testing.assert_allclose(found.parameters[:4], hall.rig.camera.parameters[:4], atol=4)
    twist = twist_between(done.solution.T_camera_lidar, hall.rig.T_camera_lidar)
    assert np.degrees(np.linalg.norm(twist[:3])) < 0.25
    assert twist @ np.linalg.solve(done.covariance(), twist) < 22.5  # chi-square of six, 99.9 %
    kept = calibrate_frames(hall.frames, TARGET, (hall.rig.camera,))
    assert kept.selection.freedom in (Freedom(False, True, True), Freedom(False, True, False))


@pytest.mark.slow
@pytest.mark.parametrize("count", [10, 20])
def test_intrinsics_are_found_from_the_boards_and_what_they_leave_open_is_stated(count):
    hall = hall_frames("32", count, seed=4)
    done = calibrate_frames(hall.frames, TARGET, None, "fisheye")
    assert (done.intrinsics_rms_px or 1.0) < 0.3
    assert done.selection.freedom.intrinsics
    twist = twist_between(done.solution.T_camera_lidar, hall.rig.T_camera_lidar)
    assert np.degrees(np.linalg.norm(twist[:3])) < 0.3
    assert np.linalg.norm(twist[3:]) < 0.015
    assert twist @ np.linalg.solve(done.covariance(), twist) < 22.5  # chi-square of six, 99.9 %


def test_two_cameras_share_one_problem(hall):
    second = replace(hall.rig.camera)
    frames = [
        replace(frame, corners=(frame.corners[0], frame.corners[0] if k % 3 else None), sizes=frame.sizes * 2)
        for k, frame in enumerate(hall.frames)
    ]
    done = calibrate_frames(frames, TARGET, (hall.rig.camera, second))
    assert done.solution.guess.T_camera_lidar.shape == (2, 4, 4)
    twist = twist_between(done.solution.guess.T_camera_lidar[1], hall.rig.T_camera_lidar)
    assert np.degrees(np.linalg.norm(twist[:3])) < 0.1


def test_boards_seen_in_part_are_as_good_as_what_is_seen(hall):
    def hide(frame):
        corners = frame.corners[0].copy()
        corners[: 7 * (int(frame.name[-2:]) % 4)] = np.nan
        return (corners,)

    done = calibrate_frames(changed(hall, corners=hide), TARGET, (hall.rig.camera,))
    assert sum(not verdict.left_out for verdict in done.verdicts) >= 7  # 9 to 12 of 12 over five halls
    twist = twist_between(done.solution.T_camera_lidar, hall.rig.T_camera_lidar)
    assert twist @ np.linalg.solve(done.covariance(), twist) < 22.5
    assert np.degrees(np.linalg.norm(twist[:3])) < 0.15
