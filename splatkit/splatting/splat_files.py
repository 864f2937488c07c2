"""Splats to and from files, and to and from the arrays that every format of splats takes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from splatkit.io.splat_formats.formats import read_splat_file, write_splat_file
from splatkit.io.splats import SplatArrays
from splatkit.splatting.spherical_beta import lobes_as_harmonics
from splatkit.splatting.splats import Splats


def read_splats(path: Path) -> Splats:
    """Read splats from a .ply (ours, or any in the layout of 3D Gaussian Splatting, or compressed), .sog, .spz, .splat
    or .glb; where a file holds no exponents, beta = 2.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: of another kind, damaged, or with NaN parameters; or the extra that reads it is missing.
    """
    return splats_from_arrays(read_splat_file(path))


def write_splats(path: Path, splats: Splats) -> list[str]:
    """Write splats of the generalized exponential kernel as the kind of file that the name ends in.

    `read_splats` gives those of a .ply back. Viewers that know only Gaussians show of each splat the nearest Gaussian
    (see `io.splats`).

    Returns:
        What the kind of file has no room for, in words; empty for a .ply.

    Raises:
        ValueError: no kind has such a name, or splats have NaN or infinite parameters.
    """
    return write_splat_file(path, splats_as_arrays(splats))


def splats_as_arrays(splats: Splats, viewer_degree: int = 3) -> SplatArrays:
    """Splats as the file formats take them; beside lobes stand the harmonics that come nearest to them."""
    values = {name: value.detach().float().cpu() for name, value in vars(splats).items()}
    if splats.lobes.shape[1]:
        harmonics = lobes_as_harmonics(values["lobes"], viewer_degree)
        values["sh0"] = values["sh0"] + harmonics[:, 0]
        values["shN"] = harmonics[:, 1:]
    arrays: dict[str, Any] = {name: value.numpy() for name, value in values.items()}
    return SplatArrays(**arrays)


def splats_from_arrays(values: SplatArrays) -> Splats:
    """Splats of a file as they are rendered: where it has lobes, by them and not by the harmonics beside them."""
    splats = Splats(**{name: torch.from_numpy(value) for name, value in vars(values).items()})
    if splats.lobes.shape[1] == 0:
        return splats
    constant = lobes_as_harmonics(splats.lobes, splats.sh_degree)[:, 0]
    return replace(splats, sh0=splats.sh0 - constant, shN=splats.shN[:, :0])
