"""Poses from a transforms.json, as nerfstudio and instant-ngp write them.

Camera-to-world in OpenGL axes; https://docs.nerf.studio/quickstart/data_conventions.html. The world's frame is kept as
it is, with the file's `applied_transform` where it has one; whether its lengths are meters the file cannot say.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from splatkit.capture.dataset import name_below_images
from splatkit.capture.images.poses.given import GivenCamera, GivenCameras
from splatkit.capture.images.rigs.rig import CameraRig, Mount, RigCamera
from splatkit.capture.left_out import LeftOut, left_out_of
from splatkit.io.maps.depth_maps import DepthMap, read_depth_map
from splatkit.io.transforms_json import Frame, Transforms, pose_files, read_seed_cloud, read_transforms


def read_transforms_poses(path: Path) -> GivenCameras:
    """Cameras, points, masks and depth maps of a transforms.json or the folder with one.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: it cannot be used; names file and frame.
    """
    transforms = read_transforms(path)
    cameras = tuple(
        GivenCamera(
            posed=replace(frame.posed, name=name_below_images(frame.file_path)),
            image=frame.image_path,
            mask=frame.mask_path,
            read_depth=_depth_reader(frame, transforms.depth_unit),
            time=frame.time,
        )
        for frame in transforms.frames
    )
    files = [path] if path.is_file() else pose_files(path)
    return GivenCameras(
        cameras=cameras,
        files=(*files, *(() if transforms.ply_path is None else (transforms.ply_path,))),
        frame="as in the transforms.json that was given",
        scale="arbitrary",
        up="z",
        points=read_seed_cloud(transforms),
        origin=transforms.origin,
        georeference=transforms.georeference,
        left_out=tuple(f"{name}: no such image" for name in transforms.missing),
        unused=_beside(transforms, pose_files(path) if path.is_dir() else [path]),
        splits={split: tuple(map(name_below_images, names)) for split, names in transforms.splits.items()},
        applied_transform=transforms.applied_transform,
        rig=_rig(transforms),
    )


def _rig(transforms: Transforms) -> CameraRig | None:
    """Which cameras took what together, where frames say so."""
    mounts = {
        name_below_images(frame.file_path): Mount(frame.rig_camera, frame.rig_frame)
        for frame in transforms.frames
        if frame.rig_camera is not None and frame.rig_frame is not None
    }
    names = sorted({mount.camera for mount in mounts.values()})
    return CameraRig(tuple(RigCamera(name) for name in names), mounts) if mounts else None


def _beside(transforms: Transforms, listing: list[Path]) -> tuple[LeftOut, ...]:
    """What lies in the folders of the images and belongs to none of them."""
    used = [*listing, *([] if transforms.ply_path is None else [transforms.ply_path])]
    for frame in transforms.frames:
        used += frame.files
    folders = {frame.image_path.parent for frame in transforms.frames}
    highest = sorted(folder for folder in folders if not folders.intersection(folder.parents))
    return tuple(group for folder in highest for group in left_out_of(folder, used, "have no pose"))


def _depth_reader(frame: Frame, unit: float) -> Callable[[], DepthMap] | None:
    if frame.depth_path is None:
        return None
    path, sigma_path = frame.depth_path, frame.depth_sigma_path
    return lambda: read_depth_map(path, sigma_path, unit)
