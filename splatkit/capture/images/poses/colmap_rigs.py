"""Rigs and frames of a COLMAP model: which images were taken together, and by which camera of a body.

Text and order of the values: https://colmap.github.io/format.html, since COLMAP 3.12. The binary form has them in the
same order, little-endian: counts of 64 bits before the records, numbers of rigs, sensors and frames of 32, of data of
64, kinds of sensors of 32 (0 is a camera), one byte that tells whether a pose follows, and poses of 7 doubles.

Models hold the poses of images as well, and those are what is read. Rigs are only taken where both agree.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.rigs.rig import CameraRig, Mount, RigCamera
from splatkit.errors import DatasetError
from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.se3 import compose

_CAMERA = ("CAMERA", 0)
_TOLERANCE = 1e-3  # rad, and of the distances of a scene: what a pose and its rig may differ by
_UNIT_TOLERANCE = 0.01
_FARTHEST = 1e12  # in whatever units: what is larger is damage
_MOST_SENSORS = 100_000
_CURE = "delete rigs and frames to read the model without them"


@dataclass
class _Rig:
    """As the file has it."""

    poses: dict[int, NDArray[np.float64] | None] = field(default_factory=dict)  # T_camera_rig by number of the camera


@dataclass(frozen=True)
class _Frame:
    rig: int
    T_rig_world: NDArray[np.float64]
    images: tuple[tuple[int, int], ...]  # numbers of camera and image


def rig_files(model: Path, suffix: str) -> tuple[Path, Path] | None:
    """Of a model's folder; None where it has none, as those of COLMAP before 3.12."""
    rigs, frames = model / f"rigs{suffix}", model / f"frames{suffix}"
    return (rigs, frames) if rigs.is_file() and frames.is_file() else None


def read_rigs(
    files: tuple[Path, Path], names: dict[int, str], views: dict[str, PosedCamera]
) -> tuple[CameraRig | None, str | None]:
    """Which images the cameras of rigs took together.

    Args:
        files: rigs and frames, both as .bin or as .txt.
        names: of images, by their numbers.
        views: the images' own poses, by name.

    Returns:
        Cameras of all rigs with more than one, named by the folders of their images or by their numbers; None where
        there are none, or where rigs say other poses than images do, and a sentence that tells so.

    Raises:
        DatasetError: a file is damaged; names it.
    """
    rigs, frames = _read(files[0], _read_rig), _read(files[1], _read_frame)
    scale = _extent(views)
    mounts: dict[str, Mount] = {}
    cameras: dict[int, NDArray[np.float64] | None] = {}
    for number, frame in frames.items():
        rig = rigs.get(frame.rig)
        if rig is None:
            raise DatasetError(
                f"{files[1]}: frame {number} is of rig {frame.rig}, which is not in {files[0].name}; {_CURE}"
            )
        if len(rig.poses) < 2:
            continue
        for camera, image in frame.images:
            name = names.get(image)
            if camera not in rig.poses:
                raise DatasetError(f"{files[1]}: frame {number}: camera {camera} is not of rig {frame.rig}; {_CURE}")
            if name not in views:
                continue  # of an image that found no place
            T_camera_rig = rig.poses[camera]
            if T_camera_rig is None or not _agree(T_camera_rig @ frame.T_rig_world, views[name], scale):
                return None, f"{files[0].name} says other poses than the images have: cameras count one by one"
            mounts[name] = Mount(f"camera_{camera}", f"frame_{number:06d}")
            cameras[camera] = T_camera_rig
    if not mounts:
        return None, None
    calls = _calls(mounts)
    named = {name: mount._replace(camera=calls[mount.camera]) for name, mount in mounts.items()}
    order = sorted(cameras)
    return CameraRig(tuple(RigCamera(calls[f"camera_{n}"], cameras[n]) for n in order), named), None


def _calls(mounts: dict[str, Mount]) -> dict[str, str]:
    """What cameras are called: as the folders of their images, where each has one of its own."""
    folders: dict[str, set[str]] = {}
    for name, mount in mounts.items():
        folders.setdefault(mount.camera, set()).add(PurePosixPath(name).parent.name)
    found = [next(iter(own)) for own in folders.values() if len(own) == 1]
    if len(set(found) - {""}) < len(folders):
        return {camera: camera for camera in folders}
    return dict(zip(folders, found, strict=True))


