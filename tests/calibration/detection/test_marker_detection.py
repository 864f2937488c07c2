"""Boards with markers in rendered photographs, whole and in part."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from splatkit.calibration.detection.corners import find_corners
from tests.calibration.detection.test_corners import render
from tests.calibration.halls import APRILGRID, CHARUCO

BOTH = pytest.mark.parametrize("target", [CHARUCO, APRILGRID], ids=lambda target: target.kind)
FACING, TILTED = (0.0, 0.0, 0.0), (-0.2, 0.3, 2.6)


@cache
def render_once(target, turn):
    image, truth = render(turn, depth=1.2, width=720, target=target)
    image.flags.writeable = False
    return image, truth


@BOTH
@pytest.mark.parametrize("turn", [FACING, TILTED])
def test_corners_are_found_in_their_order_whichever_way_is_up(target, turn):
    image, truth = render_once(target, turn)
    found = find_corners(image, target)
    assert found is not None
    seen = np.isfinite(found[:, 0])
    assert seen.mean() > 0.9
    error = found[seen] - truth[seen]
    assert np.sqrt((error**2).mean()) < 0.15
    assert np.abs(error).max() < 0.6


@BOTH
def test_a_board_half_out_of_the_image_is_seen_in_part(target):
    image, truth = render_once(target, TILTED)
    right = int(truth[:, 0].mean())
    found = find_corners(np.ascontiguousarray(image[:, :right]), target)
    assert found is not None
    seen = np.isfinite(found[:, 0])
    assert 0.2 < seen.mean() < 0.6
    assert (truth[seen, 0] < right).all()
    assert np.abs(found[seen] - truth[seen]).max() < 0.6


@BOTH
def test_what_is_covered_is_left_out(target):
    image, truth = render_once(target, TILTED)
    image = image.copy()
    x, y = truth.mean(0).astype(int)
    image[y - 40 : y + 40, x - 40 : x + 40] = (120, 90, 70)
    found = find_corners(image, target)
    assert found is not None
    seen = np.isfinite(found[:, 0])
    covered = (np.abs(truth - [x, y]) < 38).all(1)
    assert covered.any()
    assert not seen[covered].any()
    assert 0.4 < seen.mean() < 1
    clear = seen & (np.abs(truth - [x, y]) > 50).any(1)  # what is nearer, the cover's edge may draw to itself
    assert np.abs(found[clear] - truth[clear]).max() < 0.6


def test_other_boards_are_not_seen():
    image, _ = render_once(CHARUCO, TILTED)
    assert find_corners(image, replace(CHARUCO, dictionary="6x6_250")) is None
    assert find_corners(image, APRILGRID) is None
    image, _ = render_once(APRILGRID, TILTED)
    assert find_corners(image, CHARUCO) is None
    assert find_corners(np.full((120, 160, 3), 128, dtype=np.uint8), APRILGRID) is None


@BOTH
def test_a_single_row_says_too_little(target):
    image, truth = render_once(target, FACING)
    image = image.copy()
    rows = truth.reshape(target.rows, target.columns, 2)[:, :, 1]
    image[int(rows[2 if target is APRILGRID else 1].mean()) - 12 :] = 128
    assert find_corners(image, target) is None
