"""The pipelines that come with splatkit are what `splatkit run` takes."""

from pathlib import Path

import pytest

from splatkit.pipeline.config import read_pipeline

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
INPUTS = ["boards/images", "boards/clouds", "photographs", "scans", "dataset", "outputs/run"]


@pytest.mark.parametrize("name", ["photographs", "capture", "optimize", "export"])
def test_examples_of_the_stages(name, tmp_path):
    for folder in INPUTS:
        (tmp_path / folder).mkdir(parents=True)
    for file in ("trajectory.txt", "images.csv", "outputs/run/config.yml"):
        (tmp_path / file).touch()
    text = (SCRIPTS / f"examples/{name}.toml").read_text(encoding="utf-8")
    (tmp_path / "example.toml").write_text(text)
    assert read_pipeline(tmp_path / "example.toml").steps


def test_the_demo_goes_the_whole_way():
    names = [step.name for step in read_pipeline(SCRIPTS / "demo.toml").steps]
    assert [name.split(".")[0] for name in names] == [
        "scene",
        *["calibrate"] * 2,
        *["capture"] * 2,
        "optimize",
        *["export"] * 2,
    ]
