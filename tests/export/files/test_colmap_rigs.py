"""Cameras on one body come out as one rig of COLMAP, whose poses are those of the dataset."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.colmap import read_colmap
from splatkit.cli import main
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import invert
from splatkit.io.images import write_image
from splatkit.io.transforms_json import Frame, Transforms, write_transforms

LENS = Camera("pinhole", 64, 48, 50.0, 50.0, 32.0, 24.0)
FRAMES, CAMERAS = 4, 3


def random_pose(seed: int, size_m: float) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    out[:3, 3] = np.random.default_rng(seed).normal(size=3) * size_m
    return out


def mounted(number: int) -> np.ndarray:
    """T_camera_body."""
    return random_pose(100 + number, 0.1)


@pytest.fixture
def dataset(tmp_path) -> Transforms:
    """Three cameras with one lens at four timestamps, of which one lacks a photograph; and one photograph alone."""
    frames = []
    for index in range(FRAMES):
        for number in range(CAMERAS):
            if (index, number) != (2, 0):
                name = f"images/cam{number}/{index}.png"
                posed = PosedCamera(name, LENS, random_pose(index, 3.0) @ invert(mounted(number)))
                frames.append(Frame(posed, tmp_path / name, rig_camera=f"cam{number}", rig_frame=str(index)))
    frames.append(Frame(PosedCamera("images/alone.png", LENS, np.eye(4)), tmp_path / "images/alone.png"))
    for frame in frames:
        write_image(frame.image_path, np.zeros((48, 64, 3), np.uint8))
    return Transforms(tmp_path, tuple(frames))


def export(transforms: Transforms) -> Path:
    write_transforms(transforms.root / "transforms.json", transforms)
    out = transforms.root / "sparse"
    assert main(["export", "colmap", "--data", str(transforms.root), "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("form", ["", "text"])
def test_one_rig_whose_images_have_their_poses(dataset, capsys, form):
    out = export(dataset)
    assert "cameras: 4, images: 12, rigs: 1, points: 0" in capsys.readouterr().out
    model = pycolmap.Reconstruction(str(out / form))
    assert sorted(rig.num_sensors() for rig in model.rigs.values()) == [1, CAMERAS]
    assert sorted(len(frame.data_ids) for frame in model.frames.values()) == [1, 2, 3, 3, 3]
    for frame in dataset.frames:
        image = model.find_image_with_name(frame.file_path)
        assert image is not None
        np.testing.assert_allclose(image.cam_from_world().matrix(), frame.posed.T_camera_world[:3], atol=1e-9)
    again = read_colmap(out / form, dataset.root)
    assert again.rig is not None
    together = {name: mount.frame for name, mount in again.rig.mounts.items()}
    assert len(together) == FRAMES * CAMERAS - 1
    assert len(set(together.values())) == FRAMES
    for index in range(FRAMES):
        of_one = {frame for name, frame in together.items() if name.endswith(f"/{index}.png")}
        assert len(of_one) == 1


def test_cameras_that_were_moved_one_by_one_stay_single(dataset, capsys):
    first = dataset.frames[0]
    moved = first.T_world_camera.copy()
    moved[:3, 3] += 0.05
    frames = (replace(first, posed=replace(first.posed, T_world_camera=moved)), *dataset.frames[1:])
    out = export(replace(dataset, frames=frames))
    printed = capsys.readouterr()
    assert "1 rigs are written as single cameras" in printed.err + printed.out
    model = pycolmap.Reconstruction(str(out))
    assert {rig.num_sensors() for rig in model.rigs.values()} == {1}
    image = model.find_image_with_name(first.file_path)
    assert image is not None
    np.testing.assert_allclose(image.cam_from_world().matrix(), invert(moved)[:3], atol=1e-9)
