"""Directions in which nothing is: those that maps show, with the colors of the photographs."""

import json
import shutil

import numpy as np
import pytest
import torch

from splatkit.errors import DatasetError
from splatkit.io.images import read_image, write_image
from splatkit.io.maps.background_maps import write_background_map
from splatkit.io.transforms_json import read_transforms
from splatkit.optimize.data.background_directions import background_directions

SKY = (40, 90, 200)


@pytest.fixture
def dataset(tiny_dataset, tmp_path):
    """The upper quarter of each image is sky; cameras look down a little."""
    folder = shutil.copytree(tiny_dataset, tmp_path / "data")
    meta = json.loads((folder / "transforms.json").read_text())
    confidences = np.zeros((40, 56), np.float32)
    confidences[:10] = 0.8
    write_background_map(folder / "b.png", confidences)
    for frame in meta["frames"]:
        frame["background_file_path"] = "b.png"
        image = read_image(folder / frame["file_path"]).copy()
        image[:10] = SKY
        write_image(folder / frame["file_path"], image)
    (folder / "transforms.json").write_text(json.dumps(meta))
    return folder


def found_in(dataset, most=10_000):
    return background_directions(read_transforms(dataset).frames, most)


def test_directions_are_those_of_the_maps_and_a_margin(dataset):
    found = found_in(dataset)
    directions, frames = found.directions.double().numpy(), read_transforms(dataset).frames
    torch.testing.assert_close(found.directions.norm(dim=1), torch.ones(len(found.directions)))
    lowest = []
    for frame in frames:
        pixels, inside = frame.camera.project(directions @ frame.T_world_camera[:3, :3])
        lowest.append(pixels[inside, 1].max())
    assert 10 < max(lowest) < 10 + 8  # px; the margin is 3.3 degrees, 3.5 px in the middle and more at the border
    top = frames[0].camera.unproject(np.array([[28.0, 2.0]]), np.ones(1)) @ frames[0].T_world_camera[:3, :3].T
    assert (directions @ top[0] / np.linalg.norm(top)).max() > np.cos(np.deg2rad(2))
    assert 300 < len(directions) < 3000


def test_colors_are_those_of_the_photographs(dataset):
    colors = found_in(dataset).colors
    torch.testing.assert_close(colors, (torch.tensor(SKY) / 255).expand_as(colors), atol=1e-6, rtol=0)


def test_what_is_transparent_masked_or_not_sure_has_no_direction(dataset):
    meta = json.loads((dataset / "transforms.json").read_text())
    clear = np.dstack(
        [np.zeros((40, 56, 3), np.uint8), np.where(np.arange(40)[:, None] < 10, 0, 255) * np.ones((1, 56))]
    )
    write_image(dataset / "clear.png", clear.astype(np.uint8))
    write_image(dataset / "mask.png", np.zeros((40, 56), np.uint8))
    write_background_map(dataset / "unsure.png", np.full((40, 56), 0.4, np.float32))
    for change in ({"file_path": "clear.png"}, {"mask_path": "mask.png"}, {"background_file_path": "unsure.png"}):
        frames = [{**frame, **change} for frame in meta["frames"][:1]]
        (dataset / "transforms.json").write_text(json.dumps({**meta, "frames": frames}))
        assert len(found_in(dataset).directions) == 0


def test_a_damaged_map_is_named(dataset):
    (dataset / "b.png").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"b\.png.*background map"):
        found_in(dataset)


@pytest.mark.parametrize("most", [1, 40, 500])
def test_there_are_at_most_as_many_as_wanted_and_evenly_spread(dataset, most):
    directions = found_in(dataset, most).directions
    assert 0.6 * most < len(directions) <= most
    if most > 1:
        nearest = torch.cdist(directions, directions).fill_diagonal_(9).amin(1)
        assert nearest.max() < 2.5 * nearest.min()
