"""Normals and background maps as training has them: through lens, mask and scale like depths; errors name files."""

import copy
import json
import shutil

import numpy as np
import pytest
import torch

from splatkit.errors import DatasetError
from splatkit.io.images import write_image
from splatkit.io.maps.background_maps import write_background_map
from splatkit.io.maps.depth_maps import write_depth_map
from splatkit.io.maps.normal_maps import write_normal_map
from splatkit.optimize.data.datamanager import GesDatamanagerConfig
from splatkit.optimize.data.dataparser_spec import splatkit_data
from splatkit.optimize.data.image_cache import GIB, allowed_bytes, batch_bytes

WIDTH, HEIGHT = 56, 40
FILES = {"depth_file_path": "d.png", "normal_file_path": "n.png", "background_file_path": "b.png"}


def coded_normals(depths):
    """Normals [H, W, 3] that tell depths between 1 and 9 apart; zeros where there is none."""
    angle = depths / 10
    return np.where(depths[..., None] > 0, np.stack([np.sin(angle), 0 * angle, -np.cos(angle)], -1), 0)


@pytest.fixture
def dataset(tiny_dataset, tmp_path):
    """Image 001.png has all maps: depths of every third pixel, and nothing in the upper quarter."""
    folder = shutil.copytree(tiny_dataset, tmp_path / "data")
    depths = np.zeros((HEIGHT, WIDTH))
    depths[12::3, ::3] = np.random.default_rng(0).uniform(1, 9, depths[12::3, ::3].shape)
    write_depth_map(folder / "d.png", depths)
    write_normal_map(folder / "n.png", coded_normals(depths))
    confidences = np.zeros((HEIGHT, WIDTH), np.float32)
    confidences[:10] = 0.8
    write_background_map(folder / "b.png", confidences)
    edit(folder, lambda meta: meta["frames"][1].update(FILES))
    return folder


def edit(dataset, change):
    file = dataset / "transforms.json"
    meta = json.loads(file.read_text())
    change(meta)
    file.write_text(json.dumps(meta))


def manager(data, **settings):
    config = GesDatamanagerConfig(dataparser=copy.deepcopy(splatkit_data.config), data=data, **settings)
    return config.setup(device="cpu", test_mode="val")


def batches(data, **settings):
    return manager(data, **settings).cached_train


@pytest.mark.parametrize("lens", [{}, {"camera_model": "OPENCV", "k1": -0.1}])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_normals_stay_beside_their_depths(dataset, lens, scale):
    edit(dataset, lambda meta: meta.update(lens))
    found = batches(dataset, camera_res_scale_factor=scale)[0]["measured_depth"]
    assert found.normals.dtype == torch.float16
    assert len(found) > 20
    expected = coded_normals(found.depths.double().numpy())
    np.testing.assert_allclose(found.normals.double().numpy(), expected, atol=1e-3)
    for moved in (found.to("cpu"), found.reduced(2)):
        np.testing.assert_allclose(moved.normals.double(), coded_normals(moved.depths.double().numpy()), atol=1e-3)


def test_depths_without_normals_have_none(dataset):
    edit(dataset, lambda meta: meta["frames"][1].pop("normal_file_path"))
    assert batches(dataset)[0]["measured_depth"].normals is None


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_background_maps_follow_mask_and_scale(dataset, scale):
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:, :20] = 0
    write_image(dataset / "mask.png", mask)
    edit(dataset, lambda meta: meta["frames"][1].update(mask_path="mask.png"))
    plain = batches(dataset, camera_res_scale_factor=scale)[0]["background_map"]
    assert (plain.shape, plain.dtype) == ((HEIGHT * scale, WIDTH * scale), torch.uint8)
    sure = torch.zeros(plain.shape, dtype=torch.bool)
    sure[: int(10 * scale), int(20 * scale) :] = True
    assert torch.equal(plain, torch.where(sure, 204, 0).to(torch.uint8))


def test_background_maps_lie_where_the_rectified_camera_sees_them(dataset):
    k1, direction = -0.5, np.array([0.35, 0.22])
    column, row = direction * (1 + k1 * (direction**2).sum()) * 60 + [28, 20]
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    write_background_map(dataset / "b.png", (np.hypot(rows - row, columns - column) < 4).astype(np.float32))
    edit(dataset, lambda meta: meta.update(camera_model="OPENCV", k1=k1))
    data = manager(dataset)
    camera, found = data.train_dataset.cameras[0], data.cached_train[0]["background_map"]
    center = (torch.nonzero(found) + 0.5).mean(0).flip(0).numpy()
    expected = direction * [float(camera.fx), float(camera.fy)] + [float(camera.cx), float(camera.cy)]
    assert np.abs(center - expected).max() < 0.5
    assert np.abs(center - [column, row]).max() > 0.7


def test_images_without_maps_have_none_and_the_memory_of_maps_counts(dataset, capsys):
    found = batches(dataset)
    assert "background_map" not in found[1]
    expected = 3 * HEIGHT * WIDTH + 18 * len(found[0]["measured_depth"]) + HEIGHT * WIDTH
    assert batch_bytes(found[0]) == expected
    assert "GiB with their maps" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", ["n.png", "b.png"])
def test_a_damaged_map_and_one_of_another_size_are_named(dataset, name):
    small = np.zeros((20, 28), np.float32)
    if name == "n.png":
        write_normal_map(dataset / name, np.dstack([small, small, small - 1]))
    else:
        write_background_map(dataset / name, small)
    with pytest.raises(DatasetError, match=rf"{name}: the .* map has 28x20 px, its .* 56x40"):
        batches(dataset)
    (dataset / name).write_bytes(b"no map")
    with pytest.raises(DatasetError, match=rf"{name}.*damaged"):
        batches(dataset)


def test_normals_of_an_image_without_depths_are_said_to_be_unused(dataset, capsys):
    edit(dataset, lambda meta: meta["frames"][1].pop("depth_file_path"))
    assert "measured_depth" not in batches(dataset)[0]
    assert "1 normal maps are not used" in " ".join(capsys.readouterr().out.split())


def test_images_leave_a_gpu_memory_to_train_in(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * GIB, 80 * GIB))
    gpu = torch.device("cuda", 0)
    assert allowed_bytes(8 * GIB, gpu) == 4 * GIB
    assert allowed_bytes(3 * GIB, gpu) == 3 * GIB
    assert allowed_bytes(8 * GIB, torch.device("cpu")) == 8 * GIB
