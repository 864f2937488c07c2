"""Where in an image a calibration holds, and that one that holds next to nowhere is refused."""

import numpy as np
import pytest

from splatkit.calibration.calibrate import calibrate_frames
from splatkit.calibration.detection.beams import LidarScan
from splatkit.calibration.detection.extraction import BoardCandidate
from splatkit.calibration.frames import Frame
from splatkit.calibration.quality.observability import CertainPart, certain_part, pixel_uncertainty
from splatkit.calibration.quality.refusals import check_certainty
from splatkit.calibration.quality.simulation import draw_views, example_rig
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import invert

PINHOLE = Camera("pinhole", 1000, 800, 900.0, 900.0, 500.0, 400.0)


def covariance(rotation_deg=0.0, fx_px=0.0):
    """[10, 10] of a twist and of fx, fy, cx, cy."""
    return np.diag(np.square([np.deg2rad(rotation_deg)] * 3 + [0.001] * 3 + [fx_px, 0.1, 0.1, 0.1]))


def test_a_good_calibration_holds_everywhere_and_goes_without_saying():
    part = certain_part(covariance(0.1), PINHOLE)
    assert part == CertainPart(20.0, 1.0, (0, 0, 1000, 800))
    assert check_certainty([part]) == []


def test_an_uncertain_focal_length_leaves_the_middle():
    """What lies x px from the middle is off by x / fx of what fx is off."""
    part = certain_part(covariance(0.01, fx_px=90.0), PINHOLE)
    reach = 900 * 20 / 90  # px from the middle: the limit is 20 px
    assert part.box[0] == pytest.approx(500 - reach, abs=50)
    assert part.box[2] == pytest.approx(500 + reach, abs=50)
    assert part.share == pytest.approx(2 * reach / 1000, abs=0.06)
    (said,) = check_certainty([part])
    assert f"holds in {100 * part.share:.0f} % of image 0 (within x {part.box[0]} to {part.box[2]}, y 0 to 800)" in said


def test_what_holds_next_to_nowhere_is_refused():
    part = certain_part(covariance(5.0), PINHOLE)
    assert part.share == 0
    with pytest.raises(
        CalibrationRefusedError, match=r"drawn more than 20 px off .* in 100 % of image 1.*--intrinsics"
    ):
        check_certainty([certain_part(covariance(0.1), PINHOLE), part])


def test_uncertainty_is_infinite_where_the_lens_has_no_ray():
    folding = Camera("kannala_brandt", 1000, 800, 250.0, 250.0, 500.0, 400.0, (-0.2, 0.0, 0.0, 0.0))
    found = pixel_uncertainty(np.eye(6) * 1e-6, folding, 5.0)
    assert np.isinf(found[[0, 0, 2, 2], [0, 2, 0, 2]]).all()
    assert np.isfinite(found[1, 1])


@pytest.mark.parametrize("seed", [0, 1])
def test_boards_held_in_the_middle_alone_say_so(target, seed):
    """Within a fifth of the image on each side of the middle, no intrinsics given: holds in 92 and 74 %."""
    rig, rng, frames = example_rig("32"), np.random.default_rng(seed), list[Frame]()
    size = np.array([rig.camera.width, rig.camera.height])
    while len(frames) < 8:
        (view,), (T,) = draw_views(rig, target, 1, rng)
        if (np.abs(np.asarray(view.corners).reshape(-1, 2) - size / 2) < 0.2 * size).all():
            T_lidar_board, every = invert(rig.T_camera_lidar) @ T, np.arange(len(view.points))
            board = BoardCandidate(T_lidar_board, view.points, every, view.rim, view.rim_steps, 1.0, rig.noise.range_m)
            name = f"pose{len(frames)}"
            frames.append(Frame(name, view.corners, (tuple(size.tolist()),), [board], LidarScan(view.points)))
    found = calibrate_frames(frames, target, None, "fisheye")
    share = certain_part(found.joint_covariances[0], found.solution.guess.cameras[0]).share
    assert 0.5 < share < 0.99
    assert any(f"the calibration holds in {100 * share:.0f} % of image 0" in words for words in found.warnings)
