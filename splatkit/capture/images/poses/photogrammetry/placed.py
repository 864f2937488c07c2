"""What these programs say of a photograph, and which file of a folder that photograph is.

Their files name photographs as they lay on the disk of whoever ran the program. Here they are looked for in one folder
and those below it, by as much of the end of the path as is needed to tell them apart, with or without the suffix.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.images.poses.given import GivenCamera, check_rigid
from splatkit.capture.left_out import LeftOut, left_out_of
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import image_size, turned_by_exif
from splatkit.io.listing import list_photographs, same_letters

_NAMED = 5
_FARTHEST = 1e12  # in whatever units: what is larger is damage


@dataclass(frozen=True, eq=False)
class PlacedPhotograph:
    """One that has a pose."""

    name: str  # as the file has it, a path or a label
    lens: Camera | Callable[[int, int], Camera]  # of the file, or what it is of an image of some width and height, px
    T_world_camera: NDArray[np.float64]  # [4, 4], camera x right, y down, z forward


@dataclass(frozen=True)
class FoundPhotographs:
    """Those of them that are on the disk."""

    cameras: tuple[GivenCamera, ...]
    left_out: tuple[str, ...]  # what of the file is not used, in words
    unused: tuple[LeftOut, ...]  # photographs of the folder without a pose


def find_photographs(
    placed: Sequence[PlacedPhotograph], unplaced: Iterable[str], file: Path, images: Path | None
) -> FoundPhotographs:
    """The photographs of a file with poses.

    Args:
        placed: that have a pose.
        unplaced: names of those without, as the file has them.
        file: with the poses, for messages; its folder, or images in that, is where photographs are by default.
        images: folder of the photographs.

    Raises:
        FileNotFoundError: no such folder.
        DatasetError: none is there, a name fits several, has another size than the file says, or its pose is none.
    """
    folder = _folder(file, images)
    search = _Photographs(folder, file)
    cameras, missing, taken = [], list[str](), dict[Path, str]()
    for one in placed:
        path = search.find(one.name)
        if path is None:
            missing.append(one.name)
            continue
        if path in taken:
            raise DatasetError(f"{file}: {taken[path]} and {one.name} are both {path}")
        taken[path] = one.name
        cameras.append(_camera(one, path, folder, file))
    if not cameras:
        raise DatasetError(
            f"{file}: none of its {len(placed)} photographs is in {folder}, e.g. {placed[0].name!r}; name their folder "
            "with --images"
            if placed
            else f"{file}: no photograph in it has a pose"
        )
    lost = _some(missing, f"of {file.name}: not in {folder}")
    without = _some(list(unplaced), f"of {file.name}: without a pose")
    return FoundPhotographs(
        tuple(sorted(cameras, key=lambda camera: camera.name)),
        (*lost, *without),
        left_out_of(folder, [file, *taken], "have no pose"),
    )


def _some(names: list[str], what: str) -> tuple[str, ...]:
    if not names:
        return ()
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return (f"{len(names)} photograph{'s' * (len(names) > 1)} {what} ({listed})",)


def _folder(file: Path, images: Path | None) -> Path:
    if images is not None:
        if not images.is_dir():
            raise FileNotFoundError(f"{images}: no such folder of photographs")
        return images
    beside = file if file.is_dir() else file.parent
    return beside / "images" if (beside / "images").is_dir() else beside


def _camera(one: PlacedPhotograph, path: Path, folder: Path, file: Path) -> GivenCamera:
    where = f"{file}: {one.name}"
    size = image_size(path)
    camera = one.lens if isinstance(one.lens, Camera) else one.lens(*size)
    if size != (camera.width, camera.height):
        stated = (camera.width, camera.height)
        raise DatasetError(
            f"{path}: has {size[0]}x{size[1]} px, {file} says {stated[0]}x{stated[1]} px" + turned_by_exif(path, stated)
        )
    if not (np.abs(one.T_world_camera) < _FARTHEST).all():
        raise DatasetError(f"{where}: the pose is not finite, or makes no sense")
    name = path.relative_to(folder).as_posix()
    return GivenCamera(PosedCamera(name, camera, check_rigid(one.T_world_camera, where)), path)


class _Photographs:
    """Of a folder, by the ends of their paths."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.folder, self.file = folder, file
        self._by_name: dict[str, list[tuple[tuple[str, ...], Path]]] = {}
        for path in list_photographs(folder, below=True):
            parts = _parts(path.relative_to(folder).as_posix())
            for last in {parts[-1], PurePosixPath(parts[-1]).stem}:
                self._by_name.setdefault(last, []).append((parts[:-1], path))

    def find(self, name: str) -> Path | None:
        """The file that agrees with the longest end of a name; None where there is none."""
        parts = _parts(name)
        if not parts:
            return None
        fits = self._by_name.get(parts[-1]) or self._by_name.get(PurePosixPath(parts[-1]).stem, [])
        lengths = [_common_end(folders, parts[:-1]) for folders, _ in fits]
        best = [path for (_, path), length in zip(fits, lengths, strict=True) if length == max(lengths)]
        if len(best) > 1:
            raise DatasetError(
                f"{self.file}: {name!r} may be {best[0]} or {best[1]}; give --images, the folder in which it is one"
            )
        return best[0] if best else None


def _parts(name: str) -> tuple[str, ...]:
    slashed = same_letters(name.replace("\\", "/").replace("\0", ""))
    return tuple(part.lower() for part in slashed.split("/") if part not in ("", "."))


def _common_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return length
