"""A dataset as a run: its training photographs with what was measured in them, and those that are held out."""

import json
import shutil

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.maps.depth_maps import write_depth_map
from splatkit.runs.dataset_run import load_dataset_run
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    generate_scene(read_scene(find_scene("studio")), folder, 32, 24, views=9)
    return folder


def edit(folder, change) -> None:
    path = folder / "transforms.json"
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))


def with_depths(scene, folder):
    """A copy whose photographs have depth maps, but the last one."""
    shutil.copytree(scene, folder)
    for path in (folder / "images").glob("*.png"):
        write_depth_map(folder / f"{path.stem}.depth.png", np.full((24, 32), 1.5), 2e-4)

    def change(meta):
        meta["depth_unit_scale_factor"] = 2e-4
        for frame in meta["frames"][:-1]:
            frame["depth_file_path"] = frame["file_path"].split("/")[-1].replace(".png", ".depth.png")

    edit(folder, change)
    return folder


def test_training_photographs_with_their_files_and_those_held_out(scene, tmp_path):
    run = load_dataset_run(with_depths(scene, tmp_path / "data"))
    assert len(run.train_views) + len(run.eval_views) == 9
    assert not {view.image_path for view in run.train_views} & {view.image_path for view in run.eval_views}
    measured = [view for view in run.train_views if view.is_measured]
    assert len(measured) >= len(run.train_views) - 1
    assert measured[0].depth_unit == 2e-4
    assert measured[0].depth_path == tmp_path / "data" / f"{measured[0].image_path.stem}.depth.png"
    assert measured[0].rendered == measured[0].photographed.camera


def test_a_lens_is_rendered_by_its_pinhole(scene, tmp_path):
    folder = with_depths(scene, tmp_path / "data")
    edit(folder, lambda meta: meta.update(camera_model="OPENCV", k1=-0.1, k2=0.0, p1=0.0, p2=0.0))
    view = load_dataset_run(folder).train_views[0]
    assert view.photographed.camera.has_distortion
    assert view.rendered == view.photographed.camera.rectified()


def test_a_dataset_without_depths_says_how_to_get_them(scene):
    with pytest.raises(DatasetError, match="splatkit capture stereo --dataset"):
        load_dataset_run(scene)


def test_without_a_held_out_photograph_none_is(scene, tmp_path):
    folder = with_depths(scene, tmp_path / "data")

    def all_train(meta):
        meta["train_filenames"] = [frame["file_path"] for frame in meta["frames"]]

    edit(folder, all_train)
    run = load_dataset_run(folder)
    assert (len(run.train_views), len(run.eval_views)) == (9, 0)
