"""The command: exit codes, one line for bad input, nothing half-written."""

import subprocess
import sys

import pytest

import splatkit
from splatkit.cli import main


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == splatkit.__version__


def test_scene_makes_a_dataset_and_refuses_to_replace_it(tmp_path, capsys):
    out = tmp_path / "studio"
    arguments = ["scene", "studio", "--out", str(out), "--width", "32", "--height", "24", "--views", "3"]
    assert main(arguments) == 0
    assert (out / "transforms.json").is_file()
    assert main(arguments) == 2
    assert "already exists" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["studio"]


def test_a_walk_comes_with_scans(tmp_path, capsys):
    size = ["--width", "32", "--height", "24", "--views", "12", "--scans", "1"]
    assert main(["scene", "courtyard", "--out", str(tmp_path / "court"), *size, "--extrinsic-deg", "2"]) == 0
    assert "12 views of courtyard, 32x24, LiDAR sweeps: 1" in capsys.readouterr().out
    assert (tmp_path / "court/lidar/scan_0000.ply").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scene", "nowhere"], "no such scene"),
        (["scene", "missing.toml"], "missing.toml"),
        (["scene", "studio", "--views", "1"], "views: expected at least 2"),
        (["scene", "studio", "--blur-px", "1"], "need a walk, such as courtyard"),
        (["scene", "courtyard", "--views", "3"], "views: expected a multiple of 2"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, message):
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_unknown_options_exit_with_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["scene", "studio", "--nonsense"])
    assert caught.value.code == 2


def test_doctor_reports_every_part(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for part in ("python", "torch", "nerfstudio", "open3d", "native code", "CUDA", "ffmpeg", "free disk"):
        assert part in printed


def test_a_library_that_is_missing_is_one_line_and_exit_code_2(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "splatkit.synthetic.stage", None)  # what Python does with a failed import
    assert main(["scene", "studio", "--out", str(tmp_path / "out")]) == 2
    assert "splatkit doctor" in capsys.readouterr().err


def test_help_whose_reader_left_ends_quietly():
    command = [sys.executable, "-m", "splatkit.cli", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == b""
    assert process.returncode == 0
