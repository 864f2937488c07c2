"""A plan of two blocks of the tiny dataset that tests of training share."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from splatkit.blocks.plan import plan_blocks
from splatkit.blocks.plan_file import Plan, read_plan, write_plan
from splatkit.blocks.settings import PlanBlocksSettings
from tests.optimize.conftest import tiny_dataset

__all__ = ["tiny_dataset"]

STEPS, SPLATS = 24, 240
OPTIONS = (
    "--pipeline.model.densification.warmup-steps 4 --pipeline.model.densification.refine-every 4 "
    "--pipeline.model.densification.grad-threshold 1e-5 --logging.local-writer.enable False"
)


def settings(dataset: Path, out: Path, **more) -> PlanBlocksSettings:
    """Of a plan that takes seconds to train."""
    values: dict[str, Any] = {"blocks": 2, "splats": SPLATS, "steps": STEPS, "least_views": 2, "train_options": OPTIONS}
    return PlanBlocksSettings(dataset, out, **(values | more))


@pytest.fixture(scope="session")
def planned(tiny_dataset, tmp_path_factory) -> Plan:
    """Not to be changed."""
    return plan_blocks(settings(tiny_dataset, tmp_path_factory.mktemp("plan") / "plan")).plan


@pytest.fixture
def plan(planned, tmp_path) -> Plan:
    """A copy of it, none of whose blocks is trained."""
    shutil.copytree(planned.folder, tmp_path / "plan", ignore=shutil.ignore_patterns("blocks"))
    copied = read_plan(tmp_path / "plan")
    write_plan(copied)
    return copied
