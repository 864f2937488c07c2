"""What the docs say can be typed: every command in them is one, with these options, and so is every pipeline."""

import contextlib
import dataclasses
import io
import re
import shlex
import typing

import pytest
import tyro

from splatkit.cli import COMMANDS, parse_command
from splatkit.command_line import parse
from splatkit.export.settings import ExportMeshSettings
from splatkit.messages import MessageSettings
from splatkit.optimize.train import parse_words
from splatkit.pipeline.config import read_pipeline
from tests.docs.pages import PAGES, ROOT, command_lines

NO_OPTIONS = {"doctor"}  # commands whose words tyro cannot tell from a group


@pytest.mark.parametrize(("page", "line"), command_lines("splatkit"))
def test_commands_exist_with_these_options(page, line):
    words = shlex.split(line)[1:]
    if set(words) <= NO_OPTIONS:
        return
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parse_command(words)
    except SystemExit:
        pytest.fail(f"{page}: {line}\n{said.getvalue()}")


def test_commands_in_the_text_exist():
    """`splatkit WORD WORD` in a sentence or a table; what follows may be left open."""
    known = {"run", "doctor", "scene", "calibrate", "capture", "blocks", "export", "convert", "view"}
    parts = {
        "calibrate": {"run", "check", "simulate", "scene", "advise", "board", "surround", "walk", "..."},
        "capture": {"images", "recording", "stereo", "lidar", "static", "..."},
        "blocks": {"plan", "train", "merge", "..."},
        "export": {"mesh", "splats", "points", "colmap", "..."},
    }
    for page in PAGES:
        for first, second in re.findall(r"`splatkit ([a-z]+)(?: ([a-z.]+))?[^`]*`", page.prose):
            assert first in known, f"{page.name}: splatkit {first}"
            assert not second or first not in parts or second in parts[first], f"{page.name}: {first} {second}"


def training_words():
    """Words behind `ns-train`, page by page; lines of options alone belong to `ges`, two together are one run."""
    found = [(page, shlex.split(line)[1:]) for page, line in command_lines("ns-train")]
    for page in PAGES:
        lines = [line.split("  #")[0].strip() for block in page.blocks("") for line in block.splitlines()]
        options = [word for line in lines if line.startswith("--pipeline.") for word in shlex.split(line)]
        parser = [word for line in lines if line.startswith("splatkit-data ") for word in shlex.split(line)]
        if options or parser:
            found.append((page.name, ["ges", "--data", "DATASET", *options, *parser]))
    return found


@pytest.mark.parametrize(("page", "words"), training_words(), ids=lambda value: value if isinstance(value, str) else "")
def test_options_of_training_exist(page, words):
    parse_words(words)


def test_options_of_training_in_the_text_exist():
    named = {flag for page in PAGES for flag in re.findall(r"`--(pipeline\.[\w.-]+)", page.prose)}
    assert named
    config = parse_words(["ges", "--data", "DATASET"])
    for flag in named:
        value = config
        for part in flag.split("."):
            assert hasattr(value, part.replace("-", "_")), flag
            value = getattr(value, part.replace("-", "_"))


def pipelines():
    return [(page.name, block) for page in PAGES for block in page.blocks("toml")]


@pytest.mark.parametrize(("page", "text"), pipelines())
def test_pipelines_are_read(page, text, tmp_path):
    for folder in ("boards/left/images", "boards/left/clouds", "photographs", "lidar"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("trajectory.txt", "images.csv", "walk.bag"):
        (tmp_path / file).touch()
    (tmp_path / "page.toml").write_text(text)
    steps = read_pipeline(tmp_path / "page.toml").steps
    assert len(steps) == len(re.findall(r"^\[(?!optimize\.)", text, re.MULTILINE))


def test_scripts_exist():
    named = {script for page in PAGES for script in re.findall(r"\b(scripts/[\w/.]+\.(?:py|toml))", page.text)}
    assert named
    assert {script for script in named if not (ROOT / script).is_file()} == set()


def test_studies_benchmarks_and_targets_exist():
    texts = "\n".join(page.text for page in PAGES)
    families = set(re.findall(r"benchmark\.py ([a-z_]+)\b", texts))
    studies = set(re.findall(r"study\.py ([a-z]+)\b", texts))
    targets = set(re.findall(r"`make ([a-z-]+)", texts)) | {
        line.split()[1]
        for page in PAGES
        for block in page.blocks("")
        for line in block.splitlines()
        if line[:5] == "make "
    }
    benchmark = (ROOT / "scripts/benchmark.py").read_text()
    study = (ROOT / "scripts/study.py").read_text()
    makefile = (ROOT / "Makefile").read_text()
    assert [name for name in families if f'"{name}"' not in benchmark] == []
    assert [name for name in studies if f'"{name}"' not in study] == []
    assert [name for name in targets if f"\n{name}:" not in makefile] == []


OF_OTHER_PROGRAMS = {
    *("max-num-iterations", "load-dir", "machine.device-type"),  # ns-*, and our data parser
    *("allow-outside", "fisheye", "help", "texture-method", "version"),
    "head",  # ray start
    *("readme", "limit-s", "steps", "json", "size", "out"),  # our scripts
}


def options_of(command) -> set[str]:
    """Names of options of a settings dataclass and of the groups in it."""
    found = set()
    for name, hint in typing.get_type_hints(command).items():
        for part in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(part):
                found |= options_of(part)
        found.add(name.replace("_", "-"))
    return found


def test_options_in_the_text_exist():
    known = set(OF_OTHER_PROGRAMS)
    for settings in (*COMMANDS, MessageSettings):
        known |= options_of(settings)
    named = {
        (option, page.name)
        for page in PAGES
        for code in re.findall(r"`([^`\n]+)`", page.prose)
        for option in re.findall(r"(?<![\w-])--([a-z][a-z.-]*[a-z])", code)
        if not option.startswith("pipeline.") and not code.startswith(("ns-", "pip ", "splatkit-data "))
    }
    assert sorted((option, page) for option, page in named if option not in known) == []


def test_options_of_meshes_exist():
    (block,) = [block for page in PAGES for block in page.blocks("") if block.startswith("--surface")]
    for line in block.splitlines():
        words = shlex.split(line.split("  #")[0].split(" # ")[0])
        parse(ExportMeshSettings, ["--dataset", "DATASET", "--out", "mesh", *words], (tyro.conf.OmitArgPrefixes,))
