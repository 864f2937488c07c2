"""Panoramas among gathered photographs: each becomes pinhole images of one rig, whose cameras share one center."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from splatkit.capture.free_space import require_free
from splatkit.capture.images.files import ImageFile
from splatkit.capture.images.inputs import GatheredImages
from splatkit.capture.images.panoramas.cuts import (
    DIRECTIONS,
    Choice,
    CutDirection,
    averaged,
    blind_directions,
    continued,
    cut,
    cut_camera,
    is_too_wide,
    nadir_mask,
)
from splatkit.capture.images.panoramas.recognition import is_panorama
from splatkit.capture.images.rigs.rig import CameraRig, Mount, RigCamera
from splatkit.capture.work_folder import WorkFolder
from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import invert
from splatkit.io.images import read_image, read_mask, write_image
from splatkit.io.photographs.heif import is_heif
from splatkit.progress import Progress, track

_LOSSY = (".jpg", ".jpeg")
_BYTES_A_PIXEL = 3  # of a cut, as PNG and JPEG come to at most
_NARROWEST = 64  # px: a panorama below shows nothing


@dataclass(frozen=True)
class PanoramaSettings:
    """What becomes of panoramas."""

    asked: Literal["auto", "yes", "no"] = "auto"
    """Which images are panoramas: those that look so, all, or none."""
    cuts: Choice = "sides"
    """Which of the six directions are cut."""
    nadir_deg: float = 0.0
    """What lies within this angle of straight down is masked, deg."""


def cut_panoramas(
    gathered: GatheredImages, settings: PanoramaSettings, work: WorkFolder, progress: Progress
) -> GatheredImages:
    """The same with pinhole images for each panorama; other photographs stay what they are.

    Args:
        gathered: without poses.
        settings: see there.
        work: where cuts are kept; an interrupted run resumes there.
        progress: shows a bar.

    Raises:
        DatasetError: a panorama is no whole one, too small or too large; names it.
        SettingsError: the nadir's angle is none.
        OSError: there is no room for the cuts.
    """
    if not 0 <= settings.nadir_deg < 90:
        raise SettingsError(f"--nadir-deg: expected an angle from 0 to less than 90, got {settings.nadir_deg}")
    chosen = [file for file in gathered.files if _is_chosen(file, settings.asked)]
    if not chosen:
        return gathered
    width = _smallest_width(chosen)
    camera = cut_camera(width)
    directions = _directions(settings, camera)
    stage = work.stage("cuts", [gathered.content(), [str(path) for path in gathered.masks.values()], asdict(settings)])
    require_free(work.out, _BYTES_A_PIXEL * camera.width**2 * len(directions) * len(chosen))
    files: list[ImageFile] = [file for file in gathered.files if file not in chosen]
    masks = {file.name: gathered.masks[file.name] for file in files if file.name in gathered.masks}
    mounts = {}
    for panorama in track(chosen, "cutting panoramas", progress, len(chosen)):
        _cut_one(panorama, gathered.masks.get(panorama.name), directions, width, settings.nadir_deg, stage)
        for number, direction in enumerate(directions):
            name = _name(direction, panorama)
            files.append(
                replace(
                    panorama,
                    name=name,
                    path=stage / "images" / name,
                    width=camera.width,
                    height=camera.height,
                    up=(0, -1),
                    gps=panorama.gps if number == 0 else None,  # one position is one measurement
                )
            )
            mounts[name] = Mount(direction.name, panorama.name)
            mask = _mask_path(stage, name)
            if mask.is_file():
                masks[name] = mask
    rig = CameraRig(tuple(_rig_camera(direction, directions[0], camera) for direction in directions), mounts)
    return replace(
        gathered, files=tuple(files), masks=masks, rig=rig, are_made=True, notes=(*gathered.notes, _note(chosen, rig))
    )


def _is_chosen(file: ImageFile, asked: Literal["auto", "yes", "no"]) -> bool:
    if asked == "no":
        return False
    if asked == "yes" and file.width != 2 * file.height:
        raise DatasetError(
            f"{file.path}: has {file.width}x{file.height} px; a panorama of the whole sphere is twice as wide as high "
            "(--panoramas auto takes others for photographs)"
        )
    return asked == "yes" or is_panorama(file.path)


def _smallest_width(panoramas: Sequence[ImageFile]) -> int:
    """px, that all can be cut at."""
    for file in panoramas:
        if is_too_wide(file.width) or file.width < _NARROWEST:
            raise DatasetError(
                f"{file.path}: a panorama of {file.width}x{file.height} px cannot be cut; make it "
                f"{'smaller' if file.width > _NARROWEST else 'larger'}"
            )
    return min(file.width for file in panoramas)


def _directions(settings: PanoramaSettings, camera: Camera) -> list[CutDirection]:
    """Without those that the nadir covers."""
    asked = DIRECTIONS[settings.cuts]
    blind = blind_directions(asked, camera, settings.nadir_deg)
    return [direction for direction in asked if direction not in blind]


def _cut_one(
    panorama: ImageFile,
    mask: Path | None,
    directions: Sequence[CutDirection],
    width: int,
    nadir_deg: float,
    stage: Path,
) -> None:
    """Write what is not there yet of one panorama, an image after its mask: where there is an image, both are."""
    missing = [direction for direction in directions if not (stage / "images" / _name(direction, panorama)).is_file()]
    if not missing:
        return
    camera = cut_camera(width)
    source = continued(averaged(_reduced(read_image(panorama.path)[..., :3], width)))
    counts = None if mask is None else continued(read_mask(mask)[..., None].astype(np.uint8))
    for direction in missing:
        name = _name(direction, panorama)
        seen = nadir_mask(direction, camera, nadir_deg)
        if counts is not None:
            seen = seen & (cut(counts, direction, camera, cv2.INTER_NEAREST)[..., 0] > 0)
        if not seen.all():
            write_image(_mask_path(stage, name), np.where(seen, 255, 0).astype(np.uint8))
        path = stage / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, cut(source, direction, camera))


def _reduced(image: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """A panorama [H, W, C] at a width not above its own, px: those of all cuts have one size."""
    if image.shape[1] == width:
        return image
    return np.asarray(cv2.resize(image, (width, width // 2), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _name(direction: CutDirection, panorama: ImageFile) -> str:
    """As COLMAP arranges rigs: a folder for each camera, one name for what was taken together."""
    path = PurePosixPath(direction.name) / panorama.name
    if path.suffix.lower() in (*_LOSSY, ".png"):
        return path.as_posix()
    return f"{path}.jpg" if is_heif(panorama.path) else f"{path}.png"


def _mask_path(stage: Path, name: str) -> Path:
    return stage / "masks" / f"{name}.png"


def _rig_camera(direction: CutDirection, reference: CutDirection, camera: Camera) -> RigCamera:
    return RigCamera(direction.name, invert(direction.T_panorama_cut) @ reference.T_panorama_cut, camera)


def _note(panoramas: Sequence[ImageFile], rig: CameraRig) -> str:
    names, camera = ", ".join(mounted.name for mounted in rig.cameras), rig.cameras[0].camera
    assert camera is not None
    return (
        f"{len(panoramas)} panoramas became {len(rig.mounts)} pinhole images of {camera.width}x{camera.height} px "
        f"({names}); --panoramas no takes them for photographs"
    )
