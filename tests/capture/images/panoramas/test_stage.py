"""Panoramas of a room whose truth is known: from equirectangular images to a dataset, and to one rig for COLMAP."""

import json
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pycolmap
import pytest

from splatkit.capture.images.inputs import GatheredImages, ImageInputs, gather_images
from splatkit.capture.images.panoramas.cuts import DIRECTIONS, cut_camera, panorama_camera
from splatkit.capture.images.panoramas.cutting import PanoramaSettings, cut_panoramas
from splatkit.capture.images.poses.colmap import read_colmap
from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.images.stage import capture_images
from splatkit.capture.work_folder import WorkFolder
from splatkit.errors import DatasetError, SettingsError
from splatkit.export.files.colmap_export import export_colmap
from splatkit.export.settings import ExportColmapSettings
from splatkit.geometry.camera import Camera
from splatkit.io.images import image_size, read_image, read_mask, write_image
from splatkit.io.transforms_json import read_transforms
from splatkit.progress import no_progress
from tests.capture.images.box_room import level_pose, render
from tests.room import similarity_errors

WIDTH, COUNT = 512, 6


def pose(index: int) -> np.ndarray:
    """On an arc of 4 m, heading along it with some error."""
    angle = 0.55 * index
    center = (3 + 1.2 * np.cos(angle), 2.5 + np.sin(angle), 1.4 + 0.1 * (index % 2))
    return level_pose(center, np.degrees(angle) + 90 + 7 * (index % 3))


