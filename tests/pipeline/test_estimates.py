"""Estimates count what there is to do, and what will be there when its turn comes."""

import numpy as np
import pytest

from splatkit.io.images import write_image
from splatkit.io.scans import readers
from splatkit.pipeline.config import read_pipeline
from splatkit.pipeline.estimates import estimate_steps
from splatkit.pipeline.state import Cost, State, StepRecord
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene
from tests.io.scans.posed_scans import POSED_SCANS, write_posed_scans

GENERATED = """
out = "products"
[scene]
name = "courtyard"
views = {views}
width = {width}
height = {width}
board-poses = 10
[calibrate.left]
images = "{{scene}}/boards/left/images"
clouds = "{{scene}}/boards/left/clouds"
board = "7x5:0.095"
[capture.lidar]
scans = "{{scene}}/lidar"
dataset = "{{scene}}"
calibration = "{{calibrate.left}}/calibration.json"
[optimize]
steps = {steps}
pipeline.model.densification.max-splats = {splats}
[export.mesh]
"""


@pytest.fixture
def estimate(tmp_path):
    """A function that estimates a pipeline, and returns what each step will take."""

    def estimate(views=48, width=320, steps=1000, splats=50_000):
        path = tmp_path / "way.toml"
        path.write_text(GENERATED.format(views=views, width=width, steps=steps, splats=splats))
        return estimate_steps(read_pipeline(path))

    return estimate


def test_more_work_takes_longer(estimate):
    small = estimate()
    assert all(0 < step.cpu_s < 600 and 100 < step.peak_mb < 8000 for step in small.values())
    for name in ("scene", "capture.lidar", "export.mesh"):
        assert estimate(views=96)[name].cpu_s > small[name].cpu_s
    assert estimate(views=96)["calibrate.left"] == small["calibrate.left"]  # boards are photographed apart
    large = estimate(width=640)
    assert large["optimize"].cpu_s > small["optimize"].cpu_s
    assert estimate(steps=2000)["optimize"].cpu_s > 1.5 * small["optimize"].cpu_s
    assert estimate(splats=500_000)["optimize"].peak_mb > small["optimize"].peak_mb


def test_blocks_take_more_time_and_less_memory_than_one_run(tmp_path):
    found = []
    for blocks in ("", "blocks = 4\nsplats = 2000000\n"):
        path = tmp_path / "way.toml"
        option = "pipeline.model.densification.max-splats = 2000000\n"
        path.write_text(
            "out = 'products'\n[scene]\nname = 'courtyard'\n[optimize]\nsteps = 7000\n" + (blocks or option)
        )
        found.append(estimate_steps(read_pipeline(path)))
    one, several = found
    assert 1 < several["optimize.blocks"].cpu_s / one["optimize"].cpu_s < 3
    assert several["optimize.plan"].cpu_s < 0.4 * one["optimize"].cpu_s
    assert several["optimize.blocks"].peak_mb < one["optimize"].peak_mb


def test_a_walk_takes_by_its_scans(tmp_path):
    found = []
    for scans in (20, 60):
        path = tmp_path / "way.toml"
        path.write_text(
            f"out = 'products'\n[scene]\nname = 'courtyard'\nscans = {scans}\n[calibrate.walk]\ndataset = '{{scene}}'\n"
            "scans = '{scene}/lidar'\ntrajectory = '{scene}/trajectory.txt'\n"
        )
        found.append(estimate_steps(read_pipeline(path))["calibrate.walk"])
    assert 4 < found[0].cpu_s < found[1].cpu_s < 20


def test_files_are_counted_where_they_lie(tmp_path):
    description = read_scene(find_scene("studio"))
    for views in (3, 6):
        generate_scene(description, tmp_path / f"scene{views}", 40, 30, views, 0)
    found = []
    for views in (3, 6):
        path = tmp_path / "way.toml"
        path.write_text(f"out = 'products'\n[capture.images]\nimages = 'scene{views}/images'\n[optimize]\nsteps = 9\n")
        found.append(estimate_steps(read_pipeline(path)))
    assert found[1]["capture.images"].cpu_s > found[0]["capture.images"].cpu_s
    assert found[0]["optimize"].cpu_s < 30


def test_stereo_counts_by_its_level(tmp_path):
    for number in range(2):
        write_image(tmp_path / f"in/images/{number}.png", np.zeros((1200, 1600, 3), np.uint8))
    found = {}
    for step, option in (("images", "images = 'in/images'"), ("stereo", "dataset = 'in'")):
        for asked in ("off", "low", "medium", "auto", "high")[step == "stereo" :]:
            text = f"out = 'x'\n[capture.{step}]\n{option}\nstereo = '{asked}'\n"
            (tmp_path / "way.toml").write_text(text)
            found[step, asked] = estimate_steps(read_pipeline(tmp_path / "way.toml"))[f"capture.{step}"]
        assert found[step, "low"].cpu_s < found[step, "medium"].cpu_s < found[step, "high"].cpu_s
        assert found[step, "medium"] == found[step, "auto"]
    assert found["images", "off"].cpu_s < found["images", "low"].cpu_s
    assert found["images", "off"].peak_mb < found["images", "low"].peak_mb


def test_scans_are_counted_in_whatever_file_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "READERS", (*readers.READERS, POSED_SCANS))
    (tmp_path / "rig.json").touch()
    (tmp_path / "images").mkdir()
    found = []
    for count in (1, 3):
        write_posed_scans(tmp_path / "site.posed", [np.ones((2, 3))] * count, np.tile(np.eye(4), (count, 1, 1)))
        path = tmp_path / "way.toml"
        path.write_text(
            "out = 'x'\n[capture.lidar]\nscans = 'site.posed'\ncalibration = 'rig.json'\nimages = 'images'\n"
        )
        found.append(estimate_steps(read_pipeline(path))["capture.lidar"])
    assert found[1].cpu_s - found[0].cpu_s == pytest.approx(0.2)
    (tmp_path / "site.posed").write_bytes(b"damaged")
    assert estimate_steps(read_pipeline(path))["capture.lidar"].cpu_s < found[0].cpu_s  # the step will say it


def test_what_was_done_is_known(estimate, tmp_path):
    first = estimate()
    state = State(read_pipeline(tmp_path / "way.toml"))
    state.write("scene", StepRecord("", False, Cost(1, 2, 3)))
    assert estimate()["scene"] == first["scene"]  # half of a step says nothing about the whole
    state.write("scene", StepRecord("", True, Cost(1, 2, 3)))
    assert (estimate()["scene"].cpu_s, estimate()["scene"].peak_mb) == (2, 3)
