"""Cameras and points of OpenMVG's sfm_data.json, of versions 0.2 to 0.3.

Layout: OpenMVG's sfm_data_io and cameras, written by cereal: entries have a key and a value; an entry of a class names
it once, and by number afterwards, whose highest bit tells that the name comes along. An extrinsic has rotation, which
is R_camera_world row by row, and center, the camera's; camera x right, y down, z forward. Distortion is applied to
x / z and y / z, in OpenCV's form: disto_k1, disto_k3, disto_t2 (k1 k2 k3 t1 t2) and fisheye (k1 k2 k3 k4).
"""

from pathlib import Path
from typing import Any

from splatkit.capture.images.poses.given import GivenCameras, numbers
from splatkit.capture.images.poses.photogrammetry.lenses import make_camera
from splatkit.capture.images.poses.photogrammetry.placed import PlacedPhotograph, find_photographs
from splatkit.capture.images.poses.photogrammetry.records import as_index, entries, entry, head_of, point_cloud
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.geometry.lens_models import LensName
from splatkit.geometry.se3 import compose
from splatkit.io.json_files import read_json

_MARK = b'"sfm_data_version"'
_FIRST_OF_A_NAME = 0x80000000
# Class -> what its distortion is called, and how many numbers that has.
_TERMS = {
    "pinhole": (None, 0),
    "pinhole_radial_k1": ("disto_k1", 1),
    "pinhole_radial_k3": ("disto_k3", 3),
    "pinhole_brown_t2": ("disto_t2", 5),
    "fisheye": ("fisheye", 4),
}


def is_openmvg(path: Path) -> bool:
    """Whether a file looks like such a scene."""
    return path.suffix.lower() == ".json" and path.is_file() and _MARK in head_of(path)


def read_openmvg(path: Path, images: Path | None) -> GivenCameras:
    """Cameras and points of a scene; arguments and errors as `read_metashape` has them."""
    content = read_json(path)
    poses = {
        as_index(one.get("key"), path, "key"): entry(one, "value", path) for one in entries(content, "extrinsics", path)
    }
    lenses = _lenses(content, path)
    placed, without = [], list[str]()
    for view in entries(content, "views", path):
        data = _data(view, path)
        name = data.get("filename")
        if not isinstance(name, str) or not name:
            raise DatasetError(f"{path}: a view has no filename")
        name = f"{data.get('local_path') or ''}/{name}"
        pose = poses.get(as_index(data.get("id_pose"), path, "id_pose"))
        lens = lenses.get(as_index(data.get("id_intrinsic"), path, "id_intrinsic"))
        if pose is None or lens is None:
            without.append(name.lstrip("/"))
            continue
        where = f"{path}: {name}"
        rotation = numbers(pose.get("rotation"), (3, 3), where, "rotation")
        center = numbers(pose.get("center"), (3,), where, "center")
        placed.append(PlacedPhotograph(name.lstrip("/"), lens, compose(rotation.T, center)))
    found = find_photographs(placed, without, path, images)
    return GivenCameras(
        cameras=found.cameras,
        files=(path,),
        frame="of OpenMVG's scene",
        scale="arbitrary",
        up="unknown",
        points=point_cloud(
            [(entry(one, "value", path).get("X"), None) for one in entries(content, "structure", path)],
            path,
            "structure",
        ),
        left_out=found.left_out,
        unused=found.unused,
    )


def _data(one: dict[str, Any], path: Path) -> dict[str, Any]:
    """The members of an entry, those of its base class too."""
    data = entry(entry(entry(one, "value", path), "ptr_wrapper", path), "data", path)
    base = data.get("value0")
    return {**base, **data} if isinstance(base, dict) else data


def _lenses(content: dict[str, Any], path: Path) -> dict[int, Camera]:
    lenses, names = {}, dict[int, str]()
    for one in entries(content, "intrinsics", path):
        number = as_index(one.get("key"), path, "key")
        value = entry(one, "value", path)
        class_number = as_index(value.get("polymorphic_id"), path, "polymorphic_id")
        if class_number & _FIRST_OF_A_NAME:
            names[class_number - _FIRST_OF_A_NAME] = str(value.get("polymorphic_name"))
        kind = names.get(class_number & ~_FIRST_OF_A_NAME, f"number {class_number}")
        lenses[number] = _lens(kind, _data(one, path), f"{path}: intrinsic {number}")
    return lenses


def _lens(kind: str, data: dict[str, Any], where: str) -> Camera:
    if kind not in _TERMS:
        raise DatasetError(
            f"{where}: lenses of class {kind} are not read; known are {', '.join(_TERMS)}. Export "
            "undistorted photographs"
        )
    width, height, focal = numbers(
        [data.get(name) for name in ("width", "height", "focal_length")], (3,), where, "size"
    )
    cx, cy = numbers(data.get("principal_point"), (2,), where, "principal_point").tolist()
    name, count = _TERMS[kind]
    terms: list[float] = [] if name is None else numbers(data.get(name), (count,), where, name).tolist()
    model: LensName = "kannala_brandt" if kind == "fisheye" else "brown_conrady"
    if kind != "fisheye":
        k1, k2, k3, t1, t2 = (*terms, *[0.0] * (5 - len(terms)))
        terms = [k1, k2, t1, t2, k3]
    return make_camera(where, model, (int(width), int(height)), (focal, focal, cx, cy), tuple(terms))
