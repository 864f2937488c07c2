"""Splats of any kernel as they are, in a NumPy archive: for what one step leaves to the next.

`splat_files` writes for viewers, as Gaussians. Here every value is kept to the bit, whatever the kernel, with further
arrays beside them; the same content makes the same bytes.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.splatting.splats import Splats

_NAMES = tuple(field.name for field in fields(Splats))


def write_splat_archive(path: Path, splats: Splats, more: Mapping[str, NDArray[np.generic]]) -> None:
    """Write splats and, beside them, arrays of other names; `path` ends in .npz."""
    arrays = {name: getattr(splats, name).detach().cpu().numpy() for name in _NAMES}
    with atomic_file(path) as temporary:
        np.savez(temporary, **arrays, **more)


def read_splat_archive(path: Path) -> tuple[Splats, dict[str, NDArray[np.generic]]]:
    """What `write_splat_archive` wrote: the splats, and all other arrays by name.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, or of another kind; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected an archive of splats")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        splats = Splats(**{name: torch.from_numpy(arrays.pop(name)) for name in _NAMES})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, IndexError, BadZipFile) as error:
        raise DatasetError(f"{path}: not an archive of splats, perhaps cut short ({error})") from error
    if not all(torch.isfinite(getattr(splats, name)).all() for name in _NAMES):
        raise DatasetError(f"{path}: holds splats with NaN or infinite values; make it again")
    return splats, arrays
