"""`splatkit-data`: frame kept, splits as promised, one clear message for each kind of bad dataset."""

import copy
import json
import shutil

import cv2
import numpy as np
import pytest
import torch

from splatkit.errors import DatasetError
from splatkit.io.images import read_image, write_image
from splatkit.io.point_clouds import PointCloud, read_point_cloud, write_point_cloud
from splatkit.optimize.datamanager import GesDatamanagerConfig
from splatkit.optimize.dataparser import SplatkitDataParserConfig
from splatkit.optimize.dataparser_spec import splatkit_data


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
    assert "no colors" in capsys.readouterr().out


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
    "for all frames or for none": lambda meta: meta["frames"][2].update(mask_path="images/001.png"),
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


def manager(data, **settings):
    config = GesDatamanagerConfig(dataparser=copy.deepcopy(splatkit_data.config), data=data, **settings)
    return config.setup(device="cpu", test_mode="val")


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
    assert len(images) > 500
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
