"""Cameras of Metashape (File > Export > Export Cameras, "Agisoft XML"), documents of versions 1.2 to 2.

Layout and lens: Metashape's user manual, appendix "Camera models", and files that it wrote. A camera's `transform` is
T_component_camera, row by row, camera x right, y down, z forward. A component (or the chunk, before there were
components) has rotation, translation and scale of its own: place in the world = scale * rotation @ place + translation.
That world is geocentric where the chunk has a geographic or projected reference, else the local coordinates of the
reference; without such a transform it is the component's own, of arbitrary scale.

Pixel = (width / 2 + cx + x' (f + b1) + y' b2, height / 2 + cy + y' f), from the corner of the first pixel, with
x' = x (1 + k1 r^2 + k2 r^4 + k3 r^6 + k4 r^8) + p1 (r^2 + 2 x^2) + 2 p2 x y and y' alike with p1 and p2 exchanged:
OpenCV's p1 and p2 are its p2 and p1. Of a fisheye, x and y are scaled from tan(angle) to the angle first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.images.poses.given import GivenCameras
from splatkit.capture.images.poses.photogrammetry.lenses import make_camera, nearest_camera
from splatkit.capture.images.poses.photogrammetry.metashape_world import World, find_world
from splatkit.capture.images.poses.photogrammetry.placed import PlacedPhotograph, find_photographs
from splatkit.capture.images.poses.photogrammetry.text import floats, read_xml
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import is_rigid

Element = ElementTree.Element
Array = NDArray[np.float64]

_PARAMETERS = ("f", "cx", "cy", "b1", "b2", "k1", "k2", "k3", "k4", "p1", "p2", "p3", "p4")
_FISHEYES = ("fisheye", "equidistant_fisheye")


@dataclass(frozen=True, eq=False)
class _Chunk:
    """What of a chunk is read."""

    element: Element
    cameras: tuple[Element, ...]  # of the component that is read, with a pose and not disabled
    others: dict[str, list[str]]  # names of the others, by what is said of them
    world: World


def is_metashape(path: Path) -> bool:
    """Whether a file looks like such an export."""
    if path.suffix.lower() != ".xml" or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(4096)
    return b"<document" in head and b"<chunk" in head


def read_metashape(path: Path, images: Path | None) -> GivenCameras:
    """Cameras of an export.

    Args:
        path: the file.
        images: folder of the photographs; by default the file's, or images in it.

    Raises:
        FileNotFoundError: no such file or folder.
        DatasetError: damaged, a lens that is not known, or it does not fit the photographs; names it.
    """
    chunks = [chunk for chunk in read_xml(path).iter("chunk") if chunk.find("cameras") is not None]
    if not chunks:
        raise DatasetError(f"{path}: no cameras of a chunk; expected what Metashape exports as Agisoft XML")
    read = [_read_chunk(chunk, path) for chunk in chunks]
    chosen = max(read, key=lambda chunk: len(chunk.cameras))
    lenses, notes = _lenses(chosen, path)
    placed, without = [], dict(chosen.others)
    for camera in chosen.cameras:
        lens = lenses.get(camera.get("sensor_id", ""))
        if lens is None:
            without.setdefault("have a sensor that is not calibrated", []).append(_label(camera, path))
            continue
        placed.append(PlacedPhotograph(_label(camera, path), lens, chosen.world.of(_pose(camera, path))))
    found = find_photographs(placed, without.pop("have no pose", []), path, images)
    return GivenCameras(
        cameras=found.cameras,
        files=(path,),
        frame=chosen.world.frame,
        scale="metric" if chosen.world.is_metric else "arbitrary",
        up="z" if chosen.world.is_upright else "unknown",
        left_out=(*_other_chunks(read, chosen), *_said(without), *notes, *chosen.world.notes, *found.left_out),
        unused=found.unused,
        georeference=chosen.world.georeference,
    )


def _read_chunk(chunk: Element, path: Path) -> _Chunk:
    """The component with the most cameras; others lie elsewhere, nobody knows how."""
    groups: dict[str, list[Element]] = {}
    others: dict[str, list[str]] = {}
    for camera in _cameras(chunk):
        if camera.get("enabled", "true") in ("false", "0"):
            others.setdefault("are disabled in Metashape", []).append(_label(camera, path))
        elif camera.find("transform") is None:
            others.setdefault("have no pose", []).append(_label(camera, path))
        else:
            groups.setdefault(camera.get("component_id", ""), []).append(camera)
    chosen = max(groups, key=lambda name: len(groups[name]), default="")
    for name, cameras in groups.items():
        if name != chosen:
            others.setdefault("are of another component", []).extend(_label(camera, path) for camera in cameras)
    kept = tuple(groups.get(chosen, ()))
    poses = [_pose(camera, path) for camera in kept]
    return _Chunk(chunk, kept, others, find_world(chunk, chosen, poses, path))


def _cameras(chunk: Element) -> Iterator[Element]:
    """Of a chunk, also those in groups."""
    cameras = chunk.find("cameras")
    yield from () if cameras is None else cameras.iter("camera")


def _label(camera: Element, path: Path) -> str:
    label = camera.get("label")
    if not label:
        raise DatasetError(f"{path}: camera {camera.get('id')} has no label, which names its photograph")
    return label


def _pose(camera: Element, path: Path) -> Array:
    """T_component_camera [4, 4]."""
    text = camera.findtext("transform")
    where = f"{path}: {_label(camera, path)}"
    pose = floats(text, 16, where, "transform").reshape(4, 4)
    if not is_rigid(pose):
        raise DatasetError(f"{where}: transform is not a rigid pose, row by row")
    return pose


def _lenses(chunk: _Chunk, path: Path) -> tuple[dict[str, Camera], list[str]]:
    """Of the sensors that are used, by their numbers, and what is said of those that are not exactly ours."""
    wanted = {camera.get("sensor_id", "") for camera in chunk.cameras}
    lenses, notes = {}, []
    for sensor in chunk.element.iterfind("sensors/sensor"):
        number = sensor.get("id", "")
        calibration = _calibration(sensor)
        if number in wanted and calibration is not None:
            where = f"{path}: sensor {number} ({sensor.get('label', '')})"
            lenses[number], off = _lens(sensor, calibration, where)
            if off > 0:
                notes.append(
                    f"the lens of sensor {number} has terms without a name here; what is used is off by {off:.2f} px"
                )
            if (shutter := sensor.find("rolling_shutter")) is not None and shutter.text not in (None, "", "disabled"):
                notes.append(f"the rolling shutter of sensor {number} is not used: poses are those of the middle row")
    return lenses, notes


def _calibration(sensor: Element) -> Element | None:
    """The adjusted one, if there is any."""
    found = sensor.findall("calibration")
    adjusted = [one for one in found if one.get("class") == "adjusted"]
    return next(iter(adjusted or found), None)


def _lens(sensor: Element, calibration: Element, where: str) -> tuple[Camera, float]:
    """A sensor's lens, and by how many px it is off at most."""
    kind = calibration.get("type") or sensor.get("type") or "frame"
    if kind != "frame" and kind not in _FISHEYES:
        raise DatasetError(
            f"{where}: lenses of type {kind} are not read; known are frame and fisheye (equidistant). Cut panoramas "
            "into pinhole images, or export undistorted photographs"
        )
    resolution = calibration.find("resolution")
    resolution = sensor.find("resolution") if resolution is None else resolution
    if resolution is None:
        raise DatasetError(f"{where}: no resolution")
    size = tuple(int(floats(resolution.get(name), 1, where, name)[0]) for name in ("width", "height"))
    unknown = [
        one.tag for one in calibration if one.tag not in (*_PARAMETERS, "resolution", "date") and one.tag[1:].isdigit()
    ]
    if unknown:
        raise DatasetError(f"{where}: the term {unknown[0]} of the lens is not known")
    values = {name: float(floats(calibration.findtext(name, "0"), 1, where, name)[0]) for name in _PARAMETERS}
    width, height = size
    f, b1, b2 = values["f"], values["b1"], values["b2"]
    intrinsics = (f + b1, f, width / 2 + values["cx"], height / 2 + values["cy"])
    k = tuple(values[f"k{n}"] for n in (1, 2, 3, 4))
    p = tuple(values[f"p{n}"] for n in (1, 2, 3, 4))
    if kind in _FISHEYES:
        if b2 or any(p):
            raise DatasetError(f"{where}: a fisheye with b2 or p1, p2 is not read; optimize cameras without them")
        return make_camera(where, "kannala_brandt", (width, height), intrinsics, k), 0.0
    start = make_camera(where, "brown_conrady", (width, height), intrinsics, (k[0], k[1], p[1], p[0], k[2]))
    if not (k[3] or b2 or p[2] or p[3]):
        return start, 0.0
    return nearest_camera(lambda tangents: _project(tangents, size, values), start, where)


