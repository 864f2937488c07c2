"""Steps are done once, done again when what they depend on has changed, and survive being killed."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
import torch

from splatkit.cli import main
from splatkit.errors import RefusedError, SettingsError
from splatkit.pipeline.config import read_pipeline
from splatkit.pipeline.lock import BusyFolderError
from splatkit.pipeline.runner import StepFailedError, plan, run_steps
from splatkit.synthetic.settings import SceneSettings
from splatkit.synthetic.stage import make_scene
from tests.helpers import wait_until

SCENES = """
out = "products"
[scene]
name = "studio"
width = 16
height = 12
views = 3
[capture.images]
poses = "{scene}"
points = "given"
stereo = "off"
"""


@pytest.fixture
def config(tmp_path):
    """File of a small pipeline."""
    path = tmp_path / "small.toml"
    path.write_text(SCENES)
    return path


def statuses(config):
    return [planned.status for planned in plan(read_pipeline(config))]


def test_what_is_up_to_date_is_not_done_again(config, tmp_path):
    told: list[str] = []
    assert statuses(config) == ["to do", "to do"]
    run_steps(read_pipeline(config), told.append)
    assert statuses(config) == ["done", "done"]
    assert [line.split(":")[0] for line in told] == ["[1/2] scene", "[2/2] capture.images"]
    assert "splatkit scene studio --width 16" in told[0]
    stamp = (tmp_path / "products/scene/transforms.json").stat().st_mtime_ns
    told.clear()
    run_steps(read_pipeline(config), told.append)
    assert [line.split(": ")[1] for line in told] == ["done already", "done already"]
    assert (tmp_path / "products/scene/transforms.json").stat().st_mtime_ns == stamp
    cost = json.loads((tmp_path / "products/steps/scene.json").read_text())["cost"]
    assert cost["cpu_s"] > 0.1
    assert 20 < cost["peak_mb"] < 10_000


def test_changed_options_inputs_and_missing_products_are_seen(config, tmp_path):
    run_steps(read_pipeline(config), lambda _: None)
    config.write_text(SCENES.replace("views = 3", "views = 4"))
    assert statuses(config) == ["to do", "to do"]
    config.write_text(SCENES.replace('points = "given"', 'points = "auto"'))
    assert statuses(config) == ["done", "to do"]
    config.write_text(SCENES)
    assert statuses(config) == ["done", "done"]
    transforms = tmp_path / "products/scene/transforms.json"
    transforms.write_text(transforms.read_text() + " ")
    assert statuses(config) == ["done", "to do"]  # an input of the second, edited by hand
    (tmp_path / "products").rename(tmp_path / "elsewhere")
    assert statuses(config) == ["to do", "to do"]
    config.write_text(SCENES.replace("products", "elsewhere"))
    assert statuses(config)[0] == "done"  # a folder may be moved


def test_a_step_that_fails_says_so_and_keeps_what_was_done(config, tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    config.write_text(SCENES.replace('poses = "{scene}"\npoints = "given"', 'images = "empty"'))
    with pytest.raises(StepFailedError, match=r"capture\.images: failed"):
        run_steps(read_pipeline(config), lambda _: None)
    assert "empty" in capfd.readouterr().err
    assert statuses(config) == ["done", "to do"]
    assert main(["run", str(config)]) == 2
    assert "the same command resumes" in capfd.readouterr().err


def test_warnings_of_steps_are_repeated_at_the_end_and_all_is_in_one_log(config, tmp_path, capfd):
    make_scene(SceneSettings("studio", tmp_path / "studio", width=16, height=12, views=3))
    (tmp_path / "studio/images/IMG_0001.AVIF").write_bytes(b"avif")
    config.write_text(SCENES[SCENES.index("[capture") :].replace("{scene}", "studio"))
    assert main(["run", str(config), "--out", str(tmp_path / "products"), "-q", "--log", str(tmp_path / "log")]) == 0
    said = capfd.readouterr()
    assert said.out == f"Report: {tmp_path / 'products/report.html'}\n"
    at_once, heading, again = said.err.splitlines()
    assert heading == "1 warning:"
    assert "IMG_0001.AVIF" in at_once
    assert again == f"{at_once} (capture.images)"
    log = (tmp_path / "log").read_text()
    for part in ("run small.toml", "capture images --poses", "writing photographs: 3 of 3", "WARNING", "Report:"):
        assert part in log.replace(f"{tmp_path}/", "")


def test_a_refusal_is_passed_on(config, tmp_path):
    # Three photographs of 16 x 12 pixels have nothing in common that could be found.
    config.write_text(SCENES.replace('poses = "{scene}"\npoints = "given"', 'images = "{scene}/images"'))
    with pytest.raises(RefusedError, match=r"capture\.images"):
        run_steps(read_pipeline(config), lambda _: None)


def test_two_starts_do_not_work_in_one_folder(config, tmp_path):
    import fcntl

    (tmp_path / "products").mkdir()
    with (tmp_path / "products/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BusyFolderError, match="another `splatkit run`"):
            run_steps(read_pipeline(config), lambda _: None)


def test_a_dry_run_does_nothing(config, tmp_path, capsys):
    assert main(["run", str(config), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "splatkit capture images --poses" in said
    assert not (tmp_path / "products").exists()


@pytest.mark.slow
def test_options_of_training_are_checked_before_the_first_step(config, tmp_path):
    config.write_text(SCENES + "[optimize]\nsteps = 3\npipeline.model.sed = 3\n")
    with pytest.raises(SettingsError, match=r"\[optimize\]: Unrecognized options .*--pipeline\.model\.sed") as caught:
        run_steps(read_pipeline(config), lambda _: None)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "products/scene").exists()


@pytest.mark.parametrize("whom", [os.kill, os.killpg])
def test_an_interrupt_ends_the_step_too_and_the_next_start_goes_on(config, tmp_path, whom):
    config.write_text(SCENES.replace("views = 3", "views = 3000"))
    process = start(config)
    wait_until(lambda: list(tmp_path.glob("products/.scene-*")))
    whom(process.pid, signal.SIGINT)
    assert process.wait() == 130
    assert "interrupted" in (tmp_path / "log.txt").read_text()
    assert not list(tmp_path.glob("products/*scene*"))
    assert statuses(config) == ["to do", "to do"]


WHOLE_WAY = """
out = "products"
[scene]
name = "courtyard"
width = 64
height = 48
views = 12
scans = 4
[capture.images]
poses = "{scene}"
points = "given"
stereo = "off"
[capture.lidar]
scans = "{scene}/lidar"
trajectory = "{scene}/trajectory.txt"
dataset = "{capture.images}"
image-times = "{scene}/images.csv"
calibration = "{scene}/truth/rig.json"
stereo = "off"
[optimize]
steps = 60
steps-per-save = 10
pipeline.model.densification.max-splats = 500
[export.mesh]
refinement-rounds = 1
texture = "vertices"
no-turntable = true
[export.splats]
"""


def interruptible():
    """A shell that runs tests in the background lets its children ignore interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(config):
    """A pipeline in a process group of its own."""
    command = [sys.executable, "-m", "splatkit.cli", "run", str(config)]
    with (config.parent / "log.txt").open("a") as log:
        return subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log, preexec_fn=interruptible)


