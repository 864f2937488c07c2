"""From photographs of a generated room to a dataset: what the stage finds, and that it resumes."""

import contextlib
import json
import shutil
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.images.stage import CapturedImages, capture_images
from splatkit.geometry.camera import Camera
from splatkit.io.images import read_image, write_image
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.transforms_json import read_transforms
from splatkit.progress import Progress, no_progress
from tests.room import Room, on_surface, photograph_room, similarity_errors


def capture(images: Path | None, out: Path, progress: Progress = no_progress, **more) -> CapturedImages:
    return capture_images(CaptureImagesSettings(images, out, workers=1, **{"stereo": "off", **more}), progress)


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Room:
    """Eight photographs, 320x240."""
    return photograph_room(tmp_path_factory.mktemp("room") / "images")


@pytest.fixture(scope="module")
def captured(room, tmp_path_factory) -> Path:
    """The room from photographs alone."""
    out = tmp_path_factory.mktemp("captured") / "dataset"
    assert capture(room.folder, out).verdict().startswith("8 of 8 photographs placed")
    return out


def test_cameras_and_points_are_found_from_photographs_alone(room, captured):
    transforms = read_transforms(captured)
    assert [frame.file_path for frame in transforms.frames] == [f"images/{name}" for name in room.names]
    centers = np.stack([frame.T_world_camera[:3, 3] for frame in transforms.frames])
    truth = room.poses[:, :3, 3]
    extent = np.linalg.norm(np.ptp(truth, axis=0))
    assert similarity_errors(centers, truth).max() < 0.005 * extent  # 0.0005 to 0.0011 of it over four rooms
    assert transforms.frames[0].camera.fx == pytest.approx(room.K[0, 0], rel=0.02)  # off by 0.1 to 0.6 %
    record = json.loads((captured / "capture.json").read_text())
    assert record["figures"]["registered"] == len(room.names)
    assert record["figures"]["mean_reprojection_px"] < 0.5
    assert record["scale"] == "arbitrary"
    assert len(record["sources"]) == len(room.names)


def test_photographs_keep_their_bytes(room, captured):
    for name in room.names:
        assert (captured / "images" / name).read_bytes() == (room.folder / name).read_bytes()


def test_the_world_stands_upright_and_the_file_says_how_it_was_turned(captured):
    transforms = read_transforms(captured)
    assert transforms.ply_path is not None
    points = read_point_cloud(transforms.ply_path).points
    # The floor is the room's largest horizontal surface; the cameras look down at it by 10 to 20 degrees.
    low = points[points[:, 2] < np.quantile(points[:, 2], 0.3)]
    normal = np.linalg.eigh(np.cov(low.T))[1][:, 0]
    assert abs(normal[2]) > np.cos(np.radians(2))
    assert max(frame.T_world_camera[2, 1] for frame in transforms.frames) < -0.9
    assert transforms.applied_transform is not None
    rotation = transforms.applied_transform[:3, :3]
    assert np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-12
    assert np.abs(rotation - np.eye(3)).max() > 0.5  # COLMAP's world has y down, roughly


def write_truth(room: Room, folder: Path) -> Path:
    """The room as a dataset with exact poses and without points."""
    folder.mkdir()
    shutil.copytree(room.folder, folder / "images")
    frames = []
    lens = Camera.from_K("pinhole", room.K, *room.size)
    flip = np.diag([1.0, -1.0, -1.0, 1.0])
    for name, pose in zip(room.names, room.poses, strict=True):
        frames.append({"file_path": f"images/{name}", "transform_matrix": (pose @ flip).tolist()})
    meta = {"w": lens.width, "h": lens.height, "fl_x": lens.fx, "fl_y": lens.fy, "cx": lens.cx, "cy": lens.cy}
    (folder / "transforms.json").write_text(json.dumps({**meta, "frames": frames}))
    return folder


def test_with_given_poses_points_lie_on_the_surfaces(room, tmp_path):
    given = write_truth(room, tmp_path / "given")
    out = tmp_path / "out"
    capture(None, out, poses=given)
    transforms = read_transforms(out)
    for frame, pose in zip(transforms.frames, room.poses, strict=True):
        assert np.array_equal(frame.T_world_camera, pose)
    assert transforms.ply_path is not None
    distances = on_surface(read_point_cloud(transforms.ply_path).points)
    assert len(distances) > 500
    assert np.median(distances) < 0.005  # m, 0.003 over other textures; a pixel is 1 cm wide there
    assert np.quantile(distances, 0.9) < 0.03


