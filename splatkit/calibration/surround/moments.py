"""Photographs that cameras around a vehicle took at the same moments."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.surround.rig import SurroundRig
from splatkit.errors import DatasetError
from splatkit.io.images import read_image
from splatkit.io.listing import find_path, list_files, list_photographs
from splatkit.progress import Progress, no_progress, track


@dataclass(frozen=True)
class MomentFiles:
    """Of one moment."""

    name: str
    images: tuple[Path, ...]  # one for each camera of the rig


@dataclass(frozen=True, eq=False)
class Moment:
    """Photographs of one moment, as luminances."""

    name: str
    grays: tuple[NDArray[np.float32], ...]  # [H, W] of each camera, 0 to 255


def list_moments(folder: Path, names: tuple[str, ...]) -> tuple[list[MomentFiles], list[str]]:
    """The moments of which every camera has a photograph, in natural order, and all other files.

    Args:
        folder: with a folder of photographs for each camera, where those of one moment have the same name; or with one
            photograph for each camera: a single moment.
        names: of the cameras.

    Raises:
        FileNotFoundError: a camera has no photographs.
        DatasetError: no moment is complete.
    """
    folder = find_path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of photographs")
    single = {path.stem: path for path in list_photographs(folder)}
    if set(names) <= set(single):
        used = tuple(single[name] for name in names)
        return [MomentFiles(folder.name, used)], _unused([folder], used)
    found = []
    for name in names:
        own = find_path(folder / name)
        files = list_photographs(own) if own.is_dir() else []
        if not files:
            raise FileNotFoundError(f"{own}: no photographs of the camera {name}; expected a folder for each camera")
        found.append({path.stem: path for path in files})
    shared = [stem for stem in found[0] if all(stem in files for files in found)]
    if not shared:
        raise DatasetError(
            f"{folder}: no file name is shared by all cameras; photographs with one timestamp need the same file name"
        )
    moments = [MomentFiles(stem, tuple(files[stem] for files in found)) for stem in shared]
    folders = [find_path(folder / name) for name in names]
    return moments, _unused(folders, [path for moment in moments for path in moment.images])


def _unused(folders: Sequence[Path], used: Sequence[Path]) -> list[str]:
    """Files of folders that are not among those used, whatever they are; hidden ones do not count."""
    taken = set(used)
    return [str(path) for folder in folders for path in list_files(folder) if path not in taken]


def read_moments(files: list[MomentFiles], rig: SurroundRig, progress: Progress = no_progress) -> list[Moment]:
    """Read photographs.

    Raises:
        DatasetError: one is damaged, or not of the size that the rig states.
    """
    moments = []
    for moment in track(files, "reading photographs", progress, len(files)):
        grays = []
        for path, camera in zip(moment.images, rig.cameras, strict=True):
            image = read_image(path)[..., :3]
            if image.shape[:2] != (camera.height, camera.width):
                raise DatasetError(
                    f"{path}: {image.shape[1]} x {image.shape[0]} px, the rig states {camera.width} x {camera.height}"
                )
            grays.append(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32))
        moments.append(Moment(moment.name, tuple(grays)))
    return moments
