"""Cameras of an OPF project (Open Photogrammetry Format 1.0, https://pix4d.github.io/opf-spec): PIX4Dmatic and others.

project.opf lists items with resources: camera-list.json has the files of photographs by number, input-cameras.json the
sizes of images, calibrated-cameras.json what was found. orientation_deg is omega, phi, kappa: R_world_camera =
Rx(omega) Ry(phi) Rz(kappa) with camera x right, y up, z backward. The world is the processing system, whose place is in
scene-reference-frame.json: base coordinates * scale, x and y swapped where that says so, + shift. Pixels count from
the corner of the first one. Distortion is OpenCV's, as Pix4D's own tools hand it to COLMAP. A fisheye has the radius
p0 + p1 t + p2 t^2 + ... with t = angle / 90 deg, then an affine matrix.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.given import GivenCameras, files_in, numbers
from splatkit.capture.images.poses.photogrammetry.lenses import make_camera, nearest_fisheye
from splatkit.capture.images.poses.photogrammetry.placed import PlacedPhotograph, find_photographs
from splatkit.capture.images.poses.photogrammetry.records import as_index, entries, entry
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import compose
from splatkit.io.json_files import read_json

Array = NDArray[np.float64]

_PREFIX, _END = "application/opf-", "+json"
_PROJECT, _LIST, _INPUT, _FOUND, _PLACE = (
    *("project", "camera-list", "input-cameras", "calibrated-cameras", "scene-reference-frame"),
)
_UP_BACKWARD = np.diag([1.0, -1.0, -1.0])
_UNIT = re.compile(r'LENGTHUNIT\["([^"]+)"', re.IGNORECASE)
_UTM = re.compile(r"EPSG:(32[67]\d\d|258\d\d)\b", re.IGNORECASE)  # of WGS 84 and ETRS89, in meters
_METERS = ("metre", "meter", "m")


def project_file(path: Path) -> Path | None:
    """The project that a path is, or that its folder holds; None where there is none."""
    found = [path] if path.suffix.lower() == ".opf" else files_in(path, ".opf")
    return found[0] if len(found) == 1 else None


def read_opf(path: Path, images: Path | None) -> GivenCameras:
    """Cameras of a project.

    Args:
        path: the .opf, or the folder with it.
        images: folder of the photographs; by default the project's, or images in it.

    Raises:
        FileNotFoundError: no such file or folder.
        DatasetError: damaged, a lens that is not known, or it does not fit the photographs; names it.
    """
    project = project_file(path)
    if project is None:
        raise FileNotFoundError(f"{path}: no project of OPF; expected one file .opf")
    files = _resources(project)
    if not files.get(_LIST) or not files.get(_FOUND):
        raise DatasetError(f"{project}: holds no list of cameras, or no calibrated ones; calibrate the project first")
    names = _names(files[_LIST])
    found_file = files[_FOUND][-1]
    content = _read(found_file, _FOUND)
    sizes = _sizes(files.get(_INPUT, []))
    sensors = {
        as_index(one.get("id"), found_file, "id"): _Sensor(one, sizes, found_file)
        for one in entries(content, "sensors", found_file)
    }
    placed = [_placed(one, names, sensors, found_file) for one in entries(content, "cameras", found_file)]
    have = {one.name for one in placed}
    found = find_photographs(placed, [name for name in names.values() if name not in have], project, images)
    place = _read(files[_PLACE][-1], _PLACE) if files.get(_PLACE) else None
    georeference, notes = _georeference(place, files.get(_PLACE, [project])[-1])
    notes += _said(content, sensors, len(files[_FOUND]))
    return GivenCameras(
        cameras=found.cameras,
        files=(project, *(file for group in files.values() for file in group)),
        frame="of the processing system of the OPF project" + ("" if place is None else f" ({_crs(place)[:60]})"),
        scale="metric" if place is not None and _is_metric(_crs(place)) else "arbitrary",
        up="unknown" if place is None else "z",
        left_out=(*notes, *found.left_out),
        unused=found.unused,
        georeference=georeference,
    )


class _Sensor:
    """A lens for images whose size the project, or else the photograph, tells."""

    def __init__(self, one: dict[str, Any], sizes: dict[int, tuple[int, int]], file: Path) -> None:
        self.number = as_index(one.get("id"), file, "id")
        self.where = f"{file}: sensor {self.number}"
        self.internals = entry(one, "internals", self.where)
        self.size = sizes.get(self.number)
        self.off_px = 0.0

    def __call__(self, width: int, height: int) -> Camera:
        """The camera of an image of that size, px, or of the size that the project says."""
        size, kind = self.size or (width, height), self.internals.get("type")
        cx, cy = numbers(self.internals.get("principal_point_px"), (2,), self.where, "principal_point_px").tolist()
        if kind == "perspective":
            focal = float(numbers([self.internals.get("focal_length_px")], (1,), self.where, "focal_length_px")[0])
            k1, k2, k3 = numbers(
                self.internals.get("radial_distortion"), (3,), self.where, "radial_distortion"
            ).tolist()
            t1, t2 = numbers(
                self.internals.get("tangential_distortion"), (2,), self.where, "tangential_distortion"
            ).tolist()
            return make_camera(self.where, "brown_conrady", size, (focal, focal, cx, cy), (k1, k2, t1, t2, k3))
        if kind == "fisheye":
            return self._fisheye(size, cx, cy)
        raise DatasetError(f"{self.where}: lenses of type {kind} are not read; known are perspective and fisheye")

    def _fisheye(self, size: tuple[int, int], cx: float, cy: float) -> Camera:
        c, d, e, f = numbers(self.internals.get("affine"), (4,), self.where, "affine").tolist()
        terms = numbers(self.internals.get("polynomial"), (-1,), self.where, "polynomial")
        if d or e or terms[0] or len(terms) < 2 or terms[1] != 1:
            raise DatasetError(
                f"{self.where}: a fisheye that is sheared, or whose polynomial is not t + ..., is not read"
            )
        to_angle = 2 / np.pi
        start = make_camera(
            self.where, "kannala_brandt", size, (c * to_angle, f * to_angle, cx, cy), (0.0, 0.0, 0.0, 0.0)
        )

        def radius(angles: Array) -> Array:
            return np.asarray(np.polynomial.polynomial.polyval(angles * to_angle, terms) / to_angle)

        camera, self.off_px = nearest_fisheye(radius, start, self.where)
        return camera


def _resources(project: Path) -> dict[str, list[Path]]:
    """Files of a project by what they hold; all in its folder."""
    out: dict[str, list[Path]] = {}
    for item in entries(_read(project, _PROJECT), "items", project):
        for resource in entries(item, "resources", project):
            form, uri = resource.get("format"), resource.get("uri")
            if not isinstance(form, str) or not isinstance(uri, str):
                raise DatasetError(f"{project}: a resource has no uri or no format")
            file = project.parent / _path_of(uri)
            if not file.resolve().is_relative_to(project.parent.resolve()):
                raise DatasetError(f"{project}: {uri} leads out of its folder; refused")
            out.setdefault(form.removeprefix(_PREFIX).removesuffix(_END), []).append(file)
    return out


def _path_of(uri: str) -> str:
    """The path of a URI reference; a null byte names no file."""
    try:
        return unquote(urlsplit(uri).path).replace("\0", "")
    except ValueError:
        return uri.replace("\0", "")


def _read(file: Path, kind: str) -> dict[str, Any]:
    content = read_json(file)
    expected = f"{_PREFIX}{kind}{_END}"
    if content.get("format") != expected or not str(content.get("version", "")).startswith("1."):
        raise DatasetError(
            f"{file}: expected {expected}, version 1, got {content.get('format')!r}, {content.get('version')!r}"
        )
    return content


def _names(files: list[Path]) -> dict[int, str]:
    """Paths of photographs by number."""
    out = {}
    for file in files:
        for one in entries(_read(file, _LIST), "cameras", file):
            uri = one.get("uri")
            if not isinstance(uri, str):
                raise DatasetError(f"{file}: a camera has no uri")
            out[as_index(one.get("id"), file, "id")] = _path_of(uri)
    return out


def _sizes(files: list[Path]) -> dict[int, tuple[int, int]]:
    """Width and height of the images of sensors, by number."""
    out = {}
    for file in files:
        for one in entries(_read(file, _INPUT), "sensors", file):
            width, height = numbers(one.get("image_size_px"), (2,), file, "image_size_px").tolist()
            out[as_index(one.get("id"), file, "id")] = (int(width), int(height))
    return out


def _placed(one: dict[str, Any], names: dict[int, str], sensors: dict[int, _Sensor], file: Path) -> PlacedPhotograph:
    number = as_index(one.get("id"), file, "id")
    sensor = sensors.get(as_index(one.get("sensor_id"), file, "sensor_id"))
    if number not in names or sensor is None:
        raise DatasetError(f"{file}: camera {number} is not in the list of cameras, or has no sensor")
    where = f"{file}: {names[number]}"
    angles = numbers(one.get("orientation_deg"), (3,), where, "orientation_deg")
    rotation = Rotation.from_euler("XYZ", angles, degrees=True).as_matrix() @ _UP_BACKWARD
    return PlacedPhotograph(
        names[number], sensor, compose(rotation, numbers(one.get("position"), (3,), where, "position"))
    )


def _crs(place: dict[str, Any]) -> str:
    crs = place.get("crs")
    return str(crs.get("definition", "")) if isinstance(crs, dict) else ""


def _is_metric(crs: str) -> bool:
    """Whether all its lengths are in meters; a bare number says so only where it is known here."""
    units: Iterator[str] = (unit.lower() for unit in _UNIT.findall(crs))
    named = list(units)
    return all(unit in _METERS for unit in named) if named else _UTM.search(crs) is not None


def _georeference(place: dict[str, Any] | None, file: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Place in the base system = place in the processing system - shift, where axes and units are the same."""
    if place is None:
        return None, []
    change = entry(place, "base_to_canonical", file)
    scale = numbers(change.get("scale"), (3,), file, "scale")
    shift = numbers(change.get("shift"), (3,), file, "shift")
    if (scale != 1).any() or change.get("swap_xy"):
        return None, ["the base system has other axes or units than the processing system: no georeference is written"]
    return {"crs": _crs(place), "offset": (-shift).tolist()}, []


def _said(content: dict[str, Any], sensors: dict[int, _Sensor], calibrations: int) -> list[str]:
    notes = []
    if calibrations > 1:
        notes.append(f"{calibrations - 1} older calibrations of the project are left out for the last one")
    if any(one.get("rolling_shutter") for one in content["cameras"]):
        notes.append("the rolling shutter is not used")
    for sensor in sensors.values():
        if sensor.off_px > 0:
            notes.append(
                f"the fisheye of sensor {sensor.number} is another polynomial here, off by {sensor.off_px:.2f} px"
            )
    return notes
