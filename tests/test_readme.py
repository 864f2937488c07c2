"""What the README says can be typed: every command in it is one, and every link leads somewhere."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import tyro

from splatkit.cli import Command
from splatkit.pipeline.config import read_pipeline

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """Contents of code blocks in a language; "" where none is named."""
    return [
        text
        for found, text in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
        if found == language
    ]


def commands():
    """Lines of code that begin with splatkit, joined where they are continued."""
    lines = [line for block in blocks("") for line in block.replace("\\\n", " ").splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.startswith("splatkit ")]


@pytest.mark.parametrize("line", commands())
def test_commands_exist_with_these_options(line):
    words = shlex.split(line)[1:]
    if words == ["doctor"]:
        return
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            tyro.cli(
                Command,
                prog="splatkit",
                args=words,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit:
        pytest.fail(f"{line}\n{said.getvalue()}")


def test_pipelines_are_read(tmp_path):
    (text,) = blocks("toml")
    for folder in ("boards/left/images", "boards/left/clouds", "photographs", "lidar"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("trajectory.txt", "images.csv"):
        (tmp_path / file).touch()
    (tmp_path / "readme.toml").write_text(text)
    assert len(read_pipeline(tmp_path / "readme.toml").steps) == 6


def test_pictures_and_files_exist():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
    scripts = re.findall(r"`?(scripts/[\w/.]+\.(?:py|toml))", README)
    assert [script for script in scripts if not (ROOT / script).is_file()] == []