def _project(tangents: Array, size: tuple[int, ...], of: dict[str, float]) -> Array:
    """Pixels [N, 2] of directions [N, 2] by the formulas of the manual."""
    x, y = tangents.T
    s = x * x + y * y
    radial = 1 + s * (of["k1"] + s * (of["k2"] + s * (of["k3"] + s * of["k4"])))
    higher = 1 + s * (of["p3"] + s * of["p4"])
    u = x * radial + (of["p1"] * (s + 2 * x * x) + 2 * of["p2"] * x * y) * higher
    v = y * radial + (of["p2"] * (s + 2 * y * y) + 2 * of["p1"] * x * y) * higher
    return np.stack(
        [
            size[0] / 2 + of["cx"] + u * (of["f"] + of["b1"]) + v * of["b2"],
            size[1] / 2 + of["cy"] + v * of["f"],
        ],
        axis=1,
    )


def _other_chunks(read: list[_Chunk], chosen: _Chunk) -> list[str]:
    return [
        f"chunk {chunk.element.get('label', '')!r} with {len(chunk.cameras)} cameras is left out for chunk "
        f"{chosen.element.get('label', '')!r} with {len(chosen.cameras)}"
        for chunk in read
        if chunk is not chosen
    ]


def _said(others: dict[str, list[str]]) -> list[str]:
    return [f"{len(names)} cameras {what} and are left out (e.g. {names[0]})" for what, names in others.items()]
