"""Cameras and points of AliceVision and Meshroom: cameras.sfm, sfm.sfm, sfm.json, of versions 1.0 to 1.2.14.

Layout: AliceVision's sfmDataIO and files that it wrote; numbers are texts. A pose's rotation is R_camera_world column
by column, so that its nine numbers row by row are R_world_camera; camera x right, y down, z forward; center is the
camera's. From 1.2.1 on the principal point counts from the middle of the image, before from its corner. The focal
length is in px before 1.2.2 (one number, from 1.2.0 on two), then in mm of sensorWidth; pixelRatio is fx / fy before
1.2.5 and fy / fx after. Distortion is applied to x / z and y / z, in OpenCV's form; older files name it by the type.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splatkit.capture.images.poses.given import GivenCameras, numbers
from splatkit.capture.images.poses.photogrammetry.lenses import make_camera
from splatkit.capture.images.poses.photogrammetry.placed import PlacedPhotograph, find_photographs
from splatkit.capture.images.poses.photogrammetry.records import as_index, entries, entry, head_of, point_cloud
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.geometry.lens_models import LensName
from splatkit.geometry.se3 import compose
from splatkit.io.json_files import read_json

# What a type of lens, or of distortion, has: how many numbers.
_TERMS = {"none": 0, "pinhole": 0, "radialk1": 1, "radialk3": 3, "radialk3pt": 3, "brown": 5, "fisheye": 4}
_OLD_NAMES = {"radial1": "radialk1", "radial3": "radialk3", "fisheye4": "fisheye"}
_MARK = re.compile(rb'"version"\s*:\s*\[')  # other programs' versions are no lists
_FIRST_OF_CENTER, _FIRST_OF_MM, _FIRST_OF_ASPECT, _FIRST_OF_BOTH = (1, 2, 1), (1, 2, 2), (1, 2, 5), (1, 2, 0)
_NOT_TRUE = ("0", "false", 0, False)


def is_alicevision(path: Path) -> bool:
    """Whether a file looks like such a scene."""
    if not path.is_file():
        return False
    return path.suffix.lower() == ".sfm" or (path.suffix.lower() == ".json" and _MARK.search(head_of(path)) is not None)


def read_alicevision(path: Path, images: Path | None) -> GivenCameras:
    """Cameras and points of a scene; arguments and errors as `read_metashape` has them."""
    content = read_json(path)
    version = _version(content.get("version"), path)
    poses = {as_index(pose.get("poseId"), path, "poseId"): pose for pose in entries(content, "poses", path)}
    intrinsics = {
        as_index(one.get("intrinsicId"), path, "intrinsicId"): one for one in entries(content, "intrinsics", path)
    }
    placed, without, on_rig, lenses = [], list[str](), list[str](), dict[int, Camera]()
    for view in entries(content, "views", path):
        name = view.get("path")
        if not isinstance(name, str) or not name:
            raise DatasetError(f"{path}: a view has no path")
        pose = poses.get(as_index(view.get("poseId", view.get("viewId")), path, "poseId"))
        if view.get("rigId") is not None and view.get("isPoseIndependant", "0") in _NOT_TRUE:
            on_rig.append(name)
        elif pose is None:
            without.append(name)
        else:
            number = as_index(view.get("intrinsicId"), path, "intrinsicId")
            if number not in intrinsics:
                raise DatasetError(f"{path}: {name}: intrinsic {number} is not in the file")
            if number not in lenses:
                lenses[number] = _lens(intrinsics[number], version, f"{path}: intrinsic {number}")
            placed.append(PlacedPhotograph(name, lenses[number], _pose(pose, f"{path}: {name}")))
    found = find_photographs(placed, without, path, images)
    rigs = (
        [f"{len(on_rig)} photographs of rigs, whose poses are shared, are left out ({on_rig[0]}, ...)"]
        if on_rig
        else []
    )
    return GivenCameras(
        cameras=found.cameras,
        files=(path,),
        frame="of AliceVision's scene",
        scale="arbitrary",
        up="unknown",
        points=point_cloud(
            [(one.get("X"), one.get("color")) for one in entries(content, "structure", path)], path, "structure"
        ),
        left_out=(*rigs, *found.left_out),
        unused=found.unused,
    )


def _version(value: object, path: Path) -> tuple[int, int, int]:
    major, minor, patch = (int(number) for number in numbers(value, (3,), path, "version"))
    if major != 1:
        raise DatasetError(f"{path}: version {major}.{minor}.{patch} of AliceVision's files is not known")
    return major, minor, patch


def _pose(pose: dict[str, Any], where: str) -> Any:
    """T_world_camera [4, 4]."""
    transform = entry(entry(pose, "pose", where), "transform", where)
    rotation = numbers(transform.get("rotation"), (9,), where, "rotation").reshape(3, 3)
    return compose(rotation, numbers(transform.get("center"), (3,), where, "center"))


def _lens(intrinsic: dict[str, Any], version: tuple[int, int, int], where: str) -> Camera:
    size = tuple(int(_number(intrinsic, name, where)) for name in ("width", "height"))
    width, height = size
    kind = _kind(intrinsic, where)
    fx, fy = _focal(intrinsic, version, where)
    middle = (width / 2, height / 2) if version >= _FIRST_OF_CENTER else (0.0, 0.0)
    cx, cy = numbers(intrinsic.get("principalPoint"), (2,), where, "principalPoint") + middle
    terms = intrinsic.get("distortionParams") or []
    if kind not in _TERMS:
        raise DatasetError(
            f"{where}: lenses of type {kind} are not read; known are pinhole, radial1, radial3, brown and fisheye4. "
            "Export undistorted photographs"
        )
    given = numbers(terms, (-1,), where, "distortionParams").tolist() if terms else [0.0] * _TERMS[kind]
    if len(given) != _TERMS[kind]:
        raise DatasetError(f"{where}: distortionParams: {kind} has {_TERMS[kind]} numbers, got {len(given)}")
    if kind == "radialk3pt":  # the same polynomial over its sum
        fx, fy = fx / (1 + sum(given)), fy / (1 + sum(given))
    model: LensName = "kannala_brandt" if kind == "fisheye" else "brown_conrady"
    intrinsics = (float(fx), float(fy), float(cx), float(cy))
    return make_camera(where, model, (width, height), intrinsics, _in_our_order(kind, given))


def _kind(intrinsic: dict[str, Any], where: str) -> str:
    kind, own = str(intrinsic.get("type")).lower(), str(intrinsic.get("distortionType", "none")).lower()
    undone = intrinsic.get("undistortionParams")
    if undone and np.any(numbers(undone, (-1,), where, "undistortionParams")):
        raise DatasetError(f"{where}: undistortion by 3DEqualizer's models is not read; export undistorted photographs")
    kind = own if kind == "pinhole" and own != "none" else kind
    return _OLD_NAMES.get(kind, kind)


def _focal(intrinsic: dict[str, Any], version: tuple[int, int, int], where: str) -> tuple[float, float]:
    """Focal lengths, px."""
    if version < _FIRST_OF_BOTH:
        focal = _number(intrinsic, "pxFocalLength", where)
        return focal, focal
    if version < _FIRST_OF_MM:
        fx, fy = numbers(intrinsic.get("pxFocalLength"), (2,), where, "pxFocalLength").tolist()
        return fx, fy
    sensor, ratio = (
        _number(intrinsic, "sensorWidth", where),
        _number({"pixelRatio": 1.0, **intrinsic}, "pixelRatio", where),
    )
    if sensor <= 0 or ratio <= 0:
        raise DatasetError(f"{where}: sensorWidth and pixelRatio must be positive, got {sensor:g} and {ratio:g}")
    fx = _number(intrinsic, "focalLength", where) / sensor * _number(intrinsic, "width", where)
    return fx, fx * ratio if version >= _FIRST_OF_ASPECT else fx / ratio


def _number(values: dict[str, Any], name: str, where: str) -> float:
    return float(numbers([values.get(name)], (1,), where, name)[0])


def _in_our_order(kind: str, given: Sequence[float]) -> tuple[float, ...]:
    if kind == "fisheye":
        return tuple(given)
    k1, k2, k3, t1, t2 = (*given, *[0.0] * (5 - len(given)))
    return k1, k2, t1, t2, k3
