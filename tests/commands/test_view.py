"""`splatkit view` serves one page to this machine alone, and says what it cannot show."""

import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from splatkit.cli import main
from splatkit.commands.view import page_server
from splatkit.errors import SettingsError
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import write_mesh
from splatkit.io.splat_formats.sog import write_sog
from splatkit.io.splats import SplatArrays, write_splats
from splatkit.optimize.nerfstudio import open_viewer
from splatkit.pages.view import view_page

TRIANGLE = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 1]]), np.array([[0, 1, 2]]))


def splats(opacity: float) -> SplatArrays:
    n = 40
    ones = np.ones(n, np.float32)
    means = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    quats = np.tile(np.array([1, 0, 0, 0], np.float32), (n, 1))
    scales = np.full((n, 3), 0.1, np.float32)
    empty = np.zeros((n, 0, 3), np.float32)
    return SplatArrays(means, quats, scales, opacity * ones, 2 * ones, np.zeros((n, 3), np.float32), empty)


def test_a_page_is_served_to_this_machine_and_nothing_else_is():
    with page_server("<p>é</p>", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(address + "/") as answer:
            assert answer.read().decode() == "<p>é</p>"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address + "/etc/passwd")
        assert server.server_address[0] == "127.0.0.1"
        with pytest.raises(SettingsError, match=rf"port {server.server_port} cannot be listened on .*--port 0"):
            page_server("", server.server_port)
        server.shutdown()


def test_meshes_and_splats_of_all_formats_become_pages(tmp_path: Path):
    for suffix in ("ply", "glb", "obj", "stl"):
        write_mesh(tmp_path / f"mesh.{suffix}", TRIANGLE)
    write_splats(tmp_path / "splats.ply", splats(0.8))
    write_sog(tmp_path / "splats.sog", splats(0.8))
    for path in sorted(tmp_path.iterdir()):
        assert "base64_data=" in view_page(path), path.name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.ply", "no such file"),
        ("faint.ply", "none of 40 splats has an opacity of at least 0.1"),
        ("damaged.glb", "damaged.glb"),
        ("config.yml", "no such config.yml of a run"),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str):
    write_splats(tmp_path / "faint.ply", splats(0.05))
    (tmp_path / "damaged.glb").write_bytes(b"glTF nothing")
    assert main(["view", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_runs_open_in_the_viewer_of_nerfstudio_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config, calls = tmp_path / "config.yml", []
    config.touch()

    def run(command: list[str], check: bool) -> Any:
        calls.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(open_viewer.subprocess, "run", run)
    assert main(["view", str(config), "--port", "7010"]) == 0
    (command,) = calls
    assert command[0] == sys.executable
    assert command[3:] == [
        "--load-config",
        str(config),
        "--viewer.websocket-host",
        "127.0.0.1",
        "--viewer.websocket-port",
        "7010",
    ]
