"""`scripts/fit.py image`: a small image comes back, tiles of a TIFF fall into place, and bad input is one line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from fields.images import open_pixels
from splatkit.errors import DatasetError
from splatkit.io.images import read_image, write_image

SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts/fit.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "image", *map(str, arguments)]
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
    assert result["psnr"] > 30  # 43.8 to 48.9 dB over two seeds and both lattices
    picture = read_image(tmp_path / "fit" / "fit.png").astype(float)
    assert picture.shape == (40, 120, 3)
    assert np.abs(picture[:, :60] - picture[:, 60:]).mean() < 8


def test_missing_image_is_one_line(tmp_path: Path):
    done = run(tmp_path / "none.png", "--out", tmp_path / "fit")
    assert done.returncode != 0
    assert "none.png" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("tile", [None, (32, 48)])
@pytest.mark.parametrize("bands", [3, 4])
def test_tiles_of_a_tiff_fall_into_place(tmp_path: Path, tile: tuple[int, int] | None, bands: int):
    image = np.random.default_rng(0).integers(0, 256, (100, 130, bands), dtype=np.uint8)
    alpha = ["unassalpha"] if bands == 4 else None
    tifffile.imwrite(tmp_path / "image.tif", image, tile=tile, photometric="rgb", extrasamples=alpha)
    pixels = open_pixels(tmp_path / "image.tif", tmp_path / "cache.npy")
    assert isinstance(pixels, np.memmap)
    assert (pixels == image[..., :3]).all()


def test_tiffs_that_are_no_pictures_are_refused(tmp_path: Path):
    (tmp_path / "damaged.tif").write_bytes(b"II*\0 and no more")
    tifffile.imwrite(tmp_path / "deep.tif", np.zeros((8, 8, 3), np.uint16), photometric="rgb")
    for name, message in (("damaged", "not a readable TIFF"), ("deep", "expected 8 bits")):
        with pytest.raises(DatasetError, match=message):
            open_pixels(tmp_path / f"{name}.tif", tmp_path / "cache.npy")
    assert not (tmp_path / "cache.npy").exists()
