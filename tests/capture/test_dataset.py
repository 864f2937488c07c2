import dataclasses
import json

import numpy as np
import pytest

from splatkit.capture.dataset import CapturedFrame, CapturedScene, check_lens, name_below_images, write_dataset
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.rig import MountedCamera
from splatkit.io.images import read_image, write_image
from splatkit.io.maps.background_maps import read_background_map
from splatkit.io.maps.depth_maps import DepthMap, read_depth_map
from splatkit.io.maps.normal_maps import read_normal_map
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.transforms_json import read_transforms

WIDTH, HEIGHT = 12, 8
CAMERA = Camera("brown_conrady", WIDTH, HEIGHT, 10.0, 11.0, 6.5, 4.25, (0.1, -0.02, 1e-3, 2e-3, 0.0))


def pose(x: float) -> np.ndarray:
    out = np.eye(4)
    out[0, 3] = x
    return out


def frame(name: str, x: float = 0.0, **more) -> CapturedFrame:
    rng = np.random.default_rng(len(name))
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return CapturedFrame(PosedCamera(name, CAMERA, pose(x)), image, **more)


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photograph.jpg"
    write_image(path, np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    return path


def test_everything_that_is_written_is_read_again(tmp_path, photograph):
    rng = np.random.default_rng(0)
    depths = np.round(rng.uniform(0.5, 9, (HEIGHT, WIDTH)), 3).astype(np.float32)
    depth = DepthMap(depths, np.full((HEIGHT, WIDTH), 0.0123, np.float32))
    mask = rng.random((HEIGHT, WIDTH)) < 0.5
    normals = rng.normal(size=(HEIGHT, WIDTH, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    background = rng.random((HEIGHT, WIDTH))
    T_camera_lidar, points = pose(0.25), rng.normal(size=(5, 3))
    turned = np.eye(4)[[0, 2, 1, 3]] * [1, -1, 1, 1]
    scene = CapturedScene(
        points=PointCloud(points, rng.integers(0, 256, (5, 3), dtype=np.uint8)),
        dense=PointCloud(np.concatenate([points, points + 1])),
        applied_transform=turned,
        applied_scale=2.5,
        rig=(MountedCamera("left", T_camera_lidar, np.diag(np.full(6, 1e-4))),),
        splits={"train": ("left/1.jpg",), "val": ("left/2.jpg",), "test": ("left/2.jpg",)},
    )
    first = PosedCamera("left/1.jpg", CAMERA, pose(1.0))
    frames = [
        CapturedFrame(first, photograph, mask, depth, normals, background, "left", 3.5),
        dataclasses.replace(frame("left/2.jpg", 2.0), mask=~mask, depth=depth, rig_camera="left", time=4.5),
    ]
    folder = tmp_path / "out"
    folder.mkdir()
    written = write_dataset(folder, iter(frames), scene)
    read = read_transforms(folder)
    assert written.depths_left_out == 0
    assert [f.file_path for f in read.frames] == ["images/left/1.jpg", "images/left/2.jpg"]
    assert read.frames[0].image_path.read_bytes() == photograph.read_bytes()
    assert read.applied_transform is not None
    assert np.array_equal(read.applied_transform, turned)
    assert read.applied_scale == 2.5
    assert np.array_equal(read_point_cloud(folder / "dense.ply").points[5:], points + 1)
    assert read.splits["val"] == ("images/left/2.jpg",)
    assert np.array_equal(read.rig[0].T_camera_lidar, T_camera_lidar)
    assert read.ply_path is not None
    assert np.array_equal(read_point_cloud(read.ply_path).points, points)
    for given, found in zip(frames, read.frames, strict=True):
        assert np.array_equal(found.T_world_camera, given.posed.T_world_camera)
        assert (found.camera, found.time, found.rig_camera) == (CAMERA, given.time, "left")
        assert found.mask_path is not None
        assert found.depth_path is not None
        assert np.array_equal(read_image(found.mask_path)[..., 0] > 0, np.asarray(given.mask))
        known = read_depth_map(found.depth_path, found.depth_sigma_path)
        assert np.abs(known.depths - depths).max() < 1e-6
        assert np.abs(known.sigmas - 0.0123).max() < 1e-6
    assert (read.frames[1].normal_path, read.frames[1].background_path) == (None, None)
    normal_path, background_path = (folder / kind / "left/1.jpg.png" for kind in ("normals", "background"))
    assert {normal_path, background_path} < set(read.frames[0].files)
    assert np.abs(read_normal_map(normal_path) - normals).max() < 3e-5
    assert np.abs(read_background_map(background_path) - background).max() < 2e-3


def test_the_applied_transform_is_there_even_where_nothing_was_turned(tmp_path):
    write_dataset(tmp_path, [frame("a.png")], CapturedScene())
    meta = json.loads((tmp_path / "transforms.json").read_text())
    assert meta["applied_transform"] == np.eye(4)[:3].tolist()


def test_names_that_differ_in_their_suffix_alone_do_not_meet(tmp_path):
    ones = np.ones((HEIGHT, WIDTH), bool)
    frames = [frame("a.png", mask=ones), frame("a.jpg", mask=~ones)]
    write_dataset(tmp_path, frames, CapturedScene())
    masks = [read_image(tmp_path / f"masks/{name}.png").max() for name in ("a.png", "a.jpg")]
    assert masks == [255, 0]


def test_depths_too_far_for_their_unit_are_counted(tmp_path):
    depths = np.array([[1.0] * WIDTH] * HEIGHT, np.float32)
    depths[0, :3] = 70.0
    written = write_dataset(tmp_path, [frame("a.png", depth=DepthMap(depths, 0 * depths))], CapturedScene())
    assert written.depths_left_out == 3
    assert written.transforms.frames[0].depth_sigma_path is None


def test_where_some_have_a_depth_map_that_of_the_others_is_empty(tmp_path):
    depths = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    frames = [frame("left/a.png"), frame("b.png", depth=DepthMap(depths, 0.1 * depths)), frame("c.png")]
    write_dataset(tmp_path, frames, CapturedScene(depth_unit=0.002))
    read = read_transforms(tmp_path)
    assert [f.depth_sigma_path is not None for f in read.frames] == [False, True, False]
    found = [read_depth_map(f.depth_path, unit=read.depth_unit).depths for f in read.frames if f.depth_path]
    assert [values.shape for values in found] == [(HEIGHT, WIDTH)] * 3
    assert [float(values.max()) for values in found] == pytest.approx([0, 2, 0])


def test_without_any_depth_map_none_is_written(tmp_path):
    written = write_dataset(tmp_path, [frame("a.png"), frame("b.png")], CapturedScene())
    assert [f.depth_path for f in written.transforms.frames] == [None, None]
    assert not (tmp_path / "depth").exists()


def test_linked_photographs_share_their_bytes(tmp_path, photograph):
    folder = tmp_path / "out"
    folder.mkdir()
    linked = dataclasses.replace(frame("a.jpg"), image=photograph)
    written = write_dataset(folder, [linked], CapturedScene(), link=True)
    assert written.transforms.frames[0].image_path.samefile(photograph)


@pytest.mark.parametrize("name", ["/a.png", "../a.png", "a", "", "b/../a.png", "a\\b.png", "./a.png"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected a file name"):
        write_dataset(tmp_path, [frame(name)], CapturedScene())


@pytest.mark.parametrize(
    ("frames", "scene", "message"),
    [
        ([], CapturedScene(), "at least one"),
        ([frame("a.png"), frame("a.png")], CapturedScene(), "comes twice"),
        ([frame("a.png", rig_camera="left")], CapturedScene(), "not in the rig"),
        ([frame("a.png")], CapturedScene(splits={"val": ("b.png",)}), "val names b.png"),
        (
            [frame("a.png", mask=np.ones((HEIGHT, WIDTH), bool)), frame("b.png")],
            CapturedScene(),
            "1 of 2 have a mask, images/b.png has none",
        ),
    ],
)
def test_what_makes_no_dataset_is_refused(tmp_path, frames, scene, message):
    with pytest.raises(ValueError, match=message):
        write_dataset(tmp_path, frames, scene)


def test_images_masks_and_depths_of_another_size_are_named(tmp_path, photograph):
    small = np.ones((HEIGHT, WIDTH - 1), np.float32)
    wide = dataclasses.replace(CAMERA, width=WIDTH + 1)
    for bad, named in (
        (CapturedFrame(PosedCamera("a.jpg", wide, pose(0)), photograph), "photograph.jpg"),
        (frame("a.png", mask=small > 0), "mask of a.png"),
        (frame("a.png", depth=DepthMap(small, small)), "depth map of a.png"),
        (frame("a.png", normals=np.zeros((HEIGHT, WIDTH - 1, 3))), "normal map of a.png"),
        (frame("a.png", background=small), "background map of a.png"),
    ):
        with pytest.raises(DatasetError, match=named):
            write_dataset(tmp_path, [bad], CapturedScene())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("images/left/0001.png", "left/0001.png"),
        ("./images/0001.png", "0001.png"),
        ("color/0001.jpg", "color/0001.jpg"),
        ("../elsewhere/0001.jpg", "elsewhere/0001.jpg"),
        ("images", "images"),
        (".hidden.png", ".hidden.png"),
    ],
)
def test_names_begin_below_the_folder_of_images(path, name):
    assert name_below_images(path) == name


def test_lenses_that_the_file_cannot_name_are_refused_before_any_work():
    check_lens(CAMERA, "here")
    check_lens(dataclasses.replace(CAMERA, distortion=(0.01,) * 8), "here")
    with pytest.raises(DatasetError, match=r"here: .*orthographic"):
        check_lens(dataclasses.replace(CAMERA, model="orthographic", distortion=()), "here")
