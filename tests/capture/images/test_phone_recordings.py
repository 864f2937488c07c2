"""Recordings of phones, written in each app's layout from a synthetic scene: poses, depths and what is left out.

The axes are those of the apps' documentation: ARKit's world has y up, its cameras look along -z with y up.
"""

import importlib.machinery
import importlib.util
import json
import shutil
import subprocess
import sys
import types
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.phone_depth import phone_depths
from splatkit.capture.images.poses.reading import read_poses
from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.images.stage import CapturedImages, capture_images
from splatkit.errors import DatasetError, SettingsError
from splatkit.io.images import read_image, write_image
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.transforms_json import read_transforms
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene

WIDTH, HEIGHT, COUNT, STEP = 96, 72, 6, 3  # a depth map has a third of the pixels in each direction
Z_TO_Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Scene:
    images: list[np.ndarray]  # [H, W, 3] uint8
    poses: np.ndarray  # [N, 4, 4] T_world_camera, z up, OpenCV axes
    depths: list[np.ndarray]  # [H, W] m
    K: tuple[float, float, float, float]  # fx, fy, cx, cy, px

    def small(self, index: int) -> np.ndarray:
        """Depths at the centers of the pixels of a phone's map."""
        return self.depths[index][1::STEP, 1::STEP]

    def confidence(self, index: int) -> np.ndarray:
        """ARKit's levels: low on the left edge, medium at the top."""
        levels = np.full(self.small(index).shape, 2, np.uint8)
        levels[:4], levels[:, :3] = 1, 0
        return levels


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    generate_scene(read_scene(find_scene("pebbles")), folder, WIDTH, HEIGHT, views=COUNT)
    frames = read_transforms(folder).frames
    camera = frames[0].camera
    images = [read_image(frame.image_path) for frame in frames]
    depths = [np.load(folder / f"truth/depth/{frame.image_path.stem}.npy") for frame in frames]
    return Scene(
        [np.where(image[..., 3:] > 127, image[..., :3], 90).astype(np.uint8) for image in images],
        np.stack([frame.T_world_camera for frame in frames]),
        depths,
        (camera.fx, camera.fy, camera.cx, camera.cy),
    )


@pytest.fixture(autouse=True)
def lzfse(monkeypatch):
    """The library where it is installed; else another compression in its place."""
    if importlib.util.find_spec("liblzfse") is None:
        fake = types.ModuleType("liblzfse")
        fake.__spec__ = importlib.machinery.ModuleSpec("liblzfse", None)
        vars(fake).update(compress=zlib.compress, decompress=zlib.decompress, error=zlib.error)
        monkeypatch.setitem(sys.modules, "liblzfse", fake)
    return importlib.import_module("liblzfse")


