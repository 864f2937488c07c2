"""Intrinsics of CameraInfo belong to the photographs: by their region, binning, and whether they are rectified."""

from types import SimpleNamespace

import numpy as np

from splatkit.io.recordings.camera_info import intrinsics_of

K = [500.0, 0.0, 319.5, 0.0, 510.0, 239.5, 0.0, 0.0, 1.0]


def info(roi=(0, 0, 0, 0), binning=0, **names):
    region = SimpleNamespace(x_offset=roi[0], y_offset=roi[1], width=roi[2], height=roi[3])
    fields = names or {"K": K, "D": [0.1] * 5, "P": [450.0, 0, 300, 0, 0, 450, 200, 0, 0, 0, 1, 0]}
    return SimpleNamespace(
        width=640, height=480, distortion_model="plumb_bob", binning_x=binning, binning_y=binning, roi=region, **fields
    )


def test_both_spellings_are_read():
    for names in ({"K": K, "D": [0.1] * 5, "P": [0] * 12}, {"k": K, "d": [0.1] * 5, "p": [0] * 12}):
        found = intrinsics_of(info(**names), (640, 480), is_rectified=False)
        assert found == {"width": 640, "height": 480, "distortion_model": "plumb_bob", "K": K, "D": [0.1] * 5}


def test_rectified_photographs_have_the_projection_and_no_distortion():
    found = intrinsics_of(info(), (640, 480), is_rectified=True)
    assert isinstance(found, dict)
    assert (found["K"], found["D"]) == ([450, 0, 300, 0, 450, 200, 0, 0, 1], [])


def test_a_region_and_binning_see_a_ray_where_their_pixels_are():
    """A ray's pixel in the full image, then in the region, then among the binned ones; centers are at integers."""
    found = intrinsics_of(info(roi=(40, 20, 400, 300), binning=2), (200, 150), is_rectified=False)
    assert isinstance(found, dict)
    ray = np.array([0.1, -0.05, 1.0])
    full = np.array(K).reshape(3, 3) @ ray
    binned = (full[:2] - (40, 20) + 0.5) / 2 - 0.5
    np.testing.assert_allclose((np.array(found["K"]).reshape(3, 3) @ ray)[:2], binned)


def test_another_size_or_no_calibration_says_so():
    assert intrinsics_of(info(), (320, 240), False) == "is of 640x480 px, the photographs have 320x240 px"
    nothing = info(K=[0.0] * 9, D=[], P=[0.0] * 12)
    assert intrinsics_of(nothing, (640, 480), False) == "says that the camera is not calibrated"
