"""Two cameras on one body in a room whose truth is known: from photographs to a dataset."""

import json
from pathlib import Path

import numpy as np
import pytest

from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.images.stage import capture_images
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import invert
from splatkit.io.images import write_image
from splatkit.io.transforms_json import Transforms, read_transforms
from tests.capture.images.box_room import level_pose, render
from tests.room import look_at, similarity_errors

LENS = Camera("pinhole", 260, 200, 210.0, 210.0, 130.0, 100.0)
FRAMES = 6
BASELINE_M = 0.4


def body_pose(index: int) -> np.ndarray:
    """T_world_left at a timestamp: on an arc before a corner, looking down at it."""
    corner, angle = np.array([5.0, 4.0, 0.6]), np.deg2rad(-10.0 - 14 * index)
    center = corner + np.array([3.2 * np.sin(angle), -3.2 * np.cos(angle), 0.9 + 0.25 * (index % 2)])
    return look_at(center, corner)


def left_right() -> np.ndarray:
    """T_left_right: beside the left one, and toed in."""
    toed = level_pose((0.0, 0.0, 0.0), 6.0)[:3, :3].T @ level_pose((0.0, 0.0, 0.0), 0.0)[:3, :3]
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = toed.T, (BASELINE_M, 0.02, 0.0)
    return pose


def true_pose(name: str) -> np.ndarray:
    camera, stem = Path(name).parent.name, Path(name).stem
    return body_pose(int(stem)) @ (left_right() if camera == "right" else np.eye(4))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rig") / "photographs"
    for camera in ("left", "right"):
        (folder / camera).mkdir(parents=True)
        for index in range(FRAMES):
            name = f"{camera}/{index:02d}.png"
            write_image(folder / name, render(LENS, true_pose(name)))
    return folder


def capture(photographs: Path, out: Path, **more) -> Transforms:
    settings = CaptureImagesSettings(
        photographs, out, workers=1, stereo="off", rig=True, camera_model="PINHOLE", **more
    )
    captured = capture_images(settings)
    assert captured.verdict().startswith("12 of 12 photographs placed")
    return read_transforms(out)


def relative_poses(transforms: Transforms) -> np.ndarray:
    """T_left_right of all frames of the rig."""
    poses = {(frame.rig_camera, frame.rig_frame): frame.T_world_camera for frame in transforms.frames}
    stamps = sorted({frame.rig_frame for frame in transforms.frames if frame.rig_frame is not None})
    assert len(stamps) == FRAMES
    return np.stack([invert(poses["left", stamp]) @ poses["right", stamp] for stamp in stamps])


def rotation_error_deg(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(found[:3, :3].T @ truth[:3, :3]) - 1) / 2, -1, 1))))


@pytest.mark.slow
def test_cameras_on_one_body_keep_one_relative_pose_that_is_found(photographs, tmp_path):
    transforms = capture(photographs, tmp_path / "out")
    relative = relative_poses(transforms)
    assert np.ptp(relative, axis=0).max() < 1e-6  # one pose for each timestamp, by COLMAP's quaternions
    assert rotation_error_deg(relative[0], left_right()) < 0.06  # 0.005 to 0.017 in four rooms
    centers = np.stack([frame.posed.center for frame in transforms.frames])
    truth = np.stack([true_pose(frame.file_path)[:3, 3] for frame in transforms.frames])
    assert similarity_errors(centers, truth).max() < 0.01  # m; 0.0015 to 0.0027
    # a whole timestamp is held out, never one camera beside the other
    assert transforms.splits["test"] == ("images/left/00.png", "images/right/00.png")


@pytest.mark.slow
def test_a_calibration_is_kept_and_gives_the_scale(photographs, tmp_path):
    calibration = tmp_path / "rig.json"
    K = {"K": LENS.K.tolist(), "model": "pinhole", "width": LENS.width, "height": LENS.height, "distortion": [0.0] * 5}
    K["K"] = (LENS.K - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])).tolist()  # OpenCV's pixels
    entries = [
        {"name": "left", "T_camera_lidar": np.eye(4).tolist(), **K},
        {"name": "right", "T_camera_lidar": invert(left_right()).tolist(), **K},
    ]
    calibration.write_text(json.dumps({"cameras": entries}))
    transforms = capture(photographs, tmp_path / "out", calibration=(calibration,))
    assert np.abs(relative_poses(transforms) - left_right()).max() < 1e-6
    assert transforms.frames[0].camera.fx == LENS.fx
    centers = {frame.file_path: frame.posed.center for frame in transforms.frames}
    way = np.linalg.norm(centers["images/left/05.png"] - centers["images/left/00.png"])
    assert way == pytest.approx(np.linalg.norm(body_pose(5)[:3, 3] - body_pose(0)[:3, 3]), rel=0.02)
    assert json.loads((tmp_path / "out" / "capture.json").read_text())["scale"] == "metric"
