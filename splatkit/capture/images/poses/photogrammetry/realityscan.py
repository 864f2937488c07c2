"""Cameras of RealityScan, formerly RealityCapture: the table "Internal/External camera parameters", or XMP sidecars.

Sources: Epic Games, "Camera Geometry in RealityScan", and "Registration export and camera orientations" of its
knowledge base. Lengths of an image are shares of its longer side, about its center: the principal point is those, the
focal length is that of 36 mm film. World z is up. Heading, pitch and roll are in degrees: with all zero a camera looks
down and its upper side is to the north (y); T_world_camera = Rz(-heading) Rx(pitch) Ry(roll) with camera y up and z
backward. In sidecars Rotation is R_camera_world row by row, camera x right, y down, z forward, and Position is the
camera's.

Distortion is of x / z and y / z. Brown's has the coefficients k1 k2 k3 k4 t1 t2: x (1 + k1 r^2 + k2 r^4 + k3 r^6 +
k4 r^8) + t1 (r^2 + 2 x^2) + 2 t2 x y, so that t1 and t2 are OpenCV's p2 and p1. The division model is x / (1 + k1 r^2),
which is a quotient of OpenCV's. Sidecars name their model; the table does not, which is said.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.given import GivenCameras, files_in
from splatkit.capture.images.poses.photogrammetry.lenses import make_camera, nearest_camera
from splatkit.capture.images.poses.photogrammetry.placed import PlacedPhotograph, find_photographs
from splatkit.capture.images.poses.photogrammetry.text import floats, read_xml
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import compose
from splatkit.io.formats.text import decode_text

Array = NDArray[np.float64]

_FILM_MM = 36.0
_MOST_SPREAD_DEG, _LEAST_ALTITUDE = 0.05, 5.0  # of flights of 5 km at most; smaller scenes do not lie so high
_POSE = ("x", "y", "alt", "heading", "pitch", "roll")
_NEEDED = ("name", *_POSE, "f")
_DISTORTION = ("k1", "k2", "k3", "k4", "t1", "t2")
_NAMESPACE = "http://www.capturingreality.com/ns/xcr/1.1#"
_DIVISION = "division"
_BROWN = ("perspective", "brown3", "brown4", "brown3t2", "brown4t2")
_UP_BACKWARD = np.diag([1.0, -1.0, -1.0])
_TABLES_LENS = (
    "the table does not name the model of its distortion, which was taken as Brown's: where RealityScan's Distortion "
    "model was Division, align with Brown3 and export again"
)


def is_realityscan(path: Path) -> bool:
    """Whether a file is such a table, or a folder has such sidecars."""
    if path.is_dir():
        return any(_NAMESPACE.encode() in file.read_bytes() for file in files_in(path, ".xmp")[:20])
    return path.suffix.lower() in (".csv", ".txt") and _columns(path)[0] is not None


def read_realityscan(path: Path, images: Path | None) -> GivenCameras:
    """Cameras of a table, or of the sidecars of a folder.

    Args:
        path: the table, or the folder with sidecars.
        images: folder of the photographs; by default that of `path`, or images in it.

    Raises:
        FileNotFoundError: no such file or folder.
        DatasetError: damaged, a lens that is not known, or it does not fit the photographs; names it.
    """
    if path.is_dir():
        (files, placed, without), notes = _read_sidecars(path), list[str]()
    else:
        files, placed, without, notes = (path,), _read_rows(path), list[str](), [_TABLES_LENS]
    found = find_photographs(placed, without, path, images)
    notes += _said_of([one.lens for one in placed if isinstance(one.lens, _Lens)])
    return GivenCameras(
        cameras=found.cameras,
        files=files,
        frame="of RealityScan as it was exported",
        scale="arbitrary",
        up="z",
        left_out=(*notes, *found.left_out),
        unused=found.unused,
    )


class _Lens:
    """Of a photograph whose size only its file tells."""

    def __init__(self, values: Mapping[str, float], where: str, model: str = "brown4t2") -> None:
        self.values, self.where, self.model = values, where, model
        self.off_px = 0.0  # of the camera that was made, at most

    def __call__(self, width: int, height: int) -> Camera:
        """The camera of an image of that size, px."""
        longer, v = max(width, height), self.values
        f = v["f"] * longer / _FILM_MM
        intrinsics = (f, f, width / 2 + v.get("px", 0.0) * longer, height / 2 + v.get("py", 0.0) * longer)
        k1, k2, k3, k4, t1, t2 = (v.get(name, 0.0) for name in _DISTORTION)
        terms = (0.0, 0.0, 0.0, 0.0, 0.0, k1, 0.0, 0.0) if self.model == _DIVISION else (k1, k2, t2, t1, k3)
        camera = make_camera(self.where, "brown_conrady", (width, height), intrinsics, terms)
        if self.model == _DIVISION or not k4:
            return camera

        def project(tangents: Array) -> Array:
            s = (tangents**2).sum(1, keepdims=True)
            points = np.concatenate([tangents, np.ones_like(s)], axis=1)
            return np.asarray(camera.image(points) + f * k4 * s**4 * tangents)

        nearest, self.off_px = nearest_camera(project, camera, self.where)
        return nearest


def _said_of(lenses: list[_Lens]) -> list[str]:
    """Of those that are not exactly ours."""
    off = [lens.off_px for lens in lenses if lens.off_px > 0]
    if not off:
        return []
    return [f"{len(off)} lenses have a term without a name here (k4); what is used is off by up to {max(off):.2f} px"]


def _columns(path: Path) -> tuple[list[str] | None, list[list[str]]]:
    """Headings of such a table, None where it has others, and its rows."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        rows = [row for row in csv.reader(io.StringIO(decode_text(path.read_bytes()))) if row]
    except csv.Error:
        return None, []
    for number, row in enumerate(rows[:3]):  # a line with the number of cameras may come first
        names = [word.strip().lstrip("#").strip().lower() for word in row]
        if all(name in names for name in _NEEDED):
            return names, rows[number + 1 :]
    return None, []


