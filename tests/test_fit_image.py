"""scripts/fit_image.py: a small image comes back, and bad input is one line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from splatkit.io.images import read_image, write_image

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "fit_image.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("lattice", ["simplex", "grid"])
def test_smooth_image_comes_back(tmp_path: Path, lattice: str):
    y, x = np.mgrid[0:40, 0:60] / 20
    write_image(tmp_path / "waves.png", np.stack([np.sin(x + y), np.cos(2 * x), np.sin(3 * y)], -1) / 2 + 0.5)
    options = ["--steps", 200, "--batch", 1024, "--num-levels", 4, "--log2-hashmap-size", 10, "--lattice", lattice]
    done = run(tmp_path / "waves.png", "--out", tmp_path / "fit", *options)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "fit" / "fit.json").read_text())
    assert result["psnr"] > 30
    picture = read_image(tmp_path / "fit" / "fit.png").astype(float)
    assert picture.shape == (40, 120, 3)
    assert np.abs(picture[:, :60] - picture[:, 60:]).mean() < 8


def test_missing_image_is_one_line(tmp_path: Path):
    done = run(tmp_path / "none.png", "--out", tmp_path / "fit")
    assert done.returncode != 0
    assert "none.png" in done.stderr
    assert "Traceback" not in done.stderr
