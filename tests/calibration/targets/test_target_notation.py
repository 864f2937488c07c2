"""Boards as people write them."""

import pytest

from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.targets.target_notation import parse_target
from splatkit.errors import DatasetError, SettingsError

APRILGRID = BoardTarget(12, 8, 0.08, 0.648, 0.44, "aprilgrid", gap=0.024, dictionary="36h11")


def same(one, other):
    assert {name: value if isinstance(value, str) else pytest.approx(value) for name, value in vars(other).items()} == (
        vars(one)
    )


@pytest.mark.parametrize("text", ["7x5:0.095", "chessboard:7x5:.095"])
def test_chessboards_count_inner_corners(text):
    same(parse_target(text, "0.85x0.61"), BoardTarget(7, 5, 0.095, 0.85, 0.61))
    same(parse_target(text, None), BoardTarget(7, 5, 0.095, 0.76, 0.57))


def test_charuco_boards_count_squares():
    board = BoardTarget(7, 5, 0.095, 0.76, 0.57, "charuco", marker=0.07, dictionary="5x5_100")
    same(parse_target("charuco:8x6:0.095:0.07", None), board)
    assert parse_target("charuco:8x6:0.095:0.07:6X6_250", None).dictionary == "6x6_250"


def test_aprilgrids_count_tags():
    same(parse_target("aprilgrid:6x4:0.08:0.3", None), APRILGRID)


def test_files_of_kalibr_are_read(tmp_path):
    path = tmp_path / "target.yaml"
    path.write_text("target_type: 'aprilgrid' #gridtype\ntagCols: 6\ntagRows: 4\ntagSize: 0.08\ntagSpacing: 0.3\n")
    same(parse_target(str(path), None), APRILGRID)
    path.write_text(
        "target_type: checkerboard\ntargetCols: 7\ntargetRows: 5\nrowSpacingMeters: 0.06\ncolSpacingMeters: 0.06"
    )
    same(parse_target(str(path), None), BoardTarget(7, 5, 0.06, 0.48, 0.36))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("charuco:8x6:0.095", r"--board: expected .*charuco:8x6:0\.095:0\.07"),
        ("circles:8x6:0.1", "aprilgrid:6x6"),
        ("aprilgrid:6x6:0.08:0", "space between them"),
        ("charuco:8x6:0.07:0.095", "markers smaller than squares"),
        ("charuco:8x6:0.095:0.07:9x9_1", "no markers called"),
        ("charuco:1x6:0.095:0.07", "at least 2 x 2"),
        ("7x5:0.0.9", "expected a length"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(SettingsError, match=message):
        parse_target(text, None)


@pytest.mark.parametrize(
    "text", ["", "]", "- 1", "target_type: circlegrid", "target_type: aprilgrid\ntagCols: 6", "target_type: [x]"]
)
def test_bad_files_are_named(tmp_path, text):
    (tmp_path / "target.yaml").write_text(text)
    with pytest.raises(DatasetError, match=r"target\.yaml"):
        parse_target(str(tmp_path / "target.yaml"), None)
    with pytest.raises(FileNotFoundError, match="none"):
        parse_target(str(tmp_path / "none.yaml"), None)
