"""The extrinsic in the notations of other tools."""

from pathlib import Path

import numpy as np
import yaml
from scipy.spatial.transform import Rotation

from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, invert
from splatkit.io.atomic import atomic_file
from splatkit.io.formats.camera_files import opencv_K, opencv_model, opencv_parameters

_COLMAP_MODELS = {("pinhole", 0): "PINHOLE", ("brown_conrady", 4): "OPENCV", ("kannala_brandt", 4): "OPENCV_FISHEYE"}


def write_exports(folder: Path, names: list[str], cameras: tuple[Camera, ...], T_camera_lidar: Array) -> list[Path]:
    """Write all notations of each camera into a folder; returns the files.

    `NAME_ros_tf.yaml`: transform from the frame `lidar` (parent) to the camera's optical frame (child), as
    static_transform_publisher takes it. `NAME_kitti.txt`: KITTI's `Tr` (LiDAR to camera) and `P`. `NAME_camchain.yaml`:
    like Kalibr's, with `T_cam_lidar`. `rig.yaml`: COLMAP's rig, the first camera its reference.
    """
    written = []
    for name, camera, T in zip(names, cameras, T_camera_lidar, strict=True):
        for suffix, text in (
            ("ros_tf.yaml", ros_transform(name, T)),
            ("kitti.txt", kitti_lines(camera, T)),
            ("camchain.yaml", camera_chain(camera, T)),
        ):
            written.append(folder / f"{name}_{suffix}")
            _write(written[-1], text)
    written.append(folder / "colmap_rig.yaml")
    _write(written[-1], colmap_rig(names, cameras, T_camera_lidar))
    return written


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def ros_transform(name: str, T_camera_lidar: Array) -> str:
    """The camera's place in the LiDAR's frame, as ROS publishes transforms."""
    T = invert(T_camera_lidar)
    x, y, z, w = (float(value) for value in Rotation.from_matrix(T[:3, :3]).as_quat())
    tx, ty, tz = (float(value) for value in T[:3, 3])
    return yaml.safe_dump(
        {
            "header": {"frame_id": "lidar"},
            "child_frame_id": f"{name}_optical",
            "transform": {"translation": {"x": tx, "y": ty, "z": tz}, "rotation": {"x": x, "y": y, "z": z, "w": w}},
        },
        sort_keys=False,
    )


def kitti_lines(camera: Camera, T_camera_lidar: Array) -> str:
    """`P` of rectified images and `Tr` from LiDAR to camera, twelve numbers each, row by row."""
    P = np.concatenate([opencv_K(camera), np.zeros((3, 1))], 1)
    rows = (("P", P), ("Tr", T_camera_lidar[:3]))
    return "".join(f"{name}: " + " ".join(f"{value:.12e}" for value in matrix.ravel()) + "\n" for name, matrix in rows)


def camera_chain(camera: Camera, T_camera_lidar: Array) -> str:
    """Intrinsics and extrinsic in the form of Kalibr's camera chains."""
    model = "equidistant" if opencv_model(camera) == "fisheye" else "radtan"
    return yaml.safe_dump(
        {
            "cam0": {
                "camera_model": "pinhole",
                "intrinsics": opencv_parameters(camera)[:4].tolist(),
                "distortion_model": model,
                "distortion_coeffs": list(camera.distortion),
                "resolution": [camera.width, camera.height],
                "T_cam_lidar": T_camera_lidar.tolist(),
            }
        },
        sort_keys=False,
    )


def colmap_rig(names: list[str], cameras: tuple[Camera, ...], T_camera_lidar: Array) -> str:
    """Cameras with their places against the first, in COLMAP's names of models."""
    out: list[dict[str, object]] = []
    for name, camera, T in zip(names, cameras, T_camera_lidar, strict=True):
        relative = T @ invert(T_camera_lidar[0])
        x, y, z, w = (float(value) for value in Rotation.from_matrix(relative[:3, :3]).as_quat())
        model = _COLMAP_MODELS.get((camera.model, len(camera.distortion)), "FULL_OPENCV")
        distortion = list(camera.distortion)
        if model == "FULL_OPENCV":
            distortion += [0.0] * (8 - len(distortion))
        out.append(
            {
                "image_prefix": f"{name}/",
                "camera_model_name": model,
                "camera_params": [camera.fx, camera.fy, camera.cx, camera.cy, *distortion],
                "ref_sensor": not out,
                "cam_from_rig_rotation": [w, x, y, z],
                "cam_from_rig_translation": relative[:3, 3].tolist(),
            }
        )
    return yaml.safe_dump([{"cameras": out}], sort_keys=False)