def test_nothing_is_found_where_masks_are_black(room, tmp_path):
    masks = tmp_path / "masks"
    for name in room.names:
        mask = np.zeros((room.size[1], room.size[0]), np.uint8)
        mask[:, : room.size[0] * 2 // 3] = 255
        write_image(masks / f"{name}.png", mask)
    capture(room.folder, tmp_path / "out", masks=masks)
    transforms = read_transforms(tmp_path / "out")
    points = read_point_cloud(tmp_path / "out" / "points.ply").points
    for frame in transforms.frames:
        assert frame.mask_path is not None
        assert np.array_equal(
            read_image(frame.mask_path)[..., 0], read_image(masks / f"{frame.image_path.name}.png")[..., 0]
        )
    # Each point was found in the left parts of at least two images.
    seen = np.zeros(len(points), int)
    for frame in transforms.frames:
        pixels, depths = frame.posed.image(points)
        x, y = pixels.T
        seen += (depths > 0) & (x > -2) & (x < room.size[0] * 2 / 3 + 2) & (y > -2) & (y < room.size[1] + 2)
    assert (seen >= 2).all()


def test_photographs_that_share_nothing_are_left_out_and_named(room, tmp_path):
    folder = tmp_path / "photographs"
    shutil.copytree(room.folder, folder)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (room.size[1] // 4, room.size[0] // 4, 3)).astype(np.uint8)
    write_image(folder / "elsewhere.png", np.kron(noise, np.ones((4, 4, 1), np.uint8)))
    (warning,) = capture(folder, tmp_path / "out").warnings
    assert warning.startswith("1 of 9 photographs could not be placed (elsewhere.png)")
    record = json.loads((tmp_path / "out/capture.json").read_text())
    assert [entry["name"] for entry in record["figures"]["not_registered"]] == ["elsewhere.png"]
    assert not (tmp_path / "out/images/elsewhere.png").exists()


def test_undistorted_images_are_pinhole_images_of_the_same_scene(room, tmp_path):
    """A lens that is stated to be distorted, though it is not: straight walls bend, and points follow them."""
    given = write_truth(room, tmp_path / "given")
    meta = json.loads((given / "transforms.json").read_text())
    (given / "transforms.json").write_text(json.dumps({**meta, "k1": -0.1, "k2": 0.02, "p1": 1e-3}))
    out = tmp_path / "out"
    capture(None, out, poses=given, undistort=True)
    transforms = read_transforms(out)
    before, after = read_transforms(given).frames[3], transforms.frames[3]
    assert after.camera.model == "pinhole"
    # A pixel of the new image by the lens's own formula, against the old image there.
    lens, new = before.camera, after.camera
    x, y = (40.5 - new.cx) / new.fx, (200.5 - new.cy) / new.fy
    k1, k2, p1, *_ = lens.distortion
    radial = 1 + k1 * (x * x + y * y) + k2 * (x * x + y * y) ** 2
    u = lens.fx * (x * radial + 2 * p1 * x * y) + lens.cx - 0.5
    v = lens.fy * (y * radial + p1 * (x * x + y * y + 2 * y * y)) + lens.cy - 0.5
    old = read_image(before.image_path).astype(float)
    column, row = int(u), int(v)
    a, b = u - column, v - row
    expected = (1 - b) * ((1 - a) * old[row, column] + a * old[row, column + 1])
    expected += b * ((1 - a) * old[row + 1, column] + a * old[row + 1, column + 1])
    assert np.abs(read_image(after.image_path)[200, 40] - expected).max() < 3


@pytest.mark.slow
def test_a_video_becomes_a_dataset_with_times(tmp_path):
    """Of 24 frames, a third of which are blurred, the sharpest of each third of a second."""
    room = photograph_room(tmp_path / "frames", count=24)
    images = [read_image(room.folder / name) for name in room.names]
    blurred = {index for index in range(24) if index % 3 != 1}
    writer = imageio_ffmpeg.write_frames(str(tmp_path / "walk.mp4"), room.size, fps=9, quality=9, macro_block_size=1)
    writer.send(None)
    for index, image in enumerate(images):
        frame = cv2.GaussianBlur(image, (0, 0), 2.0) if index in blurred else image
        writer.send(np.ascontiguousarray(frame).tobytes())
    writer.close()
    out = tmp_path / "out"
    (warning,) = capture(tmp_path / "walk.mp4", out, frames=8).warnings
    assert warning.startswith("8 of 24 frames of walk.mp4 were chosen")
    transforms = read_transforms(out)
    taken = [round((frame.time or 0) * 9) for frame in transforms.frames]
    assert taken == [1, 4, 7, 10, 13, 16, 19, 22]
    centers = np.stack([frame.T_world_camera[:3, 3] for frame in transforms.frames])
    truth = room.poses[taken, :3, 3]
    assert similarity_errors(centers, truth).max() < 0.02 * np.linalg.norm(np.ptp(truth, axis=0))
    record = json.loads((out / "capture.json").read_text())
    assert [Path(source["path"]).name for source in record["sources"]] == ["walk.mp4"]


STEPS = [
    ("reading photographs", 3),
    ("finding features", 3),
    ("matching pairs", 1),
    ("placing photographs", 2),
    ("writing photographs", 4),
]


def test_an_interrupted_capture_goes_on_to_the_same_bytes(room, captured, tmp_path):
    """Interrupted at every step in turn; what the steps before it found is not sought again."""
    out, seen = tmp_path / "dataset", dict[str, int]()

    def stop_at(step: str | None, count: int):
        @contextlib.contextmanager
        def bar(label, total):
            done = 0

            def advance(more: int) -> None:
                nonlocal done
                done += 1
                seen[label] = done
                if (label, done) == (step, count):
                    raise KeyboardInterrupt

            yield advance

        return bar

    for step, count in STEPS:
        with pytest.raises(KeyboardInterrupt):
            capture(room.folder, out, stop_at(step, count))
        assert not out.exists()
    seen.clear()
    capture(room.folder, out, stop_at(None, 0))
    assert set(seen) == {"reading photographs", "writing photographs"}  # the model was complete
    for name in ("transforms.json", "points.ply"):
        assert (out / name).read_bytes() == (captured / name).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_other_settings_start_anew(room, tmp_path):
    """What another camera model found is of no use."""

    @contextlib.contextmanager
    def stop_before_writing(label, total):
        if label == "writing photographs":
            raise KeyboardInterrupt
        yield lambda count: None

    stages = []
    for model in ("PINHOLE", "SIMPLE_RADIAL"):
        with pytest.raises(KeyboardInterrupt):
            capture(room.folder, tmp_path / "dataset", stop_before_writing, camera_model=model)
        stages.append([path.name for path in (tmp_path / ".dataset.work").iterdir()])
    assert len(stages[0]) == len(stages[1]) == 1
    assert stages[0] != stages[1]
