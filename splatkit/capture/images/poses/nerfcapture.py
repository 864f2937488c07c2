"""Poses and depth of NeRFCapture (https://github.com/jc211/NeRFCapture): a transforms.json of its own kind.

Like instant-ngp's, with `integer_depth_scale` for the file and `depth_path` for a frame; but the world is ARKit's, y up
and in meters. Depth maps are PNGs of 16 bits, m = value * integer_depth_scale, as instant-ngp's
scripts/nerfcapture2nerf.py writes them. The app itself names depth maps in its offline mode and writes none.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from splatkit.capture.images.poses.given import GivenCamera, GivenCameras, number
from splatkit.capture.images.poses.nerfstudio import read_transforms_poses
from splatkit.capture.images.poses.phone_depth import phone_depths
from splatkit.errors import DatasetError
from splatkit.io.dataset_paths import DatasetPaths
from splatkit.io.json_files import read_json
from splatkit.io.maps.depth_maps import DepthMap, read_depth_map

_SCALE = "integer_depth_scale"
_SIGNS = (_SCALE, "depth_integer_scale")  # the script's name and the app's, which no other program writes


def is_nerfcapture(path: Path) -> bool:
    """Whether a transforms.json, or that of a folder, is of this kind."""
    file = _file(path)
    try:
        return file.is_file() and any(name in read_json(file) for name in _SIGNS)
    except DatasetError:
        return False  # told by who reads it


def read_nerfcapture(path: Path) -> GivenCameras:
    """Cameras and depth maps.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: it cannot be used; names file and frame.
    """
    given, file = read_transforms_poses(path), _file(path)
    content = read_json(file)
    paths = DatasetPaths(file.resolve(), allow_outside=False)
    depths = {
        _stem(entry["file_path"]): paths.found(entry.get("depth_path"), f"{file}: {entry['file_path']}: depth_path")
        for entry in content["frames"]
    }
    cameras = []
    for camera in given.cameras:
        depth = depths.get(_stem(f"images/{camera.name}"))
        if depth is None:
            cameras.append(camera)
            continue
        if _SCALE not in content:
            raise DatasetError(f"{file}: has depth maps and no {_SCALE}, the meters that a step of theirs is worth")
        cameras.append(replace(camera, read_depth=_depth_reader(depth, number(content, _SCALE, file), camera)))
    lacking = (f"{len(paths.missing)} depth maps that it names do not exist",) if paths.missing else ()
    used = {path.name for path in depths.values() if path is not None}
    return replace(
        given,
        cameras=tuple(cameras),
        frame="ARKit's world of NeRFCapture",
        scale="metric",
        up="y",
        left_out=(*given.left_out, *lacking),
        unused=tuple(
            replace(group, names=names)
            for group in given.unused
            if (names := tuple(name for name in group.names if PurePosixPath(name).name not in used))
        ),
    )


def _file(path: Path) -> Path:
    return path / "transforms.json" if path.is_dir() else path


def _stem(name: str) -> str:
    """A name without suffix: the app names images so."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.with_suffix("").as_posix() if path.suffix.lower() in (".png", ".jpg", ".jpeg") else path.as_posix()


def _depth_reader(path: Path, unit: float, camera: GivenCamera) -> Callable[[], DepthMap]:
    lens = camera.posed.camera
    return lambda: phone_depths(read_depth_map(path, unit=unit).depths, None, (lens.width, lens.height))
