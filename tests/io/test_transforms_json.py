"""transforms.json: what is read is what was written, and each defect is named with its frame."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.rig import MountedCamera
from splatkit.io.images import write_image
from splatkit.io.transforms_json import Frame, Transforms, read_origin, read_transforms, write_transforms
from tests.io.far_world import SURVEY

POSE = [[0.0, 0.0, 1.0, 3.0], [1.0, 0.0, 0.0, -2.0], [0.0, 1.0, 0.0, 0.5], [0.0, 0.0, 0.0, 1.0]]


def dataset(folder: Path, count: int = 3) -> dict:
    """Images of 8x6 px in `folder` and the content of a matching file."""
    names = [f"images/{i}.png" for i in range(count)]
    (folder / "images").mkdir()
    for name in names:
        write_image(folder / name, np.zeros((6, 8, 3), np.uint8))
    frames = [{"file_path": name, "transform_matrix": POSE} for name in names]
    return {"w": 8, "h": 6, "fl_x": 7.0, "fl_y": 7.5, "cx": 4.0, "cy": 3.0, "k1": 0.1, "frames": frames}


def read(folder: Path, meta: object):
    (folder / "transforms.json").write_text(json.dumps(meta))
    return read_transforms(folder)


def test_reads_poses_intrinsics_and_splits(tmp_path):
    meta = dataset(tmp_path)
    meta |= {"train_filenames": ["images/0.png", "images/2.png"], "test_filenames": ["images/1.png"]}
    result = read(tmp_path, meta)
    assert [frame.file_path for frame in result.frames] == ["images/0.png", "images/1.png", "images/2.png"]
    # The file's cameras look along -z with y up, ours along z with y down.
    np.testing.assert_array_equal(result.frames[0].T_world_camera, np.array(POSE) * [1, -1, -1, 1])
    assert result.frames[0].camera == Camera("brown_conrady", 8, 6, 7.0, 7.5, 4.0, 3.0, (0.1, 0, 0, 0, 0))
    assert result.splits == {"train": ("images/0.png", "images/2.png"), "test": ("images/1.png",)}
    assert result.missing == ()


def test_intrinsics_of_a_frame_override_those_of_the_file(tmp_path):
    meta = dataset(tmp_path)
    meta["frames"][1]["fl_x"] = 99.0
    result = read(tmp_path, meta)
    assert [frame.camera.fx for frame in result.frames] == [7.0, 99.0, 7.0]


def test_field_of_view_gives_the_focal_length(tmp_path):
    meta = dataset(tmp_path)
    del meta["fl_x"], meta["fl_y"], meta["cx"], meta["cy"]
    camera = read(tmp_path, meta | {"camera_angle_x": np.pi / 2}).frames[0].camera
    assert camera.fx == camera.fy == pytest.approx(4.0)
    assert (camera.cx, camera.cy) == (4.0, 3.0)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"camera_model": "OPENCV", "k1": 0.0}, Camera("pinhole", 8, 6, 7.0, 7.5, 4.0, 3.0)),
        ({"camera_model": "PINHOLE"}, Camera("brown_conrady", 8, 6, 7.0, 7.5, 4.0, 3.0, (0.1, 0, 0, 0, 0))),
        (
            {"camera_model": "OPENCV", "k2": 0.2, "k3": 0.3, "p1": 0.4, "p2": 0.5},
            Camera("brown_conrady", 8, 6, 7.0, 7.5, 4.0, 3.0, (0.1, 0.2, 0.4, 0.5, 0.3)),
        ),
        (
            {"camera_model": "OPENCV_FISHEYE", "k4": 0.4},
            Camera("kannala_brandt", 8, 6, 7.0, 7.5, 4.0, 3.0, (0.1, 0, 0, 0.4)),
        ),
        (
            {"camera_model": "FULL_OPENCV", "p2": 0.5, "k4": 0.4, "k6": 0.6},
            Camera("brown_conrady", 8, 6, 7.0, 7.5, 4.0, 3.0, (0.1, 0, 0, 0.5, 0, 0.4, 0, 0.6)),
        ),
        (
            {"camera_model": "EQUIRECTANGULAR", "k1": 0.0},
            Camera("equirectangular", 8, 6, 8 / (2 * np.pi), 6 / np.pi, 4.0, 3.0),
        ),
    ],
)
def test_lenses_have_our_names(tmp_path, stated, expected):
    result = read(tmp_path, dataset(tmp_path) | stated)
    assert result.frames[0].camera == expected
    write_transforms(tmp_path / "again.json", result)
    again = read_transforms(tmp_path / "again.json").frames[0]
    assert again.camera == expected
    np.testing.assert_array_equal(again.T_world_camera, result.frames[0].T_world_camera)


def test_a_lens_without_a_name_there_is_refused(tmp_path):
    plain = read(tmp_path, dataset(tmp_path))
    camera = Camera("orthographic", 8, 6, 7.0, 7.5, 4.0, 3.0)
    frame = dataclasses.replace(plain.frames[0], posed=dataclasses.replace(plain.frames[0].posed, camera=camera))
    with pytest.raises(SettingsError, match="orthographic"):
        write_transforms(tmp_path / "other.json", dataclasses.replace(plain, frames=(frame,)))
    assert not (tmp_path / "other.json").exists()


@pytest.mark.parametrize("per_frame", [False, True])
def test_what_is_written_is_read_back(tmp_path, per_frame):
    dataset(tmp_path)
    for name in ("points.ply", "mask.png", "depth.npy", "normals.png", "background.png"):
        (tmp_path / name).touch()
    root = tmp_path.resolve()
    frames = tuple(
        Frame(
            PosedCamera(f"images/{i}.png", Camera("pinhole", 8, 6, 5.0 + i * per_frame, 5.0, 4.0, 3.0), np.array(POSE)),
            root / f"images/{i}.png",
            mask_path=root / "mask.png",
            depth_path=root / "depth.npy",
            normal_path=root / "normals.png" if i else None,
            background_path=root / "background.png" if i else None,
        )
        for i in range(3)
    )
    written = Transforms(root, frames, root / "points.ply", {"train": ("images/0.png",)}, applied_scale=0.5)
    write_transforms(tmp_path / "transforms.json", written)
    result = read_transforms(tmp_path / "transforms.json")
    assert [frame.camera for frame in result.frames] == [frame.camera for frame in frames]
    assert result.frames[0].mask_path == root / "mask.png"
    assert result.frames[0].depth_path == root / "depth.npy"
    assert [frame.files for frame in result.frames] == [frame.files for frame in frames]
    assert [frame.normal_path for frame in result.frames] == [None, *[root / "normals.png"] * 2]
    assert [frame.background_path for frame in result.frames] == [None, *[root / "background.png"] * 2]
    assert (result.ply_path, result.splits, result.applied_scale) == (written.ply_path, written.splits, 0.5)


def test_missing_images_are_dropped_and_listed(tmp_path):
    meta = dataset(tmp_path) | {"train_filenames": ["images/0.png", "images/1.png"]}
    (tmp_path / "images/1.png").unlink()
    result = read(tmp_path, meta)
    assert result.missing == ("images/1.png",)
    assert len(result.frames) == 2
    assert result.splits["train"] == ("images/0.png",)


def test_all_images_missing_is_an_error(tmp_path):
    meta = dataset(tmp_path)
    for image in (tmp_path / "images").iterdir():
        image.unlink()
    with pytest.raises(DatasetError, match="none of its 3 images exists"):
        read(tmp_path, meta)


def nan_pose(meta):
    meta["frames"][1]["transform_matrix"] = [[float("nan")] * 4] * 4


def scaled_pose(meta):
    meta["frames"][1]["transform_matrix"] = (np.array(POSE) * [[2], [2], [2], [1]]).tolist()


def mirrored_pose(meta):
    meta["frames"][1]["transform_matrix"] = (np.array(POSE) @ np.diag([-1, 1, 1, 1.0])).tolist()


def short_pose(meta):
    meta["frames"][1]["transform_matrix"] = POSE[:2]


def text_pose(meta):
    meta["frames"][1]["transform_matrix"] = "none"


def no_focal_length(meta):
    del meta["fl_x"]


def text_focal_length(meta):
    meta["frames"][1]["fl_x"] = "7"


def perspective_k4(meta):
    meta["frames"][1]["k4"] = 0.1


def other_size(meta):
    meta["frames"][1]["w"] = 16


def outside(meta):
    meta["frames"][1]["file_path"] = "../secret.png"


def absolute(meta):
    meta["frames"][1]["file_path"] = "/etc/hostname"


def no_path(meta):
    del meta["frames"][1]["file_path"]


def unknown_model(meta):
    meta["frames"][1]["camera_model"] = "LOMO"


def repeated(meta):
    meta["frames"][1]["file_path"] = "images/0.png"


def unknown_split_name(meta):
    meta["train_filenames"] = ["images/7.png"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (nan_pose, r"frame 1 \(images/1.png\): transform_matrix: contains NaN"),
        (scaled_pose, r"frame 1 \(images/1.png\): transform_matrix is not a rigid pose"),
        (mirrored_pose, r"frame 1 \(images/1.png\): transform_matrix is not a rigid pose.*det R = -1"),
        (short_pose, r"frame 1 .*: transform_matrix: expected a 4x4 matrix, got shape \[2, 4\]"),
        (text_pose, r"frame 1 .*: transform_matrix: expected a 4x4 matrix of numbers"),
        (no_focal_length, r"frame 0 \(images/0.png\): intrinsics are missing"),
        (text_focal_length, r"frame 1 .*fl_x must be a finite number"),
        (perspective_k4, r"frame 1 .*has no k4"),
        (other_size, r"frame 1 .*the image is 8x6 px but the file says w = 16"),
        (outside, r"frame 1 .*leads out of the dataset's folder"),
        (absolute, r"frame 1 .*leads out of the dataset's folder"),
        (no_path, r"frame 1: expected an object with a 'file_path'"),
        (unknown_model, r"frame 1 .*camera_model 'LOMO' is unknown"),
        (repeated, r"images/0.png is listed by more than one frame"),
        (unknown_split_name, r"train_filenames names images/7.png"),
    ],
)
def test_each_defect_is_named_with_its_frame(tmp_path, damage, message):
    meta = dataset(tmp_path)
    damage(meta)
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, meta)


def test_a_link_that_leads_out_is_refused_unless_allowed(tmp_path):
    inside, secret = tmp_path / "data", tmp_path / "secret.png"
    inside.mkdir()
    meta = dataset(inside)
    (inside / "images/1.png").rename(secret)
    (inside / "images/1.png").symlink_to(secret)
    with pytest.raises(DatasetError, match="leads out"):
        read(inside, meta)
    assert len(read_transforms(inside, allow_outside=True).frames) == 3


SLOTS = ("mask_path", "depth_file_path", "depth_sigma_file_path", "normal_file_path", "background_file_path")


def test_masks_and_maps_that_do_not_exist_are_listed_and_their_frames_stay(tmp_path):
    meta = dataset(tmp_path)
    meta["frames"][1] |= {slot: f"{slot}/1.png" for slot in SLOTS}
    result = read(tmp_path, meta)
    assert result.missing_files == tuple(f"{slot}/1.png" for slot in SLOTS)
    assert [frame.files for frame in result.frames] == [(frame.image_path,) for frame in result.frames]


@pytest.mark.parametrize("slot", SLOTS)
def test_masks_and_maps_that_lead_out_are_refused(tmp_path, slot):
    meta = dataset(tmp_path)
    meta["frames"][1][slot] = "../secret.png"
    with pytest.raises(DatasetError, match=rf"frame 1 .*{slot}.*leads out"):
        read(tmp_path, meta)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"frames": []}', '{"frames": 3}', "\ud800 not utf8"])
def test_malformed_files_are_refused(tmp_path, text):
    (tmp_path / "transforms.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(DatasetError, match=r"transforms\.json"):
        read_transforms(tmp_path)


def test_a_damaged_image_is_named(tmp_path):
    meta = dataset(tmp_path)
    (tmp_path / "images/1.png").write_bytes(b"not an image")
    with pytest.raises(DatasetError, match=r"1\.png: not a readable image"):
        read(tmp_path, meta)


def test_no_such_folder_or_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read_transforms(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no transforms\.json"):
        read_transforms(tmp_path)


@pytest.mark.skipif("SPLATKIT_DATA" not in os.environ, reason="SPLATKIT_DATA does not name a folder of real datasets")
def test_real_photographs_are_read():
    result = read_transforms(Path(os.environ["SPLATKIT_DATA"]) / "fox")
    assert len(result.frames) == 50
    assert result.ply_path is not None
    assert not set(result.splits["train"]) & set(result.splits["val"])


def test_what_a_lidar_adds_round_trips(tmp_path):
    (tmp_path / "d.png").write_bytes(b"")
    (tmp_path / "s.png").write_bytes(b"")
    plain = read(tmp_path, dataset(tmp_path))
    pose = np.eye(4)
    pose[:3, 3] = 0.1, -0.2, 0.3
    rig = (MountedCamera("left", pose, np.diag([1e-6] * 6)),)
    first = dataclasses.replace(
        plain.frames[0],
        depth_path=tmp_path / "d.png",
        depth_sigma_path=tmp_path / "s.png",
        rig_camera="left",
        rig_frame="0007",
        time=12.5,
    )
    frames = (first, *plain.frames[1:])
    write_transforms(tmp_path / "other.json", dataclasses.replace(plain, frames=frames, rig=rig, depth_unit=0.002))
    result = read_transforms(tmp_path / "other.json")
    back = result.frames[0]
    assert (back.depth_path, back.depth_sigma_path) == (first.depth_path.resolve(), first.depth_sigma_path.resolve())
    assert (back.rig_camera, back.time, result.depth_unit) == ("left", 12.5, 0.002)
    assert back.rig_frame == "0007"
    other = result.frames[1]
    assert (other.rig_camera, other.rig_frame, other.time) == (None, None, None)
    assert [camera.name for camera in result.rig] == ["left"]
    np.testing.assert_array_equal(result.rig[0].T_camera_lidar, pose)
    np.testing.assert_array_equal(result.rig[0].covariance, rig[0].covariance)


@pytest.mark.parametrize(
    ("rig", "message"),
    [
        ([1], "rig: expected an object"),
        ({"left": 3}, "rig: expected an object"),
        ({"left": {"covariance": [[1]]}}, "rig: left: covariance"),
        ({"left": {"covariance": np.eye(6).tolist(), "T_camera_lidar": [[2, 0, 0, 0]] * 4}}, "rig: left: T_camera_lid"),
    ],
)
def test_a_wrong_rig_is_named(tmp_path, rig, message):
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, dataset(tmp_path) | {"rig": rig})


def test_a_surveys_world_is_read_locally_and_written_as_it_was(tmp_path):
    """The cameras stay themselves to the last digit of a double. Source: nerfstudio #3255."""
    meta = dataset(tmp_path)
    for i, frame in enumerate(meta["frames"]):
        pose = np.array(POSE)
        pose[:3, 3] += np.array(SURVEY) + 0.7 * i
        frame["transform_matrix"] = pose.tolist()
    result = read(tmp_path, meta)
    centers = np.stack([frame.posed.center for frame in result.frames])
    assert np.abs(centers).max() < 4
    expected = np.array([np.array(frame["transform_matrix"])[:3, 3] for frame in meta["frames"]])
    np.testing.assert_allclose(centers + result.origin, expected, rtol=0, atol=1e-9)
    write_transforms(tmp_path / "again.json", result)
    stored = json.loads((tmp_path / "again.json").read_text())
    assert "local_origin" not in stored
    poses = [frame["transform_matrix"] for frame in stored["frames"]]
    np.testing.assert_allclose(poses, [frame["transform_matrix"] for frame in meta["frames"]], rtol=0, atol=1e-9)


def test_an_origin_that_is_stated_is_kept_and_images_that_are_missing_do_not_move_it(tmp_path):
    meta = dataset(tmp_path) | {"local_origin": [500000.0, 5400000.0, 120.0]}
    assert read(tmp_path, meta).origin == SURVEY
    write_transforms(tmp_path / "again.json", read_transforms(tmp_path))
    assert read_transforms(tmp_path / "again.json").origin == SURVEY
    meta = dataset_far(meta)
    before = read(tmp_path, meta)
    (tmp_path / "images/2.png").unlink()
    assert read_transforms(tmp_path).origin == before.origin == read_origin(tmp_path)
    with pytest.raises(DatasetError, match=r"local_origin: expected three numbers, got \[1, 2\]"):
        read(tmp_path, meta | {"local_origin": [1, 2]})


def dataset_far(meta: dict) -> dict:
    poses = [np.array(POSE) + np.array([[0, 0, 0, 1e6 + 30 * i]] * 3 + [[0, 0, 0, 0]]) for i in range(3)]
    frames = [frame | {"transform_matrix": pose.tolist()} for frame, pose in zip(meta["frames"], poses, strict=True)]
    return {key: value for key, value in meta.items() if key != "local_origin"} | {"frames": frames}
