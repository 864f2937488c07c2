"""Each format of poses, written by the formulas of its documentation and read back to the same cameras."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pycolmap
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from splatkit.capture.images.poses.given import GivenCameras
from splatkit.capture.images.poses.reading import read_poses
from splatkit.cli import main
from splatkit.errors import SplatkitError
from splatkit.geometry.camera import Camera
from splatkit.io.formats.camera_files import opencv_K
from splatkit.io.formats.colmap_cameras import camera_from_colmap, colmap_camera
from splatkit.io.formats.trajectories import Trajectory, write_trajectory
from splatkit.io.images import write_image
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.transforms_json import read_transforms
from tests.room import look_at

WIDTH, HEIGHT = 24, 18
COUNT = 4
PINHOLE = Camera("pinhole", WIDTH, HEIGHT, 20.0, 21.0, 12.25, 8.5)
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
POINTS = np.array([[0.0, 0.0, 0.5], [0.5, 0.25, 1.0], [-0.25, 0.5, 0.75]])


def true_poses() -> np.ndarray:
    """T_world_camera [COUNT, 4, 4], z up."""
    rng = np.random.default_rng(3)
    centers = rng.normal(size=(COUNT, 3)) + np.array([0.0, -4.0, 1.0])
    return np.stack([look_at(center, rng.normal(scale=0.2, size=3)) for center in centers])


def write_images(folder: Path, names: list[str]) -> None:
    for index, name in enumerate(names):
        write_image(folder / name, np.full((HEIGHT, WIDTH, 3), 40 * index, np.uint8))


def write_nerfstudio(folder: Path) -> dict[str, Path]:
    names = [f"{index}.png" for index in range(COUNT)]
    write_images(folder / "images", names)
    meta = {"w": WIDTH, "h": HEIGHT, "fl_x": 20.0, "fl_y": 21.0, "cx": 12.25, "cy": 8.5, "camera_model": "PINHOLE"}
    frames = [
        {"file_path": f"images/{name}", "transform_matrix": (pose @ FLIP).tolist()}
        for name, pose in zip(names, true_poses(), strict=True)
    ]
    (folder / "transforms.json").write_text(json.dumps({**meta, "frames": frames}))
    return {"path": folder}


def colmap_model() -> pycolmap.Reconstruction:
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(colmap_camera(PINHOLE, 1))
    for index, pose in enumerate(true_poses()):
        image = pycolmap.Image(image_id=index + 1, name=f"{index}.png", camera_id=1)
        pixels = [PINHOLE.K @ (np.linalg.inv(pose) @ [*point, 1])[:3] for point in POINTS]
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(p[:2] / p[2]) for p in pixels])
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(np.linalg.inv(pose)[:3]))
    for index, point in enumerate(POINTS):
        track = pycolmap.Track()
        for image_id in range(1, COUNT + 1):
            track.add_element(image_id, index)
        model.add_point3D(point, track, np.array([10 * index, 20, 30], np.uint8))
    return model


def write_colmap_binary(folder: Path) -> dict[str, Path]:
    write_images(folder / "images", [f"{index}.png" for index in range(COUNT)])
    (folder / "sparse" / "0").mkdir(parents=True)
    colmap_model().write_binary(folder / "sparse" / "0")
    return {"path": folder}


def write_colmap_text(folder: Path) -> dict[str, Path]:
    write_images(folder / "elsewhere", [f"{index}.png" for index in range(COUNT)])
    colmap_model().write_text(folder)
    return {"path": folder, "images": folder / "elsewhere"}


def arkit_poses() -> np.ndarray:
    """The same cameras in a world with y up, OpenGL camera axes: (x, y, z) -> (x, z, -y)."""
    y_up = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    return y_up @ true_poses() @ FLIP


def write_polycam(folder: Path) -> dict[str, Path]:
    stems = [str(1_000_000 + 250_000 * index) for index in range(COUNT)]  # microseconds
    keyframes = folder / "keyframes"
    write_images(keyframes / "corrected_images", [f"{stem}.jpg" for stem in stems])
    for kind in ("corrected_cameras", "depth", "confidence"):
        (keyframes / kind).mkdir()
    for stem, pose in zip(stems, arkit_poses(), strict=True):
        values = {f"t_{row}{column}": pose[row, column] for row in range(3) for column in range(4)}
        values |= {"fx": 20.0, "fy": 21.0, "cx": 12.25, "cy": 8.5, "width": WIDTH, "height": HEIGHT}
        values |= {"timestamp": int(stem), "blur_score": 120.0}
        (keyframes / "corrected_cameras" / f"{stem}.json").write_text(json.dumps(values))
        depths = np.full((6, 8), 1250, np.uint16)
        depths[0, 0], depths[5, 7] = 2000, 6000  # the latter is beyond the LiDAR's reach
        confidence = np.full((6, 8), 255, np.uint8)
        confidence[0, 1] = 0
        cv2.imwrite(str(keyframes / "depth" / f"{stem}.png"), depths)
        cv2.imwrite(str(keyframes / "confidence" / f"{stem}.png"), confidence)
    return {"path": folder}


def write_record3d(folder: Path) -> dict[str, Path]:
    write_images(folder / "rgb", [f"{index}.jpg" for index in range(COUNT)])
    poses = arkit_poses()
    quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    metadata = {
        "w": WIDTH,
        "h": HEIGHT,
        "fps": 30,
        "K": [20.0, 0, 0, 0, 21.0, 0, 12.25, 8.5, 1],
        "poses": np.concatenate([quaternions, poses[:, :3, 3]], axis=-1).tolist(),
        "frameTimestamps": [0.5 * index for index in range(COUNT)],
    }
    (folder / "metadata").write_text(json.dumps(metadata))
    return {"path": folder}


def write_stray(folder: Path) -> dict[str, Path]:
    write_images(folder / "frames", [f"{index:06d}.jpg" for index in range(COUNT)])
    (folder / "camera_matrix.csv").write_text("20.0, 0, 12.25\n0, 21.0, 8.5\n0, 0, 1\n")
    lines = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    for index, pose in enumerate(arkit_poses() @ FLIP):  # the app turns cameras to OpenCV's axes
        values = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        lines.append(f"{0.5 * index}, {index:06d}, " + ", ".join(repr(float(value)) for value in values))
    (folder / "odometry.csv").write_text("\n".join(lines))
    (folder / "depth").mkdir()
    cv2.imwrite(str(folder / "depth/000000.png"), np.full((6, 8), 1250, np.uint16))
    return {"path": folder, "images": folder / "frames"}


def write_nerfcapture(folder: Path) -> dict[str, Path]:
    write_images(folder / "images", [f"{index}.png" for index in range(COUNT)])
    lens = {"w": WIDTH, "h": HEIGHT, "fl_x": 20.0, "fl_y": 21.0, "cx": 12.25, "cy": 8.5}
    frames = [
        {"file_path": f"images/{index}", "transform_matrix": pose.tolist(), "depth_path": "images/0.depth.png", **lens}
        for index, pose in enumerate(arkit_poses())
    ]
    cv2.imwrite(str(folder / "images/0.depth.png"), np.full((HEIGHT, WIDTH), 8192, np.uint16))
    meta = {**lens, "integer_depth_scale": 10 / 65535, "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(meta))
    return {"path": folder}


def write_tum(folder: Path) -> dict[str, Path]:
    names = [f"{index}.png" for index in range(COUNT)]
    write_images(folder / "images", names)
    write_trajectory(folder / "trajectory.txt", Trajectory(0.25 * np.arange(COUNT), true_poses()))
    (folder / "images.csv").write_text("file,time_s\n" + "".join(f"images/{n}.png,{0.25 * n}\n" for n in range(COUNT)))
    # Pixel centers at integers: half a pixel less than in transforms.json.
    K = [20.0, 0, 11.75, 0, 21.0, 8.0, 0, 0, 1]
    (folder / "camera.json").write_text(json.dumps({"K": K, "D": [], "width": WIDTH, "height": HEIGHT}))
    return {"path": folder / "trajectory.txt", "images": folder / "images"} | {
        "times": folder / "images.csv",
        "intrinsics": folder / "camera.json",
    }


@dataclass(frozen=True)
class Format:
    name: str
    write: Callable[[Path], dict[str, Path]]
    fuzzed: tuple[str, ...]  # files
    tolerance: float
    y_up: bool = False


FORMATS = [
    Format("transforms", write_nerfstudio, ("transforms.json",), 1e-12),
    Format("colmap", write_colmap_binary, tuple(f"sparse/0/{n}.bin" for n in ("cameras", "images", "points3D")), 1e-12),
    Format("colmap text", write_colmap_text, ("cameras.txt", "images.txt", "points3D.txt"), 1e-12),
    Format(
        "polycam",
        write_polycam,
        ("keyframes/corrected_cameras/1000000.json", "keyframes/depth/1000000.png"),
        1e-12,
        True,
    ),
    Format("record3d", write_record3d, ("metadata",), 1e-12, True),
    Format("stray", write_stray, ("odometry.csv", "camera_matrix.csv", "depth/000000.png"), 1e-12, True),
    Format("nerfcapture", write_nerfcapture, ("transforms.json", "images/0.depth.png"), 1e-12, True),
    Format("tum", write_tum, ("trajectory.txt", "images.csv", "camera.json"), 2e-6),
]


def read(files: dict[str, Path]) -> GivenCameras:
    return read_poses(files["path"], "auto", files.get("images"), files.get("times"), files.get("intrinsics"))


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_cameras_are_read_as_they_were_written(form, tmp_path):
    found = read(form.write(tmp_path))
    assert len(found.cameras) == COUNT
    back = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    for camera, pose in zip(found.cameras, true_poses(), strict=True):
        expected = np.linalg.inv(back) @ pose if form.y_up else pose
        assert np.abs(camera.posed.T_world_camera - expected).max() < form.tolerance
        assert camera.posed.camera == PINHOLE
        assert camera.image.is_file()
    assert found.up == ("y" if form.y_up else "unknown" if "colmap" in form.name else "z")
    assert found.left_out == ()


@pytest.mark.parametrize("write", [write_colmap_binary, write_colmap_text])
def test_points_come_with_a_colmap_model(write, tmp_path):
    found = read(write(tmp_path))
    assert found.points is not None
    assert np.allclose(found.points.points, POINTS, atol=1e-12)
    assert found.points.colors is not None
    assert found.points.colors[:, 0].tolist() == [0, 10, 20]


def test_polycams_depths_stand_where_they_were_measured(tmp_path):
    camera = read(write_polycam(tmp_path)).cameras[0]
    assert camera.read_depth is not None
    depths = camera.read_depth().depths
    assert depths.shape == (HEIGHT, WIDTH)
    assert (depths > 0).sum() == 6 * 8 - 2
    assert depths[1, 1] == pytest.approx(2.0)  # 3x3 px of the image are one of the depth map, which is in the middle
    assert depths[1, 4] == 0  # low confidence
    assert depths[16, 22] == 0  # beyond 5 m
    assert camera.time == 1.0


def test_polycam_becomes_a_metric_dataset_with_depth_and_z_up(tmp_path):
    """Through the command: poses, times and depths arrive, and the world stands upright."""
    write_polycam(tmp_path / "export")
    write_image(tmp_path / "export/keyframes/corrected_images/1000000.jpg", textured())
    write_image(tmp_path / "export/keyframes/corrected_images/1250000.jpg", textured())
    assert (
        main(
            [
                "capture",
                "images",
                "--poses",
                str(tmp_path / "export"),
                "--stereo",
                "off",
                "--out",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    transforms = read_transforms(tmp_path / "out")
    poses = np.stack([frame.T_world_camera for frame in transforms.frames])
    assert np.abs(poses - true_poses()).max() < 1e-12
    assert [frame.time for frame in transforms.frames] == [1.0, 1.25, 1.5, 1.75]
    assert transforms.frames[0].depth_path is not None
    assert read_depth_map(transforms.frames[0].depth_path).depths[1, 1] == pytest.approx(2.0)
    assert transforms.applied_transform is not None
    assert np.abs(transforms.applied_transform[:3, :3] @ [0, 1, 0] - [0, 0, 1]).max() < 1e-12
    record = json.loads((tmp_path / "out/capture.json").read_text())
    assert record["scale"] == "metric"


def textured() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_record3d_may_give_intrinsics_of_each_frame(tmp_path):
    write_record3d(tmp_path)
    meta = json.loads((tmp_path / "metadata").read_text())
    meta["perFrameIntrinsicCoeffs"] = [[20.0 + index, 21.0, 12.25, 8.5] for index in range(COUNT)]
    (tmp_path / "metadata").write_text(json.dumps(meta))
    cameras = read({"path": tmp_path}).cameras
    assert [camera.posed.camera.fx for camera in cameras] == [20.0, 21.0, 22.0, 23.0]
    assert [camera.time for camera in cameras] == [0.0, 0.5, 1.0, 1.5]


def test_images_between_two_poses_and_outside_of_the_trajectory(tmp_path):
    files = write_tum(tmp_path)
    files["times"].write_text("0.png,0.125\n1.png,0.25\n2.png,0.5\n3.png,99\n")
    found = read(files)
    assert [camera.name for camera in found.cameras] == ["0.png", "1.png", "2.png"]
    assert "3.png: its time 99.000000 s is not within the trajectory" in found.left_out
    files["times"].write_text(f"0.png,{0.0 - 1e-6:.9f}\n1.png,0.25\n2.png,0.5\n3.png,99\n")
    assert "0.png" in [camera.name for camera in read(files).cameras]  # rounding puts it before the first pose
    between = true_poses()[:2, :3, 3].mean(0)
    assert np.allclose(found.cameras[0].posed.T_world_camera[:3, 3], between, atol=2e-6)


@pytest.mark.parametrize(
    "lens",
    [
        PINHOLE,
        Camera("brown_conrady", 640, 480, 500.0, 510.0, 321.0, 239.0, (0.1, -0.05, 1e-3, -2e-3, 0.0)),
        Camera("brown_conrady", 640, 480, 500.0, 510.0, 321.0, 239.0, (0.1, -0.05, 1e-3, -2e-3, 0.01)),
        Camera("brown_conrady", 640, 480, 500.0, 510.0, 321.0, 239.0, (0.1, -0.05, 1e-3, -2e-3, 0.01, 0.2, 0.1, 0.03)),
        Camera("kannala_brandt", 640, 480, 250.0, 251.0, 321.0, 239.0, (0.1, -0.05, 0.01, 0.002)),
    ],
)
def test_lenses_keep_their_pixels_on_the_way_to_colmap_and_back(lens):
    camera = colmap_camera(lens, 1)
    assert camera_from_colmap(camera, "here") == lens
    points = np.array([[0.1, 0.2, 1.0], [-0.3, 0.15, 1.2], [0.5, -0.4, 2.0]])
    project = cv2.fisheye.projectPoints if lens.model == "kannala_brandt" else cv2.projectPoints
    expected, _ = project(points[:, None], np.zeros(3), np.zeros(3), opencv_K(lens), np.array(lens.distortion))
    assert np.allclose(camera.img_from_cam(points), expected.reshape(-1, 2) + 0.5, atol=1e-9)


def damage(data: bytes, kind: str, place: float, value: bytes) -> bytes:
    at = int(place * len(data))
    if kind == "cut":
        return data[:at]
    if kind == "overwrite":
        return data[:at] + value + data[at + len(value) :]
    return data[:at] + value + data[at:]


@pytest.mark.parametrize(
    ("form", "file"), [(form, file) for form in FORMATS for file in form.fuzzed], ids=lambda x: getattr(x, "name", x)
)
def test_damaged_files_are_one_error_that_names_them(form, file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    files = form.write(folder)
    attack(folder, file, lambda: read(files))


def attack(folder: Path, file: str, read_it: Callable[[], GivenCameras]) -> None:
    """Cut anywhere, overwritten, added to: the cameras are read, or one error names a file of this capture."""
    whole = (folder / file).read_bytes()

    @seed(7)
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(["cut", "overwrite", "insert"]),
        st.floats(0, 0.999),
        st.one_of(
            st.binary(min_size=1, max_size=9),
            st.sampled_from([b"NaN", b"null", b'"', b"-1", b"1e999", b"[", b"\xff" * 8]),
        ),
    )
    def once(kind: str, place: float, value: bytes) -> None:
        (folder / file).write_bytes(damage(whole, kind, place, value))
        try:
            found = read_it()
            for camera in found.cameras:
                assert np.isfinite(camera.posed.T_world_camera).all()
                if camera.read_depth is not None:
                    camera.read_depth()
        except (SplatkitError, FileNotFoundError) as error:
            message = str(error)
        else:
            return
        assert str(folder) in message

    once()


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("record3d", {"poses": []}, "poses: expected N x 7"),
        ("record3d", {"poses": [[0, 0, 0, 1, 0, 0, 0]]}, "has 1 poses, but there is an image 1.jpg"),
        ("record3d", {"poses": [[0, 0, 0, 2, 0, 0, 0]] * COUNT}, "quaternion 0 has length 2"),
        ("record3d", {"poses": [[0, 0, 0, 1, 0, 0, float("nan")]] * COUNT}, "finite"),
        ("record3d", {"w": 25}, "has 24x18 px, metadata says 25x18 px"),
        ("record3d", {"K": [1, 2, 3]}, "K: expected 9 finite numbers"),
        ("polycam", {"t_00": 5.0}, "not rigid"),
        ("polycam", {"fx": "wide"}, "fx must be a finite number, got 'wide'"),
        ("polycam", {"fx": 0}, "focal length must be positive"),
        ("polycam", {"width": 25}, "says 25x18 px"),
    ],
)
def test_what_makes_no_sense_is_named(form, change, message, tmp_path):
    known = {item.name: item for item in FORMATS}[form]
    files = known.write(tmp_path)
    path = tmp_path / known.fuzzed[0]
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(SplatkitError, match=message):
        read(files)


def test_images_of_a_model_stay_inside_their_folder(tmp_path):
    model = colmap_model()
    model.images[1].name = "../../secret.png"
    write_images(tmp_path / "images", [f"{index}.png" for index in range(COUNT)])
    model.write_binary(tmp_path)
    with pytest.raises(SplatkitError, match="leads out of"):
        read({"path": tmp_path})