def _read_rows(path: Path) -> list[PlacedPhotograph]:
    names, rows = _columns(path)
    if names is None:
        raise DatasetError(f"{path}: no table of RealityScan; expected the columns {','.join(_NEEDED)}")
    placed = []
    for row in rows:
        where = f"{path}: {row[0]}"
        if len(row) < len(names):
            raise DatasetError(f"{where}: has {len(row)} columns, expected {len(names)}")
        words = dict(zip(names, row, strict=False))
        known = (*_POSE, "f", "px", "py", *_DISTORTION)
        values = {name: float(floats(words[name], 1, where, name)[0]) for name in known if name in words}
        center = np.array([values[name] for name in ("x", "y", "alt")])
        placed.append(PlacedPhotograph(words["name"].strip(), _Lens(values, where), compose(_turned(values), center)))
    _refuse_degrees(placed, path)
    return placed


def _refuse_degrees(placed: list[PlacedPhotograph], path: Path) -> None:
    """DatasetError where x and y are longitude and latitude, which they are if output coordinates were chosen so."""
    centers = np.array([one.T_world_camera[:3, 3] for one in placed]).reshape(-1, 3)
    if len(centers) < 2:
        return
    spread, high = np.ptp(centers[:, :2], axis=0).max(), np.abs(centers[:, 2]).min()
    if (np.abs(centers[:, :2]) <= (180, 90)).all() and spread < _MOST_SPREAD_DEG and high > _LEAST_ALTITUDE:
        raise DatasetError(
            f"{path}: x and y differ by {spread:.2g} at most, at altitudes of {high:.0f} and more, and look like "
            "degrees; export with a local or projected output coordinate system"
        )


def _turned(values: Mapping[str, float]) -> Array:
    """R_world_camera [3, 3] of heading, pitch and roll."""
    angles = [-values["heading"], values["pitch"], values["roll"]]
    return np.asarray(Rotation.from_euler("ZXY", angles, degrees=True).as_matrix() @ _UP_BACKWARD)


def _read_sidecars(folder: Path) -> tuple[tuple[Path, ...], list[PlacedPhotograph], list[str]]:
    """Files, photographs with a pose, and names of those without."""
    files, placed, without = [], [], []
    for file in files_in(folder, ".xmp"):
        if _NAMESPACE.encode() not in file.read_bytes():
            continue
        files.append(file)
        values = _properties(file)
        if "Rotation" not in values or "Position" not in values:
            without.append(file.stem)
        else:
            placed.append(_sidecar(file, values))
    return tuple(files), placed, without


def _properties(file: Path) -> dict[str, str]:
    """Of the namespace, which are attributes or elements."""
    out, prefix = {}, f"{{{_NAMESPACE}}}"
    for element in read_xml(file).iter():
        out.update(
            {name.removeprefix(prefix): text for name, text in element.attrib.items() if name.startswith(prefix)}
        )
        if isinstance(element, ElementTree.Element) and element.tag.startswith(prefix):
            out[element.tag.removeprefix(prefix)] = element.text or ""
    return out


def _sidecar(file: Path, values: Mapping[str, str]) -> PlacedPhotograph:
    def one(name: str, default: str) -> float:
        return float(floats(values.get(name, default), 1, file, name)[0])

    if one("Skew", "0") or one("AspectRatio", "1") != 1:
        raise DatasetError(f"{file}: Skew and AspectRatio are not read; calibrate without them")
    if "FocalLength35mm" not in values:
        raise DatasetError(f"{file}: has a pose and no FocalLength35mm")
    model, terms = values.get("DistortionModel", "perspective"), values.get("DistortionCoeficients", "0 0 0 0 0 0")
    distortion = floats(terms, 6, file, "DistortionCoeficients")
    if model not in (*_BROWN, _DIVISION) and distortion.any():
        raise DatasetError(
            f"{file}: the distortion model {model} is not read; choose Brown3 in the alignment settings and align again"
        )
    lens = {"f": one("FocalLength35mm", "0"), "px": one("PrincipalPointU", "0"), "py": one("PrincipalPointV", "0")}
    lens |= dict(zip(_DISTORTION, distortion.tolist(), strict=True))
    rotation = floats(values["Rotation"], 9, file, "Rotation").reshape(3, 3)
    center = floats(values["Position"], 3, file, "Position")
    return PlacedPhotograph(file.stem, _Lens(lens, str(file), model), compose(rotation.T, center))