def write_record3d(scene: Scene, folder: Path) -> None:
    compress = importlib.import_module("liblzfse").compress
    fx, fy, cx, cy = scene.K
    poses = Z_TO_Y_UP @ scene.poses @ FLIP
    quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    for index, image in enumerate(scene.images):
        write_image(folder / f"rgbd/{index}.jpg", image)
        (folder / f"rgbd/{index}.depth").write_bytes(compress(scene.small(index).astype("<f4").tobytes()))
        (folder / f"rgbd/{index}.conf").write_bytes(compress(scene.confidence(index).tobytes()))
    meta: dict[str, Any] = {"w": WIDTH, "h": HEIGHT, "dw": WIDTH // STEP, "dh": HEIGHT // STEP, "fps": 60}
    meta |= {"K": [fx, 0, 0, 0, fy, 0, cx, cy, 1], "frameTimestamps": [0.5 * index for index in range(COUNT)]}
    meta |= {"poses": np.concatenate([quaternions, poses[:, :3, 3]], axis=-1).tolist()}
    (folder / "metadata").write_text(json.dumps(meta))


def write_stray(scene: Scene, folder: Path) -> None:
    fx, fy, cx, cy = scene.K
    folder.mkdir(parents=True, exist_ok=True)
    write_video(folder / "rgb.mp4", scene.images)
    (folder / "camera_matrix.csv").write_text(f"{fx}, 0.0, {cx}\n0.0, {fy}, {cy}\n0.0, 0.0, 1.0\n")
    lines = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    for index, pose in enumerate(Z_TO_Y_UP @ scene.poses):  # cameras as OpenCV has them
        numbers = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        lines.append(f"{0.5 * index}, {index:06d}, " + ", ".join(repr(float(number)) for number in numbers))
        for kind, values in (("depth", np.round(1000 * scene.small(index))), ("confidence", scene.confidence(index))):
            (folder / kind).mkdir(exist_ok=True)
            cv2.imwrite(
                str(folder / kind / f"{index:06d}.png"), values.astype(np.uint16 if kind == "depth" else np.uint8)
            )
    (folder / "odometry.csv").write_text("\n".join(lines) + "\n")


def write_polycam(scene: Scene, folder: Path) -> None:
    fx, fy, cx, cy = scene.K
    keyframes = folder / "keyframes"
    for kind in ("cameras", "depth", "confidence"):
        (keyframes / kind).mkdir(parents=True)
    for index, pose in enumerate(Z_TO_Y_UP @ scene.poses @ FLIP):
        stem = str(500_000 * index)
        write_image(keyframes / f"images/{stem}.jpg", scene.images[index])
        values = {f"t_{row}{column}": pose[row, column] for row in range(3) for column in range(4)}
        values |= {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": WIDTH, "height": HEIGHT, "timestamp": int(stem)}
        (keyframes / f"cameras/{stem}.json").write_text(json.dumps(values))
        levels = np.array([0, 54, 255], np.uint8)[scene.confidence(index)]
        cv2.imwrite(str(keyframes / f"depth/{stem}.png"), np.round(1000 * scene.small(index)).astype(np.uint16))
        cv2.imwrite(str(keyframes / f"confidence/{stem}.png"), levels)


def write_nerfcapture(scene: Scene, folder: Path) -> None:
    """As instant-ngp's script does: depth maps of the images' size, 10 m in 16 bits, images without suffix."""
    fx, fy, cx, cy = scene.K
    lens = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": WIDTH, "h": HEIGHT}
    frames: list[dict[str, Any]] = []
    for index, pose in enumerate(Z_TO_Y_UP @ scene.poses @ FLIP):
        write_image(folder / f"images/{index}.png", scene.images[index])
        depth = cv2.resize(scene.small(index) * 6553.5, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / f"images/{index}.depth.png"), depth.astype(np.uint16))
        frames.append({"file_path": f"images/{index}", "depth_path": f"images/{index}.depth.png"})
        frames[-1] |= {"transform_matrix": pose.tolist(), **lens}
    (folder / "transforms.json").write_text(json.dumps({**lens, "integer_depth_scale": 10 / 65535, "frames": frames}))


def write_video(path: Path, images: list[np.ndarray]) -> None:
    writer = imageio_ffmpeg.write_frames(
        str(path), (WIDTH, HEIGHT), fps=2, quality=10, macro_block_size=2, pix_fmt_out="yuv444p"
    )
    writer.send(None)
    for image in images:
        writer.send(np.ascontiguousarray(image))
    writer.close()


APPS: dict[str, Callable[[Scene, Path], None]] = {
    "record3d": write_record3d,
    "stray": write_stray,
    "polycam": write_polycam,
    "nerfcapture": write_nerfcapture,
}


def capture(poses: Path, out: Path, **options) -> CapturedImages:
    settings = {"stereo": "off", "workers": 1, "poses": poses, "out": out, **options}
    return capture_images(CaptureImagesSettings(**settings))


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("shared", ["folder", "zip"])
def test_a_recording_becomes_a_dataset_with_the_true_poses_and_depths(scene, tmp_path, app, shared):
    recording = tmp_path / "recording"
    APPS[app](scene, recording)
    if shared == "zip":
        recording = Path(shutil.make_archive(str(tmp_path / "walk"), "zip", tmp_path, "recording"))
    captured = capture(recording, tmp_path / "out")
    assert captured.warnings == ("there are no points: splats start at random places",) or app == "stray"
    read = read_transforms(tmp_path / "out")
    assert len(read.frames) == COUNT
    for frame, pose, image in zip(read.frames, scene.poses, scene.images, strict=True):
        np.testing.assert_allclose(frame.T_world_camera, pose, atol=1e-9)
        assert (frame.camera.fx, frame.camera.cx) == pytest.approx((scene.K[0], scene.K[2]))
        assert np.abs(read_image(frame.image_path)[..., :3].astype(int) - image).mean() < 6
    if app != "nerfcapture":
        assert [frame.time for frame in read.frames] == [0.5 * index for index in range(COUNT)]
    record = json.loads((tmp_path / "out/capture.json").read_text())
    assert record["scale"] == "metric"
    assert [Path(source["path"]).name for source in record["sources"]] == ["walk.zip"] or shared == "folder"
    for index, frame in enumerate(read.frames):
        assert frame.depth_path is not None
        check_depths(scene, index, read_depth_map(frame.depth_path, frame.depth_sigma_path), app)


def check_depths(scene: Scene, index: int, stored, app: str) -> None:
    """At the pixels under the phone's, and nowhere else where nothing is known."""
    found, sigmas = stored.depths, stored.sigmas
    levels = np.ones_like(scene.confidence(index)) if app == "nerfcapture" else scene.confidence(index)
    small, truth = found[1::STEP, 1::STEP], np.where(levels > 0, scene.small(index), 0)
    np.testing.assert_allclose(small, truth, atol=8e-4)
    if app != "nerfcapture":  # whose maps have the images' size
        assert (found > 0).sum() == (truth > 0).sum()
    expected = np.hypot(0.01, 0.01 * truth) * np.where(levels == 2, 1, 2)
    there = truth > 0
    np.testing.assert_allclose(sigmas[1::STEP, 1::STEP][there], expected[there], atol=1.1e-4)
    assert ((sigmas > 0) == (found > 0)).all()


@pytest.mark.parametrize("app", APPS)
def test_a_number_of_frames_is_kept_with_their_own_poses(scene, tmp_path, app):
    APPS[app](scene, tmp_path / "recording")
    captured = capture(tmp_path / "recording", tmp_path / "out", frames=3)
    frames = read_transforms(tmp_path / "out").frames
    assert len(frames) == 3
    assert any("3 of 6 " in warning for warning in captured.warnings)
    for frame in frames:
        nearest = min(range(COUNT), key=lambda index: np.abs(scene.poses[index] - frame.T_world_camera).max())
        np.testing.assert_allclose(frame.T_world_camera, scene.poses[nearest], atol=1e-9)
        assert np.abs(read_image(frame.image_path)[..., :3].astype(int) - scene.images[nearest]).mean() < 6


def test_a_video_that_states_a_rotation_is_read_as_it_is_stored(scene, tmp_path):
    """Poses and depth maps of Stray Scanner belong to the sensor's own rows and columns."""
    write_stray(scene, tmp_path / "recording")
    video = tmp_path / "recording/rgb.mp4"
    turned = tmp_path / "turned.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-display_rotation", "90", "-i", str(video), "-c", "copy", str(turned)]
    subprocess.run(command, check=True, capture_output=True)
    shown = cv2.VideoCapture(str(turned), cv2.CAP_FFMPEG)
    assert shown.read()[1].shape == (WIDTH, HEIGHT, 3)  # rotated, where nobody prevents it
    shown.release()
    turned.replace(video)
    capture(tmp_path / "recording", tmp_path / "out")
    frame = read_transforms(tmp_path / "out").frames[0]
    assert np.abs(read_image(frame.image_path).astype(int) - scene.images[0]).mean() < 6


