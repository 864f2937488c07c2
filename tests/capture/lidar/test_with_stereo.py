"""Depths by stereo in `capture lidar`: between those that the LiDAR measured."""

import json

import numpy as np
import pytest

from splatkit.capture.lidar.settings import CaptureLidarSettings
from splatkit.capture.lidar.stage import CapturedLidar, capture_lidar
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.splits import held_out_names
from splatkit.io.transforms_json import read_transforms
from splatkit.pages.capture_lidar import write_lidar_report
from splatkit.synthetic.settings import SceneSettings
from splatkit.synthetic.stage import make_scene


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """Twelve moments of two cameras."""
    folder = tmp_path_factory.mktemp("walk") / "walk"
    make_scene(SceneSettings("courtyard", folder, width=128, height=96, views=24, scans=24))
    return folder


def capture(walk, out, stereo) -> CapturedLidar:
    known = {"image_times": walk / "images.csv", "trajectory": walk / "trajectory.txt", "dataset": walk}
    settings = CaptureLidarSettings(walk / "lidar", (walk / "truth/rig.json",), out=out, stereo=stereo, **known)
    return capture_lidar(settings, report=write_lidar_report)


@pytest.mark.slow
def test_stereo_fills_in_between_what_the_lidar_measured(walk, tmp_path):
    without, captured = capture(walk, tmp_path / "without", "off"), capture(walk, tmp_path / "with", "auto")
    assert captured.written.stereo is not None
    assert without.verdict() in captured.verdict()
    assert "; with stereo " in captured.verdict()
    assert len(captured.written.stereo.with_depth) >= 7
    before, after = read_transforms(without.out), read_transforms(captured.out)
    assert before.splits == {**after.splits}
    assert before.depth_unit == after.depth_unit == 1e-3
    added = []
    for old, new in zip(before.frames, after.frames, strict=True):
        assert old.depth_path is not None
        assert new.depth_path is not None
        measured = read_depth_map(old.depth_path, old.depth_sigma_path)
        both = read_depth_map(new.depth_path, new.depth_sigma_path)
        there = measured.depths > 0
        np.testing.assert_array_equal(both.depths[there], measured.depths[there])
        np.testing.assert_array_equal(both.sigmas[there], measured.sigmas[there])
        if new.file_path in held_out_names(after):
            assert not both.depths[~there].any()
            continue
        filled = (both.depths > 0) & ~there
        true = np.load(walk / f"truth/depth/{new.image_path.stem}.npy")[filled]
        added.append(np.abs(both.depths[filled] - true)[true > 0] / true[true > 0])

    assert len(np.concatenate(added)) > 9_000  # 18 500
    assert np.median(np.concatenate(added)) < 0.006  # 0.2 % of the depth
    seeds = [read_point_cloud(folder / "points.ply").points for folder in (without.out, captured.out)]
    np.testing.assert_array_equal(seeds[1][: len(seeds[0])], seeds[0])
    assert len(seeds[1]) > len(seeds[0])
    assert (captured.out / "dense.ply").is_file()
    assert json.loads((captured.out / "capture.json").read_text())["figures"]["stereo"]["level"] == "medium"
    assert "Depths by stereo" in (captured.out / "report.html").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"without", "with"}
