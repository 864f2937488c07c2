"""Fit a moving object in four dimensions, space and time at once: `scripts/fit.py motion --out DIR`.

The object is generated: a torus that turns and breathes, orbited by a ball; its field is exact at every time. Writes
motion.png (sections through the exact field above those of the fit, over time), fit.pt, and fit.json with errors.
Interrupt it, start it again: it resumes.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fields.meshes import field_errors, relative_distance_loss
from fields.motion import moving_distance, sample_motion
from fields.pools import draw_from
from fields.results import Result, keep_result, run
from splatkit.commands.terminal import show_progress
from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.encoded_field import EncodedField, FitSettings, fit_field
from splatkit.encodings.hash_encoding import Lattice
from splatkit.io.images import write_image

_POOL = 1 << 20  # samples with their exact distances, from which every step draws
_JUDGED = 100_000  # samples that training never sees
_TIMES = 6  # pictures
_PICTURE_PX = 200
_BAND = 0.03  # distance between the lines of equal distance in pictures


@torch.no_grad()
def draw_sections(field: EncodedField | None) -> NDArray[np.float32]:
    """[h, times * h, 3]: sections z = 1/2 over time, inside dark, with lines of equal distance; None: the truth."""
    axis = (torch.arange(_PICTURE_PX) + 0.5) / _PICTURE_PX
    y, x = torch.meshgrid(axis.flip(0), axis, indexing="ij")
    pictures = []
    for time in torch.linspace(0, 1, _TIMES):
        positions = torch.stack([x, y, torch.full_like(x, 0.5), time.expand_as(x)], -1).reshape(-1, 4)
        distance = moving_distance(positions) if field is None else field(positions)[:, 0]
        bands = 0.9 + 0.1 * torch.cos(2 * torch.pi * distance / _BAND)
        inside = (distance < 0).float()
        colors = torch.stack([bands * (1 - 0.75 * inside), bands * (1 - 0.55 * inside), bands], -1)
        pictures.append(colors.reshape(_PICTURE_PX, _PICTURE_PX, 3).numpy())
    return np.concatenate(pictures, axis=1)


def fit(
    out: Path,
    steps: int,
    batch: int,
    lattice: Lattice,
    num_levels: int,
    max_res: int,
    log2_hashmap_size: int,
    seed: int,
) -> Result:
    """Fit, draw and judge; see `main`."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    field = EncodedField(SimplexHashEncoding(4, num_levels, 8, max_res, log2_hashmap_size, lattice=lattice), 1)
    samples = sample_motion(min(_POOL, steps * batch), torch.Generator().manual_seed(seed))
    checkpoint = out / "unfinished.pt"
    settings = FitSettings(steps, seed=seed)
    seconds = fit_field(field, draw_from(*samples, batch), relative_distance_loss, settings, checkpoint, show_progress)
    write_image(out / "motion.png", np.concatenate([draw_sections(None), draw_sections(field)]))
    judged = sample_motion(_JUDGED, torch.Generator().manual_seed(seed + 1))
    result: Result = {
        "lattice": lattice,
        **{f"{name}_near": value for name, value in field_errors(field, *judged).items()},
        "parameters": sum(p.numel() for p in field.parameters()),
        "steps": steps,
        "cpu_s": seconds,
    }
    keep_result(out, field, result)
    checkpoint.unlink(missing_ok=True)
    return result


def main(
    out: Path,
    steps: int = 2000,
    batch: int = 1 << 14,
    lattice: Lattice = "simplex",
    num_levels: int = 14,
    max_res: int = 64,
    log2_hashmap_size: int = 14,
    seed: int = 0,
) -> None:
    """Fit the moving object.

    Args:
        out: folder to write; an interrupted fit in it resumes.
        steps: of training.
        batch: samples a step.
        lattice: simplex, grid or kuhn.
        num_levels: of the encoding.
        max_res: cells of the finest level along an axis.
        log2_hashmap_size: entries a level at most, as a power of two.
        seed: of the first values and of the samples.
    """
    if min(steps, batch) < 1:
        sys.exit("fit motion: expected at least one step and one sample")
    run("fit motion", lambda: fit(out, steps, batch, lattice, num_levels, max_res, log2_hashmap_size, seed))
