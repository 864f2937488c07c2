"""ACFR's VLP-16 and fisheye, twenty poses; and OpenCalib's boards that all are parallel."""

import os
from pathlib import Path

import numpy as np
import pytest

from splatkit.calibration.calibrate import calibrate_frames
from splatkit.calibration.detection.corners import find_corners
from splatkit.calibration.inputs import examine_files, pair_files
from splatkit.calibration.solver.closed_form import DegenerateViewsError
from splatkit.calibration.solver.solve import PLANE_ONLY, solve
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView
from splatkit.geometry.camera import Camera
from splatkit.io.formats.camera_files import read_intrinsics
from splatkit.io.images import read_image
from tests.calibration.halls import TARGET


def data_folder(name):
    root = os.environ.get("SPLATKIT_DATA")
    folder = Path(root or "", "calib", name)
    if root is None or not folder.is_dir():
        pytest.skip(f"$SPLATKIT_DATA/calib/{name} is not there")
    return folder


@pytest.mark.slow
def test_acfr_boards_are_found_and_views_left_out_agree():
    folder = data_folder("acfr_vlp16_dev")
    files = pair_files([folder / "images"], folder / "pcd")
    frames = examine_files(files, TARGET, workers=2)
    done = calibrate_frames(frames, TARGET, (read_intrinsics(folder / "camera_info.yaml"),))
    assert [verdict.left_out for verdict in done.verdicts] == [""] * 20
    assert done.selection.freedom.rings
    assert done.selection.freedom.intrinsics
    folds = [view[0] for view in done.selection.validation.held_out]
    assert np.mean([item.center_m for item in folds]) < 0.009
    assert np.mean([item.center_px for item in folds]) < 3.5
    assert np.sqrt(np.mean([item.plane_m**2 for item in folds])) < 0.003
    assert done.selection.validation.spread_px < 3
    assert 1.5 < done.over_noise() < 10  # lens and lasers, not noise, limit this rig


def test_opencalib_boards_that_are_parallel_are_refused():
    folder = data_folder("opencalib_joint")
    target = BoardTarget(17, 7, 0.05, 1.2, 1.1)
    circles = np.loadtxt(folder / "circle.csv", delimiter=",", skiprows=1)
    camera = Camera("pinhole", 1920, 1200, 3060.0, 3060.0, 960.5, 600.5)
    views = []
    for path in sorted((folder / "images").glob("*.jpg")):
        corners = find_corners(read_image(path)[..., :3], target)
        if corners is not None:
            views.append(BoardView((corners,), circles[int(path.stem) - 1].reshape(4, 3)))
    assert len(views) >= 5
    with pytest.raises(DegenerateViewsError, match="are all parallel"):
        solve(views, target, camera, kinds=PLANE_ONLY)
