"""Poses as people bring them: Blender's sets, zips, COLMAP models in several parts and with names of all kinds."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from splatkit.capture.images.poses.reading import read_poses
from splatkit.errors import DatasetError
from splatkit.io.images import write_image

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
def test_a_zipped_recording_is_told_to_be_unpacked(tmp_path, form):
    """Source: record3d #24, #93, instant-ngp #1190."""
    with zipfile.ZipFile(tmp_path / "walk.r3d", "w") as archive:
        archive.writestr("metadata", "{}")
    with pytest.raises(DatasetError, match=r"walk\.r3d: a recording of Record3D, which is a zip; unpack it first"):
        read_poses(tmp_path / "walk.r3d", form, None, None, None)