class _Words:
    """The values of a file, one after the other, whatever its form."""

    def __init__(self, path: Path, line: str | None, data: bytes = b"") -> None:
        self._words = iter([] if line is None else line.split())
        self._is_text = line is not None
        self._data, self.position = data, 0

    def take(self, form: str) -> int | float:
        """The next one, by its form in the binary file."""
        if self._is_text:
            word = next(self._words)
            return float(word) if form == "d" else int(word)
        (value,) = struct.unpack_from("<" + form, self._data, self.position)
        self.position += struct.calcsize("<" + form)
        return float(value) if form == "d" else int(value)

    def sensor(self) -> tuple[bool, int]:
        """Whether the next sensor is a camera, and its number."""
        kind = next(self._words) if self._is_text else int(self.take("i"))
        return kind in _CAMERA, int(self.take("I"))

    def pose(self) -> NDArray[np.float64]:
        """[4, 4] of qw qx qy qz, tx ty tz."""
        values = np.array([self.take("d") for _ in range(7)])
        if not (np.abs(values) < _FARTHEST).all() or abs(np.linalg.norm(values[:4]) - 1) > _UNIT_TOLERANCE:
            raise ValueError("a pose is not finite, or its quaternion not of unit length")
        return compose(Rotation.from_quat(np.roll(values[:4], -1)).as_matrix(), values[4:])

    def count(self, form: str) -> int:
        """How many entries follow."""
        value = int(self.take(form))
        if not 0 <= value <= _MOST_SENSORS:
            raise ValueError(f"{value} entries")
        return value

    def end(self) -> None:
        """Refuses what follows on a line."""
        if self._is_text and next(self._words, None) is not None:
            raise ValueError("more values than were announced")


def _read_rig(words: _Words) -> tuple[int, _Rig]:
    number, count, out = int(words.take("I")), words.count("I"), _Rig()
    for index in range(count):
        is_camera, sensor = words.sensor()
        pose: NDArray[np.float64] | None = np.eye(4)
        if index > 0:
            pose = words.pose() if words.take("B") else None
        if is_camera:
            out.poses[sensor] = pose
    return number, out


def _read_frame(words: _Words) -> tuple[int, _Frame]:
    number, rig, pose = int(words.take("I")), int(words.take("I")), words.pose()
    images = []
    for _ in range(words.count("I")):
        is_camera, sensor = words.sensor()
        data = int(words.take("Q"))
        if is_camera:
            images.append((sensor, data))
    return number, _Frame(rig, pose, tuple(images))


def _read(path: Path, read_one: Callable[[_Words], tuple[int, object]]) -> dict:
    """All records of a file, by number."""
    out: dict[int, object] = {}
    try:
        for words in _lines(path) if path.suffix == ".txt" else _records(path):
            number, record = read_one(words)
            words.end()
            if number in out:
                raise ValueError(f"number {number} comes twice")
            out[number] = record
    except (ValueError, StopIteration, RuntimeError, struct.error, OverflowError) as error:
        raise DatasetError(f"{path}: damaged or cut short ({error or 'values are missing'}); {_CURE}") from None
    return out


def _lines(path: Path) -> Iterator[_Words]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield _Words(path, line)


def _records(path: Path) -> Iterator[_Words]:
    data = path.read_bytes()
    words = _Words(path, None, data)
    for _ in range(min(int(words.take("Q")), len(data))):
        yield words
    if words.position != len(data):
        raise ValueError(f"{len(data)} bytes, {words.position} of them announced")


def _extent(views: dict[str, PosedCamera]) -> float:
    centers = np.stack([view.center for view in views.values()]) if views else np.zeros((1, 3))
    return float(np.linalg.norm(np.ptp(centers, axis=0)))


def _agree(T_camera_world: NDArray[np.float64], view: PosedCamera, extent: float) -> bool:
    apart = T_camera_world @ view.T_world_camera
    turned = np.linalg.norm(Rotation.from_matrix(apart[:3, :3]).as_rotvec())
    return bool(turned < _TOLERANCE and np.linalg.norm(apart[:3, 3]) <= _TOLERANCE * extent + 1e-9)
