"""`splatkit capture stereo`, as one types it: what it prints, its page, and one clear line for bad input."""

import dataclasses
import json
import shutil

import pytest

from splatkit.cli import main
from splatkit.io.transforms_json import read_transforms, write_transforms
from splatkit.synthetic.settings import SceneSettings
from splatkit.synthetic.stage import make_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene") / "scene"
    make_scene(SceneSettings("pebbles", folder, width=96, height=72, views=10))
    return folder


def test_what_came_of_it_is_printed_and_shown_on_a_page(scene, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["capture", "stereo", "--dataset", str(scene), "--out", str(out), "--stereo", "low"]) == 0
    printed = capsys.readouterr().out
    assert f"{out}: 8 of 10 photographs have depth, " in printed
    assert "% of their pixels, median standard deviation " in printed
    page = (out / "report.html").read_text()
    assert "8 of 10 photographs have depth" in page
    assert page.count("<figcaption>deviation</figcaption>") == 6
    assert page.count("<td>held out</td>") == 2
    assert "stereo at low, about 1 s of CPU time" in page
    assert json.loads((out / "capture.json").read_text())["settings"]["stereo"] == "low"


def test_bad_input_is_one_line(scene, tmp_path, capsys):
    broken = shutil.copytree(scene, tmp_path / "broken")
    (broken / "images/frame_0003.png").write_bytes((scene / "images/frame_0003.png").read_bytes()[:300])
    small = shutil.copytree(scene, tmp_path / "small")
    read = read_transforms(small)
    write_transforms(small / "transforms.json", dataclasses.replace(read, frames=read.frames[:1], splits={}))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("keep")
    cases = [
        (["--dataset", str(tmp_path / "none")], "no such file or folder"),
        (["--dataset", str(broken)], "frame_0003.png"),
        (["--dataset", str(small)], "none of the 1 photographs overlaps"),
        (["--dataset", str(scene), "--points", "0"], "--points"),
        (["--dataset", str(scene), "--out", str(tmp_path / "full")], "already exists"),
    ]
    for arguments, message in cases:
        out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
        assert main(["capture", "stereo", "-q", *arguments, *out]) == 2, arguments
        error = capsys.readouterr().err
        assert message in error
        assert error.startswith("splatkit: ")
        assert error.count("\n") == 1
    assert (tmp_path / "full/mine.txt").read_text() == "keep"
    assert not (tmp_path / "out").exists()