def test_record3d_without_lzfse_counts_what_it_cannot_read(scene, tmp_path, monkeypatch):
    write_record3d(scene, tmp_path / "recording")
    with zipfile.ZipFile(tmp_path / "walk.r3d", "w") as archive:
        for path in sorted((tmp_path / "recording").rglob("*")):
            archive.write(path, path.relative_to(tmp_path / "recording"))
    monkeypatch.setitem(sys.modules, "liblzfse", None)
    captured = capture(tmp_path / "walk.r3d", tmp_path / "out")
    told = "6 depth maps are left out: they are compressed by LZFSE, which pip install 'splatkit[record3d]' reads"
    assert told in captured.warnings
    frames = read_transforms(tmp_path / "out").frames
    assert [frame.depth_path for frame in frames] == [None] * COUNT
    np.testing.assert_allclose(frames[2].T_world_camera, scene.poses[2], atol=1e-9)


def test_stray_may_give_intrinsics_of_each_frame(scene, tmp_path):
    write_stray(scene, tmp_path)
    lines = (tmp_path / "odometry.csv").read_text().splitlines()
    lines = [lines[0] + ", fx, fy, cx, cy", *(f"{line}, {90 + i}, 91, 47, 35" for i, line in enumerate(lines[1:]))]
    (tmp_path / "odometry.csv").write_text("\n".join(lines))
    for index, image in enumerate(scene.images):
        write_image(tmp_path / f"frames/{index:06d}.jpg", image)
    cameras = read_poses(tmp_path, "auto", tmp_path / "frames", None, None).cameras
    assert [camera.posed.camera.fx for camera in cameras] == [90, 91, 92, 93, 94, 95]
    with pytest.raises(SettingsError, match=r"give --images, a folder with frames of rgb\.mp4"):
        read_poses(tmp_path, "auto", None, None, None)


