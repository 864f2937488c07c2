"""`load_ges_run`: what export reads, in the frame of the dataset, and one clear error for what cannot be read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.utils.eval_utils import eval_setup

from splatkit.errors import DatasetError
from splatkit.optimize.data.dataparser import SplatkitDataParser
from splatkit.optimize.load_ges import load_ges_run
from splatkit.optimize.nerfstudio.checkpoints import CheckpointError, list_checkpoints


def test_rendering_equals_the_model_in_the_input_frame(trained):
    run = load_ges_run(trained)
    _, pipeline, _, _ = eval_setup(trained)
    pipeline.model.set_background(torch.zeros(3))
    expected = pipeline.model.get_outputs_for_camera(pipeline.datamanager.train_dataset.cameras[:1])
    rendering = run.render(run.train_views[0].posed)
    torch.testing.assert_close(rendering.colors[0], expected["rgb"], atol=1e-5, rtol=0)
    assert run.step == 3
    assert len(run.train_views) == 8
    assert len(run.eval_views) == 2
    torch.testing.assert_close(run.splats.means.mean(0), torch.tensor([10.0, 0.0, 0.0]), atol=0.5, rtol=0)


def test_transform_and_scale_of_another_parser_are_undone(trained, monkeypatch):
    """A parser that normalizes the scene, as nerfstudio's own does, must not show in what is exported."""
    plain = load_ges_run(trained)
    angle = torch.tensor(0.7)
    rotation = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])
    transform, scale = torch.cat([rotation, torch.tensor([[1.0], [2.0], [3.0]])], 1), 0.25
    original = SplatkitDataParser._generate_dataparser_outputs

    def normalized(self, split="train", **kwargs) -> DataparserOutputs:
        outputs = original(self, split, **kwargs)
        poses = outputs.cameras.camera_to_worlds
        bottom = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(len(poses), 1, 4)
        poses = transform @ torch.cat([poses, bottom], 1)
        poses[:, :, 3] *= scale
        outputs.cameras.camera_to_worlds = poses
        outputs.dataparser_transform, outputs.dataparser_scale = transform, scale
        del outputs.metadata["photographed"]  # what other parsers do not tell
        return outputs

    monkeypatch.setattr(SplatkitDataParser, "_generate_dataparser_outputs", normalized)
    moved = load_ges_run(trained)
    for found, expected in zip(moved.train_views, plain.train_views, strict=True):
        assert found.image_path == expected.image_path
        np.testing.assert_allclose(found.posed.T_world_camera, expected.posed.T_world_camera, atol=1e-5)
    torch.testing.assert_close(
        (moved.splats.means + torch.tensor([1.0, 2.0, 3.0]) @ rotation) * scale @ rotation.T
        - (moved.splats.means * scale @ rotation.T),
        (torch.tensor([1.0, 2.0, 3.0]) * scale).expand_as(moved.splats.means),
        atol=1e-5,
        rtol=0,
    )
    # x_train = scale (R x + t) of the undone splats must give back what the checkpoint holds.
    again = scale * (moved.splats.means @ rotation.T + transform[:, 3])
    torch.testing.assert_close(again, plain.splats.means, atol=1e-4, rtol=0)
    torch.testing.assert_close(moved.splats.scales * scale, plain.splats.scales)


def test_newest_readable_checkpoint_is_taken_and_none_is_an_error(trained):
    checkpoints = list_checkpoints(trained.parent / "nerfstudio_models")
    checkpoints[0].write_bytes(checkpoints[0].read_bytes()[:500])
    with pytest.raises(CheckpointError, match="cut short"):
        load_ges_run(trained)
    checkpoints[0].unlink()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_ges_run(trained)


def test_checkpoint_of_another_method_is_refused(trained):
    path = list_checkpoints(trained.parent / "nerfstudio_models")[0]
    torch.save({"step": 1, "pipeline": {"_model.field.weight": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of the method ges"):
        load_ges_run(trained)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="not a checkpoint of a run"):
        load_ges_run(trained)


def test_what_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.yml"):
        load_ges_run(tmp_path / "nothing.yml")
    (tmp_path / "config.yml").write_text("a: 1")
    with pytest.raises(DatasetError, match=r"expected the config\.yml of a training run"):
        load_ges_run(tmp_path / "config.yml")


def test_runs_of_version_0_1_0_open_still(trained, tiny_dataset):
    """Their config.yml names modules that have moved since."""
    today = load_ges_run(trained)
    old = (Path(__file__).parent.parent / "runs/data/config_0.1.0_ges.yml").read_text()
    assert "splatkit.optimize.ges_model.GesModel" in old
    trained.write_text(old.replace("- dataset\n", f"- {tiny_dataset}\n"))
    found = load_ges_run(trained)
    assert found.dataset == tiny_dataset
    assert torch.equal(found.splats.means, today.splats.means)
    assert torch.equal(found.image(found.eval_views[0].posed), today.image(today.eval_views[0].posed))


def test_a_hostile_config_is_refused_by_name(trained, tmp_path):
    trained.write_text(trained.read_text() + f"hook: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    with pytest.raises(DatasetError, match=r"config\.yml: refused, it names os\.mkdir"):
        load_ges_run(trained)
    assert not (tmp_path / "made").exists()
