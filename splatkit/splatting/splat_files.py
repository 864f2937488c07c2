"""Splats to and from `splats.ply`, and to and from the arrays that every file format of splats takes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from splatkit.io import splats as files
from splatkit.splatting.spherical_beta import lobes_as_harmonics
from splatkit.splatting.splats import Splats


def read_splats(path: Path) -> Splats:
    """Read a splats.ply of ours, or any in the layout of 3D Gaussian Splatting, whose splats have beta = 2.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, not in this layout, or with NaN parameters.
    """
    return splats_from_arrays(files.read_splats(path))


def write_splats(path: Path, splats: Splats) -> None:
    """Write splats of the generalized exponential kernel; `read_splats` gives them back.

    Viewers that know only Gaussians show of each splat the nearest Gaussian (see `io.splats`).

    Raises:
        ValueError: splats have NaN or infinite parameters.
    """
    files.write_splats(path, splats_as_arrays(splats))


def splats_as_arrays(splats: Splats, viewer_degree: int = 3) -> files.SplatArrays:
    """Splats as the file formats take them; beside lobes stand the harmonics that come nearest to them."""
    values = {name: value.detach().float().cpu() for name, value in vars(splats).items()}
    if splats.lobes.shape[1]:
        harmonics = lobes_as_harmonics(values["lobes"], viewer_degree)
        values["sh0"] = values["sh0"] + harmonics[:, 0]
        values["shN"] = harmonics[:, 1:]
    arrays: dict[str, Any] = {name: value.numpy() for name, value in values.items()}
    return files.SplatArrays(**arrays)


def splats_from_arrays(values: files.SplatArrays) -> Splats:
    """Splats of a file as they are rendered: where it has lobes, by them and not by the harmonics beside them."""
    splats = Splats(**{name: torch.from_numpy(value) for name, value in vars(values).items()})
    if splats.lobes.shape[1] == 0:
        return splats
    constant = lobes_as_harmonics(splats.lobes, splats.sh_degree)[:, 0]
    return replace(splats, sh0=splats.sh0 - constant, shN=splats.shN[:, :0])
