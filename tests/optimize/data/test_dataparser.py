"""`splatkit-data`: frame kept, splits as promised, one clear message for each kind of bad dataset."""

import copy
import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from nerfstudio.cameras.cameras import CameraType

from splatkit.errors import DatasetError
from splatkit.io.images import read_image, write_image
from splatkit.io.maps.depth_maps import write_depth_map, write_depth_sigmas
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud, write_point_cloud
from splatkit.io.transforms_json import read_transforms
from splatkit.optimize.data.datamanager import GesDatamanagerConfig
from splatkit.optimize.data.dataparser import SplatkitDataParserConfig
from splatkit.optimize.data.dataparser_spec import splatkit_data
from tests.io.far_world import SURVEY, move_dataset


@pytest.fixture
def dataset(tiny_dataset, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(tiny_dataset, tmp_path / "data")


def parse(data, split="train"):
    return SplatkitDataParserConfig(data=data).setup().get_dataparser_outputs(split=split)


def edit(dataset, change):
    file = dataset / "transforms.json"
    meta = json.loads(file.read_text())
    change(meta)
    file.write_text(json.dumps(meta))
    return dataset


def names(outputs):
    return [path.name for path in outputs.image_filenames]


def test_poses_points_and_scale_stay_as_the_file_has_them(dataset):
    edit(dataset, lambda meta: meta.update(applied_scale=0.25, applied_transform=np.eye(4)[[1, 2, 0]].tolist()))
    outputs = parse(dataset)
    frames = {f["file_path"]: f for f in json.loads((dataset / "transforms.json").read_text())["frames"]}
    for path, pose in zip(outputs.image_filenames, outputs.cameras.camera_to_worlds, strict=True):
        expected = frames[f"images/{path.name}"]["transform_matrix"]
        np.testing.assert_allclose(pose, np.array(expected)[:3], atol=1e-6)
    cloud = read_point_cloud(dataset / "points.ply")
    np.testing.assert_array_equal(outputs.metadata["points3D_xyz"], cloud.points)
    np.testing.assert_array_equal(outputs.metadata["points3D_rgb"], np.array(cloud.colors))
    assert outputs.dataparser_scale == 1.0
    assert torch.equal(outputs.dataparser_transform, torch.eye(4)[:3])


def test_every_eighth_image_by_name_is_held_out(dataset):
    edit(dataset, lambda meta: meta["frames"].reverse())
    assert names(parse(dataset, "test")) == names(parse(dataset, "val")) == ["000.png", "008.png"]
    assert names(parse(dataset)) == [f"{i:03d}.png" for i in (1, 2, 3, 4, 5, 6, 7, 9)]


def test_listed_splits_are_kept(dataset):
    lists = {"train_filenames": ["images/001.png", "images/002.png"], "test_filenames": ["images/004.png"]}
    edit(dataset, lambda meta: meta.update(lists))
    assert names(parse(dataset)) == ["001.png", "002.png"]
    assert names(parse(dataset, "val")) == names(parse(dataset, "test")) == ["004.png"]


def test_a_single_image_trains_and_evaluates_on_itself_and_says_so(dataset, capsys):
    edit(dataset, lambda meta: meta.update(frames=meta["frames"][:1]))
    assert names(parse(dataset)) == names(parse(dataset, "test")) == ["000.png"]
    assert "Only one image: nothing is held out" in " ".join(capsys.readouterr().out.split())


def test_the_json_itself_may_be_named(dataset):
    assert names(parse(dataset / "transforms.json")) == names(parse(dataset))


def test_missing_images_are_counted_and_named(dataset, capsys):
    (dataset / "images" / "003.png").unlink()
    assert "003.png" not in names(parse(dataset))
    assert "1 of 10 listed images do not exist" in " ".join(capsys.readouterr().out.split())


def test_cloud_without_colors_starts_gray_and_says_so(dataset, capsys):
    points = read_point_cloud(dataset / "points.ply").points
    write_point_cloud(dataset / "points.ply", PointCloud(points))
    assert (parse(dataset).metadata["points3D_rgb"] == 128).all()
    assert "no colors" in " ".join(capsys.readouterr().out.split())


def test_without_a_cloud_splats_start_between_the_cameras(dataset, capsys):
    edit(dataset, lambda meta: meta.pop("ply_file_path"))
    points = parse(dataset).metadata["points3D_xyz"]
    assert torch.equal(points, parse(dataset).metadata["points3D_xyz"])
    np.testing.assert_allclose(points.mean(0), [10, 0, 0], atol=0.2)
    assert "random points" in capsys.readouterr().out


BAD = {
    "NaN": lambda meta: meta["frames"][2]["transform_matrix"][0].__setitem__(3, float("nan")),
    "leads out of": lambda meta: meta["frames"][2].update(file_path="../secret.png"),
    "the image is 56x40": lambda meta: meta.update(w=112, h=80),
    "no such file": lambda meta: meta.update(ply_file_path="nowhere.ply"),
    "no frames": lambda meta: meta.update(frames=[]),
    "equirectangular": lambda meta: meta.update(camera_model="EQUIRECTANGULAR"),
    "k4": lambda meta: meta.update(camera_model="OPENCV", k4=0.1),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_dataset_is_refused_with_one_clear_message(dataset, message):
    edit(dataset, BAD[message])
    with pytest.raises(DatasetError, match=message):
        parse(dataset)


def test_malformed_json_and_missing_folder_are_refused(dataset):
    (dataset / "transforms.json").write_text("{")
    with pytest.raises(DatasetError, match="not valid JSON"):
        parse(dataset)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        parse(dataset / "nowhere")


def test_damaged_image_is_named(dataset):
    path = dataset / "images" / "001.png"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DatasetError, match=r"001\.png"):
        manager(dataset).cached_train  # noqa: B018 - reading it loads the images


def manager(data, parser=None, **settings):
    config = GesDatamanagerConfig(dataparser=parser or copy.deepcopy(splatkit_data.config), data=data, **settings)
    return config.setup(device="cpu", test_mode="val")


def test_missing_masks_and_depth_maps_are_counted_and_named_and_their_images_stay(dataset, capsys):
    write_image(dataset / "mask.png", np.zeros((40, 56), np.uint8))
    files = {"mask_path": "mask.png"}
    edit(dataset, lambda meta: [frame.update(files) for frame in meta["frames"]])
    lost = {"mask_path": "masks/1.png", "depth_file_path": "depth/1.png"}
    edit(dataset, lambda meta: meta["frames"][1].update(lost))
    batches = manager(dataset).cached_train
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 masks and maps (depths, normals, background) do not exist" in shown
    assert "masks/1.png" in shown
    assert "depth/1.png" in shown
    assert [("mask" in batch) for batch in batches] == [False] + [True] * 7


def test_mask_of_another_size_is_named(dataset):
    write_image(dataset / "small.png", np.zeros((20, 28), np.uint8))
    edit(dataset, lambda meta: meta["frames"][1].update(mask_path="small.png"))
    with pytest.raises(DatasetError, match=r"small\.png: the mask has 28x20 px, its image 56x40"):
        manager(dataset).cached_train  # noqa: B018 - reading it loads the images


def test_damaged_mask_or_depth_map_is_named(dataset):
    (dataset / "broken.png").write_bytes(b"not a depth map")
    for key, message in (("depth_file_path", "not a depth map"), ("mask_path", "not a readable image")):
        edit(dataset, lambda meta, key=key: meta["frames"][1].update({key: "broken.png"}))
        with pytest.raises(DatasetError, match=rf"broken\.png.*{message}"):
            manager(dataset).cached_train  # noqa: B018 - reading it loads the images
        edit(dataset, lambda meta, key=key: meta["frames"][1].pop(key))


def test_training_sees_the_same_images_whether_they_fit_the_memory_or_not(dataset, capsys):
    """The order of views and every image must be those of a run that keeps all."""
    edit(dataset, lambda meta: meta.update(camera_model="OPENCV", k1=-0.1))
    whole, small = manager(dataset), manager(dataset, cache_gib=2.5 * 40 * 56 * 3 / 2**30)
    assert (whole.cached_train.kept, small.cached_train.kept) == (8, 2)
    assert "the others are decoded" in " ".join(capsys.readouterr().out.split())
    for step in range(17):
        (camera, expected), (other, found) = whole.next_train(step), small.next_train(step)
        assert camera.metadata["cam_idx"] == other.metadata["cam_idx"] == expected["image_idx"] == found["image_idx"]
        assert torch.equal(expected["image"], found["image"])


def test_more_than_500_images_are_cached_without_a_gpu(dataset):
    (dataset / "images" / "many").mkdir()

    def repeat(meta):
        frame = meta["frames"][0]
        meta["frames"] = []
        for index in range(580):
            name = f"images/many/{index:04d}.png"
            (dataset / name).symlink_to(dataset / frame["file_path"])
            meta["frames"].append({**frame, "file_path": name})

    edit(dataset, repeat)
    images = manager(dataset).cached_train
    assert len(images) == images.kept > 500
    assert images[0]["image"].dtype == torch.uint8


def test_cameras_are_labeled_and_the_evaluation_set_is_loaded_on_demand(dataset):
    data = manager(dataset)
    assert "cached_eval" not in vars(data)
    camera, batch = data.fixed_indices_eval_dataloader[1]
    assert camera.metadata["cam_idx"] == 1
    assert batch["image_idx"] == 1
    # The viewer reads plain properties of the manager when it starts; cached ones it leaves alone.
    assert type(data).fixed_indices_eval_dataloader.__class__.__name__ == "cached_property"


def test_distortion_is_removed_from_images_and_masks_alike(dataset):
    """A picture of straight lines, bent by a lens, must have its lines back where the pinhole camera sees them."""
    k1 = -0.2
    image = np.zeros((40, 56, 3), np.uint8)
    # Mark the pixel where the lens shows a known direction.
    direction = np.array([0.3, 0.2])
    bent = direction * (1 + k1 * (direction**2).sum())
    pixel = bent * 60 + [28, 20]
    cv2.circle(image, tuple(int(v) for v in pixel), 2, (255, 255, 255), -1)
    write_image(dataset / "images" / "001.png", image)
    write_image(dataset / "mask.png", image[..., 0])
    edit(dataset, lambda meta: meta.update(camera_model="OPENCV", k1=k1))
    edit(dataset, lambda meta: [frame.update(mask_path="mask.png") for frame in meta["frames"]])
    data = manager(dataset)
    camera, batch = data.train_dataset.cameras[0], data.cached_train[0]
    expected = direction * [camera.fx.item(), camera.fy.item()] + [camera.cx.item(), camera.cy.item()]
    for picture in (batch["image"][..., 0].float(), batch["mask"][..., 0].float() * 255):
        ys, xs = torch.nonzero(picture > 128, as_tuple=True)
        found = np.array([xs.float().mean() + 0.5, ys.float().mean() + 0.5])
        assert np.abs(found - expected).max() < 1.0
    assert read_image(dataset / "images" / "001.png").shape == tuple(batch["image"].shape)


@pytest.mark.parametrize("model", ["OPENCV", "OPENCV_FISHEYE"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_measured_depths_lie_where_the_rectified_camera_sees_their_points(dataset, model, scale):
    """Points are imaged by OpenCV's own lens; training must find each, with its depth, where a pinhole has it."""
    generator = np.random.default_rng(0)
    points = generator.uniform([-0.44, -0.3, 1.0], [0.44, 0.3, 1.0], (12, 3)) * generator.uniform(2, 9, (12, 1))
    K, k = np.array([[60.0, 0, 28], [0, 60, 20], [0, 0, 1]]), np.array([-0.1, -0.02, 0.0, 0.0])
    project = cv2.fisheye.projectPoints if model == "OPENCV_FISHEYE" else cv2.projectPoints
    zero = np.zeros(3)
    image = project(points[:, None], zero, zero, K, k)[0][:, 0]
    depths, sigmas = np.zeros((40, 56)), np.zeros((40, 56))
    columns, rows = image.astype(int).T
    depths[rows, columns], sigmas[rows, columns] = points[:, 2], 0.01 * points[:, 2]
    write_depth_map(dataset / "d.png", depths)
    write_depth_sigmas(dataset / "s.png", sigmas)
    mask = np.full((40, 56), 255, np.uint8)
    mask[rows[0], columns[0]] = 0
    write_image(dataset / "mask.png", mask)
    files = {"depth_file_path": "d.png", "depth_sigma_file_path": "s.png", "mask_path": "mask.png"}
    edit(dataset, lambda meta: meta["frames"][1].update(files))
    edit(dataset, lambda meta: meta.update(camera_model=model, k1=-0.1, k2=-0.02))
    data = manager(dataset, SplatkitDataParserConfig(fisheye="rectified"), camera_res_scale_factor=scale)
    camera, found = data.train_dataset.cameras[0], data.cached_train[0]["measured_depth"]
    assert "measured_depth" not in data.cached_train[1]
    assert (found.width, found.height) == (int(camera.width), int(camera.height)) == (56 * scale, 40 * scale)
    fx, fy, cx, cy = (float(getattr(camera, name)) for name in ("fx", "fy", "cx", "cy"))
    expected = points[:, :2] / points[:, 2:] * [fx, fy] + [cx, cy]
    seen = np.stack([found.indices % found.width, found.indices // found.width], -1) + 0.5
    matched = 0
    for position, depth, sigma in zip(seen, found.depths, found.sigmas, strict=True):
        nearest = np.abs(points[:, 2] - float(depth)).argmin()
        assert abs(points[nearest, 2] - float(depth)) < 6e-4  # of the file's millimeters
        assert float(sigma) == pytest.approx(0.01 * points[nearest, 2], abs=6e-5)
        assert np.abs(position - expected[nearest]).max() < 1.3  # half a pixel of each image
        matched += nearest != 0
    inside = ((expected > 1) & (expected < [found.width - 1, found.height - 1])).all(1)
    assert matched == len(found) >= inside[1:].sum() - (scale < 1)  # all but the masked one; half pixels may meet


def test_maps_are_listed_by_image_where_any_has_one(dataset):
    for name in ("n.png", "b.png"):
        (dataset / name).touch()
    kinds = ("depth_filenames", "normal_filenames", "background_filenames")
    assert not set(kinds) & set(parse(dataset).metadata)
    edit(dataset, lambda meta: meta["frames"][2].update(normal_file_path="n.png"))
    edit(dataset, lambda meta: meta["frames"][8].update(background_file_path="b.png"))
    root, train, test = dataset.resolve(), parse(dataset).metadata, parse(dataset, "test").metadata
    assert train["normal_filenames"] == [None, root / "n.png", *[None] * 6]
    assert test["background_filenames"] == [None, root / "b.png"]
    assert not {"depth_filenames", "background_filenames"} & set(train)
    assert not {"depth_filenames", "normal_filenames"} & set(test)


def test_depth_maps_may_be_smaller_than_their_images(dataset):
    depths = np.zeros((20, 28), np.float32)
    depths[4, 5] = 3000
    np.save(dataset / "d.npy", depths)
    edit(dataset, lambda meta: meta["frames"][1].update(depth_file_path="d.npy"))
    found = manager(dataset).cached_train[0]["measured_depth"]
    assert found.indices.tolist() == [9 * 56 + 11]
    assert found.depths.tolist() == pytest.approx([3.0])


def test_fisheye_cameras_stay_as_they_are_and_pixels_beyond_their_view_are_masked(dataset):
    edit(dataset, lambda meta: meta.update(camera_model="OPENCV_FISHEYE", fl_x=15.0, fl_y=15.0, k1=0.01))
    data = manager(dataset)
    camera, batch = data.train_dataset.cameras[0], data.cached_train[0]
    assert int(camera.camera_type) == CameraType.FISHEYE.value
    np.testing.assert_allclose(camera.distortion_params[:4], [0.01, 0, 0, 0])
    assert torch.equal(batch["image"], torch.from_numpy(read_image(dataset / "images" / "001.png")))
    angle = np.deg2rad(85)
    radius = 15 * (angle + 0.01 * angle**3)
    y, x = np.mgrid[:40, :56] + 0.5
    assert np.array_equal(batch["mask"][..., 0].numpy(), np.hypot(x - 28, y - 20) < radius)


def test_a_pixel_sees_as_much_at_a_point_as_the_closest_view_of_it_says(dataset):
    cloud = read_point_cloud(dataset / "points.ply")
    normals = np.ones_like(cloud.points)
    write_point_cloud(dataset / "points.ply", PointCloud(cloud.points, cloud.colors, normals.astype(np.float32)))
    outputs = parse(dataset)
    poses = outputs.cameras.camera_to_worlds.double().numpy()
    points, found = outputs.metadata["points3D_xyz"].double().numpy(), outputs.metadata["points3D_footprints"]
    depths = -np.einsum("cni,ci->cn", points[None] - poses[:, None, :, 3], poses[:, :, 2])
    # The ball of radius 2 is whole in all views, from 7 away.
    np.testing.assert_allclose(found, depths.min(0) / 60, rtol=1e-4)
    assert "points3D_footprints" not in parse(dataset, "test").metadata


def test_a_surveys_world_gives_the_same_cameras_and_seeds_in_local_coordinates(dataset, tiny_dataset):
    """Source: nerfstudio #3255."""
    move_dataset(dataset)
    shift = np.array(SURVEY) - read_transforms(dataset).origin
    far, near = parse(dataset), parse(tiny_dataset)
    centers = near.cameras.camera_to_worlds[:, :3, 3].numpy()
    extent = float(np.ptp(centers, axis=0).max())
    np.testing.assert_allclose(far.cameras.camera_to_worlds[:, :3, 3] - shift, centers, rtol=0, atol=1e-5 * extent)
    np.testing.assert_allclose(
        far.cameras.camera_to_worlds[:, :, :3], near.cameras.camera_to_worlds[:, :, :3], rtol=0, atol=1e-7
    )
    np.testing.assert_allclose(
        far.metadata["points3D_xyz"] - shift, near.metadata["points3D_xyz"], rtol=0, atol=1e-5 * extent
    )
