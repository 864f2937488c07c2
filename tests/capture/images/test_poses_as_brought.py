"""Poses as people bring them: Blender's sets, zips, COLMAP models in several parts and with names of all kinds."""

import json
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from splatkit.capture.images.inputs import ImageInputs, gather_images
from splatkit.capture.images.poses.reading import read_poses
from splatkit.capture.left_out import left_out_of
from splatkit.capture.work_folder import WorkFolder
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.io.formats.colmap_cameras import colmap_camera
from splatkit.io.images import write_image
from splatkit.progress import no_progress

WIDTH, HEIGHT = 24, 18


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.full((HEIGHT, WIDTH, 4), 90, np.uint8))


def test_blender_sets_are_recognized_and_keep_their_splits(tmp_path):
    """Source: nerfstudio #2990, Brush #41."""
    for split, count in (("train", 3), ("val", 1), ("test", 1)):
        frames = [{"file_path": f"./{split}/r_{i}", "transform_matrix": np.eye(4).tolist()} for i in range(count)]
        for index in range(count):
            save(tmp_path / split / f"r_{index}.png")
        (tmp_path / f"transforms_{split}.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": frames}))
    given = read_poses(tmp_path, "auto", None, None, None)
    assert [camera.name for camera in given.cameras][:2] == ["train/r_0.png", "train/r_1.png"]
    assert given.splits["test"] == ("test/r_0.png",)
    assert len(given.files) == 3


@pytest.mark.parametrize("form", ["auto", "record3d"])
def test_zips_that_cannot_be_unpacked_or_used_are_named(tmp_path, form):
    """Source: record3d #24, #93, instant-ngp #1190."""
    path = tmp_path / "walk.r3d"
    inputs = ImageInputs(poses=path, pose_format=form)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata", "{}" + " " * 5000)
        archive.writestr("../outside", "x")
    with pytest.raises(DatasetError, match=r"metadata: poses: expected N x 7"):
        gather_images(inputs, WorkFolder(tmp_path / "out"), 1, no_progress)
    assert not (tmp_path / "outside").exists()
    path.write_bytes(path.read_bytes().replace(b"\xed", b"\x11"))
    with pytest.raises(DatasetError, match=r"walk\.r3d: the zip is damaged"):
        gather_images(inputs, WorkFolder(tmp_path / "other"), 1, no_progress)


PINHOLE = Camera("pinhole", WIDTH, HEIGHT, 20.0, 21.0, 12.0, 9.0)
PHOTOGRAPH = st.text(st.sampled_from("ab (1)é_-."), min_size=1, max_size=8).map(lambda text: f"{text.strip(' .')}x.png")