@pytest.fixture(scope="module")
def panoramas(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("walk") / "panoramas"
    folder.mkdir()
    for index in range(COUNT):
        write_image(folder / f"{index}.png", render(panorama_camera(WIDTH, WIDTH // 2), pose(index)))
    return folder


def gathered(folder: Path, out: Path, settings: PanoramaSettings, masks: Path | None = None) -> GatheredImages:
    work = WorkFolder(out)
    return cut_panoramas(
        gather_images(ImageInputs(folder, masks=masks), work, 1, no_progress), settings, work, no_progress
    )


@pytest.mark.slow
def test_a_walk_of_panoramas_becomes_a_dataset_and_one_rig(panoramas, tmp_path):
    out = tmp_path / "dataset"
    captured = capture_images(CaptureImagesSettings(panoramas, out, workers=1, stereo="off"))
    assert captured.verdict().startswith("24 of 24 photographs placed in 6 frames of the rig")
    transforms = read_transforms(out)
    rotations = {direction.name: direction.T_panorama_cut for direction in DIRECTIONS["all"]}
    for frame in transforms.frames:
        assert frame.camera == cut_camera(WIDTH)
        assert frame.rig_camera is not None
        assert frame.file_path == f"images/{frame.rig_camera}/{frame.rig_frame}"
    truth = np.stack([pose(int(Path(f.file_path).stem)) @ rotations[f.rig_camera or ""] for f in transforms.frames])
    centers = np.stack([frame.posed.center for frame in transforms.frames])
    assert similarity_errors(centers, truth[:, :3, 3]).max() < 0.003  # m; 0.0003 to 0.0005 in four rooms
    by_panorama: dict[str, list[np.ndarray]] = {}
    for frame in transforms.frames:
        by_panorama.setdefault(frame.rig_frame or "", []).append(frame.posed.center)
    assert max(np.ptp(group, axis=0).max() for group in by_panorama.values()) < 1e-9
    assert set(transforms.splits["test"]) == {f"images/{name}/0.png" for name in ("front", "right", "back", "left")}
    up = np.stack([frame.T_world_camera[:3, 1] for frame in transforms.frames]).mean(0)
    assert up[2] < -0.999  # level panoramas stand upright

    export_colmap(ExportColmapSettings(data=out, out=tmp_path / "model"))
    model = pycolmap.Reconstruction(str(tmp_path / "model"))
    assert (model.num_rigs(), model.num_frames(), model.num_cameras()) == (1, COUNT, 4)
    again = read_colmap(tmp_path / "model" / "text", out)
    assert again.rig is not None
    assert {camera.name for camera in again.rig.cameras} == {"front", "right", "back", "left"}
    assert (
        again.rig.is_one_point
        or max(
            np.abs(camera.T_camera_rig[:3, 3]).max() for camera in again.rig.cameras if camera.T_camera_rig is not None
        )
        < 1e-9
    )


def test_photographs_beside_panoramas_stay_photographs(panoramas, tmp_path):
    folder = tmp_path / "both"
    folder.mkdir()
    (folder / "0.png").symlink_to(panoramas / "0.png")
    lens = Camera("pinhole", 96, 64, 60.0, 60.0, 48.0, 32.0)
    write_image(folder / "photograph.png", render(lens, pose(0)))
    found = gathered(folder, tmp_path / "out", PanoramaSettings(cuts="upper"))
    names = [f"{name}/0.png" for name in ("front", "right", "back", "left", "up")]
    assert [file.name for file in found.files] == ["photograph.png", *names]
    assert found.rig is not None
    assert list(found.rig.mounts) == names
    side = cut_camera(WIDTH).width
    assert all(image_size(file.path) == (side, side) for file in found.files[1:])
    assert any(note.startswith("1 panoramas became 5 pinhole images") for note in found.notes)
    assert gathered(folder, tmp_path / "out", PanoramaSettings("no")).rig is None


def test_masks_and_the_nadir_are_cut_with_their_panoramas(panoramas, tmp_path):
    folder, masks = tmp_path / "two", tmp_path / "masks"
    folder.mkdir()
    for name in ("0.png", "1.png"):
        (folder / name).symlink_to(panoramas / name)
    mask = np.full((WIDTH // 2, WIDTH), 255, np.uint8)
    mask[:, : WIDTH // 4] = 0  # from straight back to the left
    write_image(masks / "0.png", mask)
    found = gathered(folder, tmp_path / "out", PanoramaSettings(cuts="all", nadir_deg=30), masks)
    assert set(found.masks) == {"back/0.png", "left/0.png", "up/0.png", "down/0.png", "down/1.png"}
    left = read_mask(found.masks["left/0.png"])
    half = left.shape[1] // 2
    assert not left[:, : half - 1].any()
    assert left[:, half + 1 :].all()
    down = read_mask(found.masks["down/1.png"])
    assert not down[half, half]
    assert down[0, 0]


def test_what_cannot_be_is_one_line(panoramas, tmp_path):
    folder = tmp_path / "photographs"
    for name in ("a.png", "b.png"):
        write_image(folder / name, np.zeros((40, 64, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"a\.png: has 64x40 px; a panorama of the whole sphere"):
        gathered(folder, tmp_path / "out", PanoramaSettings("yes"))
    with pytest.raises(SettingsError, match="--nadir-deg: expected an angle"):
        gathered(folder, tmp_path / "out", PanoramaSettings(nadir_deg=90))
    small = tmp_path / "small"
    for name in ("a.png", "b.png"):
        write_image(small / name, np.zeros((24, 48, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"a\.png: a panorama of 48x24 px cannot be cut; make it larger"):
        gathered(small, tmp_path / "out", PanoramaSettings("yes"))


def test_an_interrupted_cutting_resumes(panoramas, tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    for name in ("0.png", "1.png"):
        (folder / name).symlink_to(panoramas / name)
    settings = PanoramaSettings(cuts="all", nadir_deg=20)
    whole = {file.name: file.path.read_bytes() for file in gathered(folder, tmp_path / "out", settings).files}
    removed = gathered(folder, tmp_path / "out", settings).files[3].path
    removed.unlink()
    again = gathered(folder, tmp_path / "out", settings)
    assert {file.name: file.path.read_bytes() for file in again.files} == whole
    assert json.dumps(again.content())  # what results depend on is JSON


def test_frames_of_a_video_are_cut_like_photographs(panoramas, tmp_path):
    writer = imageio_ffmpeg.write_frames(
        str(tmp_path / "walk.mp4"), (WIDTH, WIDTH // 2), fps=2, quality=9, macro_block_size=1
    )
    writer.send(None)
    for index in range(COUNT):
        writer.send(np.ascontiguousarray(read_image(panoramas / f"{index}.png")).tobytes())
    writer.close()
    work = WorkFolder(tmp_path / "out")
    frames = gather_images(ImageInputs(tmp_path / "walk.mp4", frames=3), work, 1, no_progress)
    found = cut_panoramas(frames, PanoramaSettings(), work, no_progress)
    assert found.is_video
    assert [file.name for file in found.files[:4]] == [
        f"{name}/frame_00001.jpg" for name in ("front", "right", "back", "left")
    ]
    assert [file.time for file in found.files] == [frame.time for frame in frames.files for _ in range(4)]
