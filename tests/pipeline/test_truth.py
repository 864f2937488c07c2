"""A pipeline that began with a generated scene is judged by what is known of it."""

import json

import numpy as np
import pytest

from splatkit.pipeline.config import read_pipeline
from splatkit.pipeline.truth import SceneTruth

WITH_SCENE = 'out = "products"\n[scene]\nname = "courtyard"\n'


@pytest.fixture
def truth_of(tmp_path):
    """A function from the text of a pipeline to its truth."""

    def truth_of(text):
        (tmp_path / "way.toml").write_text(text)
        return SceneTruth.of(read_pipeline(tmp_path / "way.toml"))

    (tmp_path / "photographs").mkdir()
    return truth_of


def test_only_where_products_keep_the_scenes_frame(truth_of):
    assert truth_of(WITH_SCENE) is not None
    assert truth_of(WITH_SCENE + "[capture.stereo]\n") is not None
    assert truth_of(WITH_SCENE + '[capture.images]\nimages = "{scene}/images"\n') is None
    assert truth_of(WITH_SCENE + '[capture.images]\nimages = "{scene}/images"\n[capture.stereo]\n') is None
    assert truth_of('out = "products"\n[capture.images]\nimages = "photographs"\n') is None


def test_errors_of_extrinsics_are_degrees_and_meters(truth_of, tmp_path):
    truth = truth_of(WITH_SCENE)
    assert truth.extrinsic_error("left", np.eye(4)) is None  # no rig
    truth.folder.mkdir(parents=True)
    rig = {"cameras": [{"name": "left", "T_camera_lidar": np.eye(4).tolist()}]}
    (truth.folder / "rig.json").write_text(json.dumps(rig))
    T = np.eye(4)
    T[:3, 3] = (0.03, 0.0, 0.04)
    degrees, meters = truth.extrinsic_error("left", T)
    assert (degrees, meters) == (0, pytest.approx(0.05))
    T = np.eye(4)
    T[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    assert truth.extrinsic_error("left", T) == (pytest.approx(np.degrees(0.1)), 0)
    assert truth.extrinsic_error("right", T) is None
