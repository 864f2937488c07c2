"""Splats that training starts from instead of a seed cloud, and others that are shown beside them and stay as they are.

Both come from one file: what is known of a whole scene, of which a part is trained.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module

from splatkit.errors import DatasetError
from splatkit.splatting.sky_shell import SkyShell, together
from splatkit.splatting.splat_archives import read_splat_archive, write_splat_archive
from splatkit.splatting.splats import Splats


@dataclass(frozen=True)
class Start:
    """What a run begins with."""

    trained: Splats  # at least one
    frozen: Splats
    shell: SkyShell | None  # of sky, whichever splats stand for it


def write_start(path: Path, splats: Splats, trained: Tensor, shell: SkyShell | None) -> None:
    """Write a file for `read_start`; `trained` [N] says which of the splats are trained."""
    more: dict[str, NDArray[np.generic]] = {"trained": trained.cpu().numpy()}
    if shell is not None:
        more["sky_shell"] = shell.numbers.cpu().numpy()
    write_splat_archive(path, splats, more)


def read_start(path: Path, sh_degree: int, lobes: int) -> Start:
    """Read what `write_start` wrote.

    Args:
        path: the file.
        sh_degree: of the run; the file's splats must have it.
        lobes: likewise.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: it is damaged or does not fit the run; names it.
    """
    splats, more = read_splat_archive(path)
    trained = torch.from_numpy(more.get("trained", np.zeros(0)))
    if trained.dtype != torch.bool or trained.shape != (len(splats),):
        raise DatasetError(f"{path}: does not say which of its {len(splats)} splats are trained")
    if not trained.any():
        raise DatasetError(f"{path}: none of its {len(splats)} splats is to be trained")
    if (splats.sh_degree, splats.lobes.shape[1]) != (sh_degree, lobes):
        raise DatasetError(
            f"{path}: its splats have sh_degree {splats.sh_degree} and {splats.lobes.shape[1]} lobes, the run "
            f"{sh_degree} and {lobes}; start from a run with the same"
        )
    numbers = more.get("sky_shell")
    shell = SkyShell.from_numbers(None if numbers is None else torch.from_numpy(numbers))
    return Start(splats.select(trained), splats.select(~trained), shell)


class FrozenSplats(Module):
    """Splats that are rendered and never change; they move with a model from device to device."""

    def __init__(self, splats: Splats) -> None:
        super().__init__()
        for name, value in vars(splats).items():
            self.register_buffer(name, value, persistent=False)  # the file has them

    def beside(self, splats: Splats) -> Splats:
        """Both together, these last."""
        return together([splats, Splats(**dict(self.named_buffers()))])

    def without(self, splats: Splats) -> Splats:
        """What `beside` was called with, of what it returned."""
        count = len(splats) - len(next(self.buffers()))
        return Splats(**{name: value[:count] for name, value in vars(splats).items()})
