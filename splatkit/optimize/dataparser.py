"""nerfstudio dataparser `splatkit-data`: a `transforms.json` dataset with its frame and scale kept exactly as they are.

nerfstudio's own parser turns, centers and scales every scene into a unit cube, which destroys metric scale, and
multiplies the seed cloud (but not the poses) by `applied_scale`. Here poses and points stay in the frame of the file,
where both already agree, and the transform handed to the host is the identity. Lens distortion is removed by the
dataset class, so cameras are pinholes everywhere.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.utils.rich_utils import CONSOLE
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.transforms_json import Frame, Intrinsics, Transforms, read_transforms
from splatkit.optimize.seed_points import load_seed_points, scene_extent

EVAL_INTERVAL = 8  # every 8th image, sorted by name, is held out: the convention of Mip-NeRF 360 and 3DGS
_NAMED_AT_MOST = 5  # missing files printed by name


@dataclass
class SplatkitDataParserConfig(DataParserConfig):
    """A transforms.json dataset with its frame and scale kept."""

    _target: type = field(default_factory=lambda: SplatkitDataParser)
    data: Path = Path()
    """Folder with a transforms.json, or the file itself."""
    allow_outside: bool = False
    """Accept paths in the file that lead out of the dataset's folder."""


class SplatkitDataParser(DataParser):
    """See the module."""

    config: SplatkitDataParserConfig

    def _generate_dataparser_outputs(self, split: str = "train", **kwargs: Any) -> DataparserOutputs:
        transforms = read_transforms(self.config.data, allow_outside=self.config.allow_outside)
        if split == "train":
            _report_missing(transforms)
            if len(transforms.frames) == 1:
                CONSOLE.print("Only one image: nothing is held out for testing, and one view cannot tell depth.")
        frames = split_frames(transforms)["train" if split == "train" else split]
        extent = scene_extent(transforms)
        metadata: dict[str, Any] = {"scene_extent": extent}
        if split == "train":
            points, colors = load_seed_points(transforms)
            metadata |= {"points3D_xyz": points, "points3D_rgb": colors}
        rectified = [rectified_intrinsics(frame) for frame in frames]
        if any(frame.intrinsics.distortion != (0.0,) * 6 for frame in frames):
            metadata["lenses"] = [(frame.intrinsics, matrix) for frame, matrix in zip(frames, rectified, strict=True)]
        masks = [frame.mask_path for frame in frames]
        if None in masks and any(masks):
            raise DatasetError(f"{self.config.data}: mask_path must be given for all frames or for none")
        half = torch.full((3,), extent)
        return DataparserOutputs(
            image_filenames=[frame.image_path for frame in frames],
            cameras=_cameras(frames, rectified),
            scene_box=SceneBox(aabb=torch.stack([-half, half])),
            mask_filenames=masks if masks and masks[0] is not None else None,
            metadata=metadata,
        )


def split_frames(transforms: Transforms) -> dict[str, list[Frame]]:
    """Frames of "train", "val" and "test", each sorted by name and none empty.

    Listed splits are kept. Without a list for evaluation every 8th of the images that are not listed for training is
    held out; a list that is missing for "val" or "test" is taken from the other.
    """
    by_name = {frame.file_path: frame for frame in transforms.frames}
    listed = {split: [name for name in names if name in by_name] for split, names in transforms.splits.items()}
    names = sorted(by_name)
    held_out = set(listed.get("val", [])) | set(listed.get("test", []))
    if not held_out:
        rest = [name for name in names if name not in listed.get("train", [])]
        held_out = set(rest if "train" in listed else rest[::EVAL_INTERVAL])
    train = listed.get("train") or [name for name in names if name not in held_out] or names
    # A dataset without a held-out image still trains; its figures are then those of training images.
    val = listed.get("val") or listed.get("test") or sorted(held_out) or train
    test = listed.get("test") or val
    return {
        split: [by_name[name] for name in sorted(chosen)]
        for split, chosen in (("train", train), ("val", val), ("test", test))
    }


def rectified_intrinsics(frame: Frame) -> NDArray[np.float64]:
    """K [3, 3] px of a frame's image after its distortion is removed: all its pixels see the original image."""
    camera = frame.intrinsics
    matrix = camera.matrix()
    if camera.camera_model == "EQUIRECTANGULAR":
        raise DatasetError(
            f"{frame.image_path}: equirectangular images cannot be splatted; cut them into pinhole views"
        )
    if not any(camera.distortion):
        return matrix
    size = (camera.width, camera.height)
    matrix[:2, 2] -= 0.5  # OpenCV's first pixel has its center at 0
    coefficients = opencv_distortion(camera)
    if camera.camera_model == "OPENCV_FISHEYE":
        new = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(matrix, coefficients, size, np.eye(3), balance=0)
    else:
        new, _ = cv2.getOptimalNewCameraMatrix(matrix, coefficients, size, 0)
    out: NDArray[np.float64] = np.array(new, dtype=np.float64)
    out[:2, 2] += 0.5
    return out


def opencv_distortion(camera: Intrinsics) -> NDArray[np.float64]:
    """Distortion in OpenCV's order: k1 k2 p1 p2 k3 of a perspective camera, k1 k2 k3 k4 of a fisheye."""
    k1, k2, k3, k4, p1, p2 = camera.distortion
    if camera.camera_model == "OPENCV_FISHEYE":
        return np.array([k1, k2, k3, k4])
    if k4 != 0:
        raise DatasetError("camera_model OPENCV has no k4: remove it, or name the model OPENCV_FISHEYE")
    return np.array([k1, k2, p1, p2, k3])


def _cameras(frames: list[Frame], matrices: list[NDArray[np.float64]]) -> Cameras:
    poses = np.stack([frame.camera_to_world[:3] for frame in frames])
    K = torch.from_numpy(np.stack(matrices)).float()
    return Cameras(
        camera_to_worlds=torch.from_numpy(poses).float(),
        fx=K[:, 0, 0].clone(),
        fy=K[:, 1, 1].clone(),
        cx=K[:, 0, 2].clone(),
        cy=K[:, 1, 2].clone(),
        width=torch.tensor([frame.intrinsics.width for frame in frames]),
        height=torch.tensor([frame.intrinsics.height for frame in frames]),
        camera_type=CameraType.PERSPECTIVE,
        metadata={},  # `ns-export cameras` writes into it
    )


def _report_missing(transforms: Transforms) -> None:
    if not transforms.missing:
        return
    names = ", ".join(transforms.missing[:_NAMED_AT_MOST])
    more = ", ..." if len(transforms.missing) > _NAMED_AT_MOST else ""
    total = len(transforms.missing) + len(transforms.frames)
    CONSOLE.print(f"{len(transforms.missing)} of {total} listed images do not exist and are left out: {names}{more}")