@pytest.mark.parametrize(
    ("app", "file", "content", "message"),
    [
        ("record3d", "rgbd/2.depth", b"bvx2" + bytes(100), r"2\.depth: damaged, or not compressed by LZFSE"),
        ("stray", "odometry.csv", b"timestamp, frame, x\n", r"odometry\.csv: no column y"),
        ("stray", "odometry.csv", b"", r"odometry\.csv: no column timestamp"),
        ("stray", "odometry.csv", b"timestamp,frame,x,y,z,qx,qy,qz,qw\n0,0,1,2,a,0,0,0,1\n", r"line 2: .* 9 finite"),
        ("stray", "odometry.csv", b"timestamp,frame,x,y,z,qx,qy,qz,qw\n0,0,1,2,3,0,0,0,2\n", "has length 2"),
        ("stray", "odometry.csv", b"timestamp,frame,x,y,z,qx,qy,qz,qw\n0,99,1,2,3,0,0,0,1\n", "none of the 6 frames"),
        ("stray", "camera_matrix.csv", b"1,2\n3,4\n", r"camera_matrix\.csv: K: expected 3 x 3"),
        ("stray", "camera_matrix.csv", b"90,0,400\n0,90,36\n0,0,1\n", "do not fit 000000.jpg of 96x72 px"),
        ("stray", "depth/000001.png", b"x", r"000001\.png: not a depth map|damaged"),
        ("stray", "rgb.mp4", b"x" * 500, r"rgb\.mp4: not a video"),
        ("polycam", "keyframes/depth/500000.png", b"x", r"500000\.png: not a depth map|damaged"),
        ("nerfcapture", "images/3.depth.png", b"x", r"3\.depth\.png: not a depth map|damaged"),
    ],
)
def test_damaged_files_are_named(scene, tmp_path, app, file, content, message):
    APPS[app](scene, tmp_path / "recording")
    (tmp_path / "recording" / file).write_bytes(content)
    with pytest.raises((DatasetError, FileNotFoundError), match=message):
        capture(tmp_path / "recording", tmp_path / "out")


def test_depth_maps_that_lie_otherwise_than_images_are_not_read(scene, tmp_path):
    write_stray(scene, tmp_path / "stray")
    cv2.imwrite(str(tmp_path / "stray/depth/000000.png"), np.full((32, 24), 900, np.uint16))
    with pytest.raises(DatasetError, match=r"000000\.png: .*one of the two is rotated"):
        capture(tmp_path / "stray", tmp_path / "out")
    write_record3d(scene, tmp_path / "record3d")
    meta = json.loads((tmp_path / "record3d/metadata").read_text())
    for stated, reason in (
        ({"dw": 24, "dh": 32}, "of 24x32 px (dw, dh), they do not show what images of 96x72 px do"),
        ({"dw": None}, "the metadata does not state their size (dw = None, dh = 24)"),
    ):
        (tmp_path / "record3d/metadata").write_text(json.dumps({**meta, **stated}))
        given = read_poses(tmp_path / "record3d", "auto", None, None, None)
        assert given.left_out == (f"6 depth maps are left out: {reason}",)
        assert all(camera.read_depth is None for camera in given.cameras)


def test_what_a_phone_does_not_measure_is_no_depth():
    depths = np.array([[1.0, np.nan, 6.0], [0.0, 2.0, 3.0]])
    found = phone_depths(depths, np.array([[2, 2, 2], [2, 0, 1]]), (3, 2))
    np.testing.assert_array_equal(found.depths, np.array([[1, 0, 0], [0, 0, 3]], np.float32))
    np.testing.assert_allclose(found.sigmas, [[0.0141421, 0, 0], [0, 0, 0.0632456]], rtol=1e-5)
    unsure = phone_depths(depths, None, (3, 2))
    assert unsure.sigmas[0, 0] == pytest.approx(0.0282843, rel=1e-5)
    assert unsure.depths[1, 1] == 2


def test_a_transforms_json_of_nerfcapture_without_its_depth_maps_says_so(scene, tmp_path):
    """As the app writes it in its offline mode."""
    write_nerfcapture(scene, tmp_path)
    content = json.loads((tmp_path / "transforms.json").read_text())
    content["depth_integer_scale"] = content.pop("integer_depth_scale")
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="has depth maps and no integer_depth_scale"):
        read_poses(tmp_path, "auto", None, None, None)
    for path in tmp_path.glob("images/*.depth.png"):
        path.unlink()
    given = read_poses(tmp_path, "auto", None, None, None)
    assert (given.up, given.scale, given.left_out) == ("y", "metric", ("6 depth maps that it names do not exist",))
