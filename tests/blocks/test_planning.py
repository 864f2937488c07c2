"""What a plan says is so, and what makes no sense is refused before anything is trained."""

import json

import numpy as np
import pytest
import torch

from splatkit.blocks.cells import Cell
from splatkit.blocks.coarse import read_coarse
from splatkit.blocks.geometric_views import views_by_area
from splatkit.blocks.observation import coarse_camera
from splatkit.blocks.plan import plan_blocks
from splatkit.blocks.plan_file import read_plan, write_plan
from splatkit.blocks.settings import MergeBlocksSettings, PlanBlocksSettings, TrainBlocksSettings, parse_options
from splatkit.blocks.train import train_blocks
from splatkit.errors import DatasetError, RefusedError, SettingsError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import image_size
from splatkit.io.transforms_json import read_transforms
from splatkit.pipeline.lock import BusyFolderError, alone_in
from tests.blocks.conftest import settings

INF = float("inf")


def test_a_plan_shares_splats_and_pixels_out(planned):
    blocks = planned.blocks
    assert [block.name for block in blocks] == ["block-000", "block-001"]
    assert sum(block.splats for block in blocks) == pytest.approx(planned.splats, abs=2)
    assert sum(block.observed_share for block in blocks) == pytest.approx(1)
    coarse = read_coarse(planned.coarse_file)
    assert sum(block.coarse_splats for block in blocks) == len(coarse.means)
    assert all(block.cap >= block.splats for block in blocks)
    assert max(image_size(planned.folder / "plan.png")) == pytest.approx(1000, abs=2)
    assert read_plan(planned.folder) == planned


def test_the_pixels_that_splats_show_are_those_that_are_covered(planned, tiny_dataset):
    """Together they are the image's opacity: a sum of derivatives beside a sum of alphas."""
    coarse = read_coarse(planned.coarse_file)
    camera = coarse_camera(read_transforms(tiny_dataset).frames[0])
    pixels = coarse.shown_pixels(camera)
    alphas = coarse.run.render(camera).alphas
    assert float(pixels.min()) >= 0
    # float32 sums of a few thousand pixels
    torch.testing.assert_close(pixels.sum(), alphas.sum(), rtol=1e-4, atol=0)


def test_views_by_area_are_those_near_enough_and_turned_to_a_cell():
    camera = Camera("pinhole", 100, 100, 100.0, 100.0, 50.0, 50.0)
    cell = Cell((-INF, -INF, -INF), (INF, INF, INF), (-1, -1, 9), (1, 1, 11))

    def posed(z, turned=False):
        pose = np.eye(4)
        pose[2, 3] = z
        if turned:
            pose[:3, :3] = np.diag([-1.0, 1.0, -1.0])
        return PosedCamera("", camera, pose)

    # the near face, 2 wide and 9 away, is 22 px wide: 4.9 % of the image; from 8 away, 25 px: 6.3 %
    found = views_by_area([cell], [posed(0), posed(1), posed(1, turned=True), posed(10), posed(10, turned=True)])
    assert found.tolist() == [[False, True, False, True, True]]


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"least_views": 50}, RefusedError, "8 photographs to train on, a block needs 50; train it as one run"),
        (
            {"train_options": "--pipeline.model.use-bilateral-grid True"},
            SettingsError,
            "use-bilateral-grid learns of each photograph",
        ),
        (
            {"train_options": "--pipeline.model.camera-optimizer.mode SO3xR3"},
            SettingsError,
            "camera-optimizer.mode learns of each photograph",
        ),
    ],
)
def test_plans_that_make_no_sense_are_refused(more, error, message, tiny_dataset, tmp_path):
    with pytest.raises(error, match=message):
        plan_blocks(settings(tiny_dataset, tmp_path / "plan", **more))
    assert not (tmp_path / "plan").exists()


def test_a_plan_is_not_replaced_unless_asked_to(planned, tiny_dataset):
    with pytest.raises(FileExistsError, match="already holds a plan"):
        plan_blocks(settings(tiny_dataset, planned.folder))


def test_a_run_that_is_not_there_is_no_coarse_run(tiny_dataset, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file; expected the config.yml"):
        plan_blocks(settings(tiny_dataset, tmp_path / "plan", coarse=tmp_path / "config.yml"))


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        (PlanBlocksSettings, {"blocks": 0}, "blocks: expected auto or a whole number from 1, got 0"),
        (PlanBlocksSettings, {"splats": 0}, "splats: expected a whole number from 1, got 0"),
        (PlanBlocksSettings, {"margin": 2.0}, "margin: expected a share from 0 to 1, got 2"),
        (PlanBlocksSettings, {"memory_gb": 0.0}, "memory_gb: expected more than 0, got 0"),
        (PlanBlocksSettings, {"train_options": "sh-degree 1"}, "train_options: expected --NAME VALUE"),
        (MergeBlocksSettings, {"seam_steps": -1}, "seam_steps: expected a whole number from 0, got -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind, more, message, tmp_path):
    with pytest.raises(SettingsError, match=message):
        kind(tmp_path, tmp_path, **more)


def test_settings_of_training_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="address: is of a Ray cluster; pass --engine ray with it"):
        TrainBlocksSettings(tmp_path, address="auto")
    with pytest.raises(SettingsError, match="retries: expected a whole number from 0, got -1"):
        TrainBlocksSettings(tmp_path, retries=-1)


def test_options_are_split_as_a_shell_would():
    assert parse_options("--a.b 1 --c 'd e' f --g") == {"a.b": ["1"], "c": ["d e", "f"], "g": []}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not a plan of `splatkit blocks plan`"),
        ({"version": 2}, "a plan of version 2, expected 1; plan again"),
        ({"blocks": [{}]}, "damaged"),
        ({"blocks": None}, "damaged"),
        ({"views": ...}, "damaged"),
    ],
)
def test_damaged_plans_are_named(plan, change, message):
    path = plan.folder / "plan.json"
    record = json.loads(path.read_text())
    record |= change
    path.write_text(json.dumps({key: value for key, value in record.items() if value is not ...}))
    with pytest.raises(DatasetError, match=rf"plan.json: .*{message}"):
        read_plan(plan.folder)


def test_a_plan_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="make a plan by `splatkit blocks plan DATASET"):
        read_plan(tmp_path)


def test_plans_are_written_as_they_are_read(plan):
    before = (plan.folder / "plan.json").read_bytes()
    write_plan(read_plan(plan.folder))
    assert (plan.folder / "plan.json").read_bytes() == before


def test_two_starts_do_not_train_one_plan(plan):
    with (
        alone_in(plan.folder, "splatkit blocks train"),
        pytest.raises(BusyFolderError, match="another `splatkit blocks train` is at work there"),
    ):
        train_blocks(TrainBlocksSettings(plan.folder))