def products(folder):
    """Contents of what must be the same: numbers of checkpoints, bytes of the rest."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.startswith(("steps/", ".lock", "report.html")) or "events.out" in name:
            continue
        if path.suffix == ".ckpt":
            state = torch.load(path, weights_only=True)["pipeline"]
            found[name] = {key: value.numpy() for key, value in state.items() if isinstance(value, torch.Tensor)}
        elif path.suffix in {".png", ".ply", ".glb", ".npy"} or path.name == "transforms.json":
            found[name] = path.read_bytes()
        else:
            found[name] = None  # records and reports hold times and places: that they are there is enough
    return found


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_in_the_same_files(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        (folder / "way.toml").write_text(WHOLE_WAY)
    assert start(whole / "way.toml").wait() == 0
    steps = ("capture.lidar", "optimize", "export.mesh")
    shares = np.random.default_rng(0).uniform(0, 1, len(steps))
    for number, (step, share) in enumerate(zip(steps, shares, strict=True)):
        process = start(killed / "way.toml")
        wait_until((killed / f"products/steps/{step}.json").exists)  # the step has begun
        time.sleep(share * json.loads((whole / f"products/steps/{step}.json").read_text())["cost"]["wall_s"])
        if number % 2:
            os.killpg(process.pid, signal.SIGKILL)  # as a machine that is switched off
        else:
            process.kill()  # the step must not live on without it
        process.wait()
    assert start(killed / "way.toml").wait() == 0
    expected, found = products(whole / "products"), products(killed / "products")
    assert found.keys() == expected.keys()
    different = [name for name in expected if not same(expected[name], found[name])]
    assert different == []
    assert (whole / "log.txt").read_text().count("done already") == 0
    assert (killed / "log.txt").read_text().count("done already") > 0
    page = (killed / "products/report.html").read_text()
    words = (
        "PSNR of held-out views",
        "Training",
        "over all pixels",
        "mesh to truth",
        "memory at most",
        "export.splats",
    )
    for word in words:
        assert word in page
    assert "http://" not in page
    assert "https://" not in page


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)
    return one == other
