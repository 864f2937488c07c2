"""Fit an image by an encoding and a small network: `scripts/fit.py image PHOTO --out DIR`.

The experiment of Instant-NGP (arXiv 2201.05989, section 5.1): the image becomes a function of the position, trained on
random pixels. Writes fit.png (the image beside its fit), fit.pt, and fit.json with PSNR and the image's values for each
parameter. A tiled TIFF may be larger than the memory. Interrupt it, start it again: it resumes.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from fields.images import draw_pixels, open_pixels, side_by_side, squared_error
from fields.results import Result, keep_result, run
from splatkit.commands.terminal import show_progress
from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.encoded_field import EncodedField, FitSettings, fit_field
from splatkit.encodings.hash_encoding import Lattice
from splatkit.io.images import write_image

_COARSEST = 16  # cells along the longer side


def fit(
    path: Path, out: Path, steps: int, batch: int, lattice: Lattice, num_levels: int, log2_hashmap_size: int, seed: int
) -> Result:
    """Fit, draw and judge; see `main`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such image")
    cache, checkpoint = out / "pixels.npy", out / "unfinished.pt"
    image = open_pixels(path, cache)
    finest = max(max(image.shape[:2]) // 2, _COARSEST)
    torch.manual_seed(seed)
    field = EncodedField(SimplexHashEncoding(2, num_levels, _COARSEST, finest, log2_hashmap_size, lattice=lattice), 3)
    loss = torch.nn.functional.mse_loss
    settings = FitSettings(steps, seed=seed)
    seconds = fit_field(field, draw_pixels(image, batch), loss, settings, checkpoint, show_progress)
    parameters = sum(p.numel() for p in field.parameters())
    result: Result = {
        "image": path.name,
        "lattice": lattice,
        "psnr": -10 * float(np.log10(max(squared_error(field, image), 1e-12))),
        "parameters": parameters,
        "values_per_parameter": image.size / parameters,
        "steps": steps,
        "cpu_s": seconds,
    }
    write_image(out / "fit.png", side_by_side(field, image))
    keep_result(out, field, result)
    for leftover in (cache, checkpoint):
        leftover.unlink(missing_ok=True)
    return result


def main(
    image_path: Annotated[Path, tyro.conf.Positional],
    out: Path,
    steps: int = 2000,
    batch: int = 1 << 16,
    lattice: Lattice = "simplex",
    num_levels: int = 16,
    log2_hashmap_size: int = 15,
    seed: int = 0,
) -> None:
    """Fit an image.

    Args:
        image_path: any RGB image that Pillow reads, or a TIFF of any size.
        out: folder to write; an interrupted fit in it resumes.
        steps: of training.
        batch: pixels a step.
        lattice: simplex, grid or kuhn.
        num_levels: of the encoding.
        log2_hashmap_size: entries a level at most, as a power of two.
        seed: of the first values and of the pixels drawn.
    """
    if steps < 1 or batch < 1:
        sys.exit(f"fit image: expected at least one step and one pixel, got --steps {steps} --batch {batch}")
    run("fit image", lambda: fit(image_path, out, steps, batch, lattice, num_levels, log2_hashmap_size, seed))
