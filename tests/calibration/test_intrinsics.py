"""Intrinsics from boards."""

import numpy as np
import pytest

from splatkit.calibration.intrinsics import calibrate_intrinsics
from splatkit.errors import CalibrationRefusedError
from tests.calibration.halls import TARGET


def test_intrinsics_follow_from_the_boards(hall):
    corners = [frame.corners[0] for frame in hall.frames]
    camera, rms = calibrate_intrinsics(corners, TARGET, (1920, 1208), "fisheye")
    assert rms < 0.3  # 0.19 to 0.21 px over five halls; parameters are off by 0.3 to 1.5 %
    np.testing.assert_allclose(camera.parameters[:4], hall.rig.camera.parameters[:4], rtol=0.03)


def test_boards_seen_in_part_give_intrinsics_too(hall):
    corners = [frame.corners[0].copy() for frame in hall.frames]
    for index, seen in enumerate(corners):
        seen[: 7 * (index % 3)] = np.nan
    for model in ("fisheye", "pinhole"):
        camera, rms = calibrate_intrinsics(corners, TARGET, (1920, 1208), model)
        assert rms < 0.6
        np.testing.assert_allclose(camera.parameters[:2], hall.rig.camera.parameters[:2], rtol=0.05)


def test_too_few_boards_are_refused(hall):
    corners = [frame.corners[0] for frame in hall.frames[:5]]
    with pytest.raises(CalibrationRefusedError, match="at least 6 images of the board, got 5"):
        calibrate_intrinsics(corners, TARGET, (1920, 1208), "pinhole")
