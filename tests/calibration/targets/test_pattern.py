"""What is printed, against OpenCV's own drawings and detectors."""

import cv2
import numpy as np
import pytest

from splatkit.calibration.targets.board_pdf import write_board
from splatkit.calibration.targets.pattern import make_pattern, marker_dictionary
from splatkit.calibration.targets.target import BoardTarget
from splatkit.errors import SettingsError
from tests.calibration.halls import APRILGRID, CHARUCO, TARGET

PX_M = 2000


def draw(target):
    """The pattern alone as an image, white 255."""
    width, height = (round(length * PX_M) for length in target.pattern_size)
    x, y = np.meshgrid((np.arange(width) + 0.5) / PX_M, (np.arange(height) + 0.5) / PX_M)
    places = np.stack([x.ravel(), y.ravel()], 1) - np.array(target.pattern_size) / 2
    return np.where(make_pattern(target).black_at(places), 0, 255).astype(np.uint8).reshape(height, width)


def test_chessboards_alternate_from_a_black_corner():
    cells = draw(TARGET)[95::190, 95::190]
    np.testing.assert_array_equal(cells == 0, np.add.outer(np.arange(6), np.arange(8)) % 2 == 0)


@pytest.mark.parametrize("rows", [5, 4])
def test_charuco_boards_are_those_of_opencv(rows):
    target = BoardTarget(7, rows, 0.095, 0.85, 0.61, "charuco", marker=0.07, dictionary="5x5_100")
    ours = draw(target)
    board = cv2.aruco.CharucoBoard((8, rows + 1), 0.095, 0.07, marker_dictionary(target))
    theirs = board.generateImage((ours.shape[1], ours.shape[0]), marginSize=0)
    assert ((ours > 127) != (theirs > 127)).mean() < 0.01  # it draws bits in whole pixels


def test_tags_are_numbered_from_the_lower_left_with_squares_between_their_corners():
    image = draw(APRILGRID)
    settings = cv2.aruco.DetectorParameters()
    settings.markerBorderBits = 2
    tags, numbers, _ = cv2.aruco.ArucoDetector(marker_dictionary(APRILGRID), settings).detectMarkers(
        np.pad(image, 50, constant_values=255)
    )
    order = np.argsort(numbers.ravel())
    centers = np.concatenate(tags).mean(1)[order]
    assert sorted(numbers.ravel().tolist()) == list(range(24))
    x, y = (centers - centers[0]).T / (0.13 * PX_M)
    np.testing.assert_allclose(x, np.tile(np.arange(6), 4), atol=0.02)
    np.testing.assert_allclose(y, -np.repeat(np.arange(4), 6), atol=0.02)
    assert (image[:55, :55] == 0).all()
    assert (image[:55, 65:255] == 255).all()


@pytest.mark.parametrize(
    ("dictionary", "message"),
    [
        ("9x9_50", "no markers called '9x9_50'; expected one of .*5x5_100"),
        ("4x4_50", "needs 84 markers, 4x4_50 has 50"),
    ],
)
def test_markers_that_are_not_there_are_refused(dictionary, message):
    target = BoardTarget(13, 11, 0.05, 1, 1, "charuco", marker=0.04, dictionary=dictionary)
    with pytest.raises(SettingsError, match=message):
        marker_dictionary(target)


@pytest.mark.parametrize("target", [TARGET, CHARUCO, APRILGRID], ids=lambda target: target.kind)
def test_a_page_is_as_large_as_the_plate(tmp_path, target):
    write_board(tmp_path / "board.pdf", target)
    content = (tmp_path / "board.pdf").read_bytes()
    box = content.split(b"/MediaBox [")[1].split(b"]")[0].split()
    np.testing.assert_allclose(np.array(box[2:], float) / 72 * 0.0254, (0.85, 0.61), rtol=1e-4)
