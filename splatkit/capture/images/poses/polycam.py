"""Poses from Polycam's raw data export (https://github.com/PolyCam/polyform).

keyframes/images/NAME.jpg with keyframes/cameras/NAME.json, or corrected_images with corrected_cameras, which Polycam's
own bundle adjustment improved; keyframes/depth/NAME.png, 16 bits, millimeters, and keyframes/confidence/NAME.png, 8
bits. A camera's JSON has rows t_00 to t_23 of its camera-to-world pose: ARKit's axes, meters, camera x right, y up, z
backward (OpenGL), world y up; and fx, fy, cx, cy, width, height in px.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from splatkit.capture.images.poses.arkit import from_arkit
from splatkit.capture.images.poses.given import GivenCamera, GivenCameras, check_rigid, files_in, number
from splatkit.capture.images.poses.phone_depth import phone_depths
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import image_size, read_image, turned_by_exif
from splatkit.io.json_files import read_json
from splatkit.io.maps.depth_maps import DepthMap, read_depth_map

_SECONDS = 1e-6  # Polycam's timestamps are microseconds
_HIGH_CONFIDENCE = 255  # 0 is what ARKit calls low, between them lies medium


def is_polycam(folder: Path) -> bool:
    """Whether a folder looks like such an export."""
    return any((folder / "keyframes" / name).is_dir() for name in ("cameras", "corrected_cameras"))


def read_polycam(folder: Path) -> GivenCameras:
    """Cameras and depth maps of an export; the corrected ones where there are any.

    Raises:
        FileNotFoundError: no such folder, or parts of it are missing.
        DatasetError: a file is damaged; names it.
    """
    keyframes = folder / "keyframes"
    prefix = "corrected_" if files_in(keyframes / "corrected_cameras", ".json") else ""
    files = files_in(keyframes / f"{prefix}cameras", ".json")
    if not files:
        raise FileNotFoundError(f"{keyframes}: no cameras/*.json; expected the folder of Polycam's raw data export")
    images = {path.stem: path for path in files_in(keyframes / f"{prefix}images", ".jpg")}
    known = [path for path in files if path.stem in images]
    if not known:
        raise FileNotFoundError(f"{keyframes / f'{prefix}images'}: no image of the {len(files)} cameras is there")
    return GivenCameras(
        cameras=tuple(_read_camera(path, images[path.stem], keyframes) for path in known),
        files=tuple(known),
        frame="ARKit's world of Polycam",
        scale="metric",
        up="y",
        left_out=tuple(f"{path.name}: its image is missing" for path in files if path.stem not in images),
    )


def _read_camera(path: Path, image: Path, keyframes: Path) -> GivenCamera:
    values = read_json(path)
    pose = np.eye(4)
    for row in range(3):
        pose[row] = [number(values, f"t_{row}{column}", path) for column in range(4)]
    fx, fy, cx, cy = (number(values, name, path) for name in ("fx", "fy", "cx", "cy"))
    size = (number(values, "width", path), number(values, "height", path))
    actual = image_size(image)
    if size != actual:
        raise DatasetError(
            f"{image}: has {actual[0]}x{actual[1]} px, {path.name} says {size[0]:g}x{size[1]:g} px"
            + turned_by_exif(image, size)
        )
    if min(fx, fy) <= 0:
        raise DatasetError(f"{path}: the focal length must be positive, got {min(fx, fy)}")
    camera = Camera("pinhole", *actual, fx, fy, cx, cy)
    depth, confidence = (keyframes / kind / f"{path.stem}.png" for kind in ("depth", "confidence"))
    return GivenCamera(
        posed=PosedCamera(image.name, camera, from_arkit(check_rigid(pose, path))),
        image=image,
        read_depth=_depth_reader(depth, confidence, actual) if depth.is_file() else None,
        time=number(values, "timestamp", path) * _SECONDS if "timestamp" in values else None,
    )


def _depth_reader(path: Path, confidence: Path, size: tuple[int, int]) -> Callable[[], DepthMap]:
    def read() -> DepthMap:
        depths = read_depth_map(path).depths
        levels = None
        if confidence.is_file():
            trust = read_image(confidence)[..., 0]
            if trust.shape != depths.shape:
                raise DatasetError(f"{confidence}: has {trust.shape[::-1]} px, {path.name} {depths.shape[::-1]} px")
            levels = np.select([trust == 0, trust == _HIGH_CONFIDENCE], [0, 2], 1)
        return phone_depths(depths, levels, size)

    return read