def write_text(
    folder: Path, names: list[str], points_lines: str, line_end: str, stated: int | None = None
) -> np.ndarray:
    """A model as text; returns T_world_camera [N, 4, 4]."""
    rng = np.random.default_rng(len(names))
    poses, lines = [], ["# Image list", f"# Number of images: {len(names) if stated is None else stated}"]
    for index, name in enumerate(names, 1):
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = Rotation.random(random_state=index).as_matrix(), rng.normal(size=3)
        x, y, z, w = Rotation.from_matrix(T[:3, :3]).as_quat()
        lines.append(" ".join(map(str, (index, w, x, y, z, *T[:3, 3], 7, name))))
        lines += {"none": [], "empty": [""], "full": ["1.5 2.5 -1 3.0 4.0 1"]}[points_lines]
        poses.append(np.linalg.inv(T))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "images.txt").write_text(line_end.join(lines) + line_end, encoding="utf-8", newline="")
    (folder / "cameras.txt").write_text(f"7 PINHOLE {WIDTH} {HEIGHT} 20 21 12 9{line_end}", newline="")
    (folder / "points3D.txt").write_text(f"# list{line_end}1 0.1 0.2 0.3 10 20 30 0.5 1 0{line_end}", newline="")
    return np.stack(poses)


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(PHOTOGRAPH, min_size=1, max_size=4, unique=True),
    points_lines=st.sampled_from(["none", "empty", "full"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_text_models_give_what_went_in(tmp_path_factory, names, points_lines, line_end):
    """Names with spaces and parentheses. Source: LichtFeld-Studio #810, instant-ngp #1096."""
    folder = tmp_path_factory.mktemp("model")
    poses = write_text(folder / "sparse/0", names, points_lines, line_end)
    for name in names:
        save(folder / "images" / name)
    read = read_poses(folder, "auto", None, None, None)
    assert {camera.name for camera in read.cameras} == set(names)
    for camera in read.cameras:
        np.testing.assert_allclose(camera.posed.T_world_camera, poses[names.index(camera.name)], atol=1e-9)
        assert camera.posed.camera == PINHOLE
    assert read.points is not None
    assert read.points.points.tolist() == [[0.1, 0.2, 0.3]]
    assert read.left_out == ()


def test_a_text_model_with_fewer_images_than_it_says_is_refused(tmp_path):
    write_text(tmp_path / "sparse/0", ["a b.png"], "empty", "\n", stated=3)
    save(tmp_path / "images/a b.png")
    with pytest.raises(DatasetError, match=r"images\.txt: damaged or cut short: it says 3 images, and has 1"):
        read_poses(tmp_path, "auto", None, None, None)


def write_binary(folder: Path, names: list[str]) -> None:
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(colmap_camera(PINHOLE, 1))
    for index, name in enumerate(names, 1):
        image = pycolmap.Image(image_id=index, name=name, camera_id=1)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(np.eye(4)[:3]))
    folder.mkdir(parents=True)
    model.write_binary(folder)


@pytest.mark.parametrize("place", ["sparse", "colmap/sparse", "."])
def test_of_several_models_the_largest_is_taken_and_the_others_are_named(tmp_path, place):
    """And photographs that it does not hold. Source: nerfstudio #3708, #2410."""
    names = [f"{index}.png" for index in range(6)]
    for name in names:
        save(tmp_path / "images" / name)
    write_binary(tmp_path / place / "0", [names[5], names[0]])
    write_binary(tmp_path / place / "1", names[:4])
    write_binary(tmp_path / place / "10", names[1:3])
    read = read_poses(tmp_path, "auto", None, None, None)
    assert [camera.name for camera in read.cameras] == names[:4]
    assert read.left_out == (
        "model 0 (2 images, 1 of them not in the other) is left out for model 1 (4 images); pass its folder for it",
        "model 10 (2 images, 0 of them not in the other) is left out for model 1 (4 images); pass its folder for it",
    )
    assert [(group.reason, group.names) for group in read.unused] == [("have no pose", ("4.png", "5.png"))]
    named = read_poses(tmp_path / place / "0", "auto", tmp_path / "images", None, None)
    assert [camera.name for camera in named.cameras] == ["0.png", "5.png"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["a.jpg", "b.HEIC", "c.dng", "d.txt", ".e.heic", "f/g.CR2", "h.exr"]), unique=True))
def test_every_file_offered_is_used_or_named(tmp_path_factory, offered):
    """Source: RapidRAW #66, nextcloud photos #313."""
    folder = tmp_path_factory.mktemp("photos")
    for name in offered:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    groups = left_out_of(folder, [folder / "a.jpg"])
    assert sorted(name for group in groups for name in group.names) == sorted(set(offered) - {"a.jpg", ".e.heic"})


def test_links_among_photographs_are_named(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    (tmp_path / "photos/right").symlink_to(tmp_path)  # a circle
    save(tmp_path / "beside.png")
    told = {group.reason: group.names for group in left_out_of(tmp_path / "photos", ())}
    assert told["are links to what does not exist"] == ("gone.jpg",)
    assert told["are photographs, not used"] == ("right/beside.png",)


def test_two_cameras_may_use_the_same_names(tmp_path):
    """left/0000.png and right/0000.png, as EuRoC, KITTI and most recorders have it; masks with accents of a Mac."""
    names = ["left/é0.png", "left/é1.png", "right/é0.png", "right/é1.png"]
    for name in names:
        save(tmp_path / "photos" / name)
        save(tmp_path / "masks" / unicodedata.normalize("NFD", f"{name}.png"))
    inputs = ImageInputs(tmp_path / "photos", masks=tmp_path / "masks")
    gathered = gather_images(inputs, WorkFolder(tmp_path / "out"), 1, no_progress)
    assert [file.name for file in gathered.files] == names
    assert {name: path.parent.name for name, path in gathered.masks.items()} == {
        name: name.split("/")[0] for name in names
    }
    write_text(tmp_path / "model/sparse/0", names, "empty", "\n")
    given = read_poses(tmp_path / "model", "auto", tmp_path / "photos", None, None)
    assert [camera.image for camera in given.cameras] == [tmp_path / "photos" / name for name in names]
