"""Blocks of a tiny scene from plan to run: the same bits in any order and process, an ordinary run at the end."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch

from splatkit.blocks.block import is_trained, read_block, train_block
from splatkit.blocks.engines import local
from splatkit.blocks.merge import merge_blocks
from splatkit.blocks.plan import plan_blocks
from splatkit.blocks.plan_file import Plan, read_plan
from splatkit.blocks.settings import MergeBlocksSettings, TrainBlocksSettings
from splatkit.blocks.train import train_blocks
from splatkit.errors import DatasetError
from splatkit.optimize.load_ges import load_ges_run
from splatkit.progress import no_progress
from splatkit.splatting.splat_archives import read_splat_archive
from tests.blocks.conftest import settings


def contents(plan: Plan) -> list[bytes]:
    return [plan.block_file(block).read_bytes() for block in plan.blocks]


@pytest.fixture(scope="session")
def trained(planned) -> Plan:
    """All blocks, in this process, in their order."""
    for block in planned.blocks:
        train_block(planned, block)
    return planned


@pytest.mark.slow
def test_blocks_have_the_same_bits_in_another_order(trained, plan):
    for block in reversed(plan.blocks):
        train_block(plan, block)
    assert contents(plan) == contents(trained)


@pytest.mark.slow
def test_a_block_returns_what_it_owns_and_no_other_splat(trained):
    for block in trained.blocks:
        means = read_block(trained, block).means.numpy()
        assert len(means) > 10
        assert block.cell.owns(means).all()
        others = [other.cell for other in trained.blocks if other is not block]
        assert not any(cell.owns(means).any() for cell in others)


@pytest.mark.slow
def test_a_killed_block_is_tried_again_and_has_the_same_bits(trained, plan, monkeypatch):
    """The first block was trained before and is kept; the process of the second is killed once."""
    kept, killed = plan.blocks
    plan.block_file(kept).parent.mkdir()
    shutil.copy(trained.block_file(kept), plan.block_file(kept))
    pids = []

    class Killed(local.BlockProcess):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            pids.append(self.pid)
            if len(pids) == 1:
                os.kill(self.pid, signal.SIGKILL)

    monkeypatch.setattr(local, "BlockProcess", Killed)
    done = train_blocks(TrainBlocksSettings(plan.folder))
    assert (done.trained, done.kept) == ((killed.name,), (kept.name,))
    assert len(pids) == 2
    assert contents(plan) == contents(trained)
    assert [path.name for path in plan.block_file(kept).parent.glob(".*")] == []


@pytest.mark.slow
def test_blocks_that_fail_are_one_error_and_keep_the_others(trained, plan, tmp_path):
    """A photograph that vanishes after the check is what a worker finds that does not see the dataset."""
    kept, fails = plan.blocks
    plan.block_file(kept).parent.mkdir()
    shutil.copy(trained.block_file(kept), plan.block_file(kept))
    engine, broken = local.LocalEngine(retries=0), read_plan(plan.folder)
    gone = tmp_path / "gone"
    record = json.loads((plan.folder / "plan.json").read_text())
    (plan.folder / "plan.json").write_text(json.dumps({**record, "dataset": str(gone)}))
    (failure,) = engine.train(broken, [fails], no_progress)
    assert failure.block == fails
    assert f"{gone}: no such file or folder" in failure.reason
    assert is_trained(plan, kept)
    assert not plan.block_file(fails).exists()


def test_a_changed_dataset_is_refused(planned, plan, tiny_dataset, tmp_path):
    copy = shutil.copytree(tiny_dataset, tmp_path / "ball")
    record = json.loads((plan.folder / "plan.json").read_text())
    (plan.folder / "plan.json").write_text(json.dumps({**record, "dataset": str(copy)}))
    changed = copy / "images/001.png"
    shutil.copy(copy / "images/002.png", changed)
    with pytest.raises(DatasetError, match=r"images/001.png: changed since .*plan.json was made; plan again"):
        train_blocks(TrainBlocksSettings(plan.folder))


@pytest.mark.slow
def test_the_merged_run_is_an_ordinary_run(trained, tmp_path):
    merged = merge_blocks(MergeBlocksSettings(trained.folder, tmp_path / "runs", seam_steps=0))
    run = load_ges_run(merged.config_path)
    parts = [read_block(trained, block) for block in trained.blocks]
    assert merged.counts == {block.name: len(part) for block, part in zip(trained.blocks, parts, strict=True)}
    assert merged.duplicates == 0
    torch.testing.assert_close(run.splats.means, torch.cat([part.means for part in parts]), rtol=0, atol=0)
    # logarithms and logits in between
    torch.testing.assert_close(run.splats.scales, torch.cat([part.scales for part in parts]), rtol=1e-5, atol=0)
    assert run.sh_degree == parts[0].sh_degree
    assert len(run.train_views) == trained.views
    assert json.loads((merged.config_path.parent / "merge.json").read_text())["duplicates"] == 0
    with pytest.raises(FileExistsError, match="already exists"):
        merge_blocks(MergeBlocksSettings(trained.folder, tmp_path / "runs"))


@pytest.mark.slow
def test_the_pass_over_seams_keeps_geometry_and_what_is_far_from_them(trained, tmp_path):
    plain = merge_blocks(MergeBlocksSettings(trained.folder, tmp_path / "plain", seam_steps=0))
    fitted = merge_blocks(MergeBlocksSettings(trained.folder, tmp_path / "fitted", seam_steps=6))
    before, after = (load_ges_run(merged.config_path).splats for merged in (plain, fitted))

    def in_order(splats):
        return splats.select(torch.from_numpy(np.lexsort(splats.means.numpy().T)))

    before, after = in_order(before), in_order(after)
    for name in ("means", "quats", "shN"):
        torch.testing.assert_close(getattr(after, name), getattr(before, name), rtol=0, atol=0)
    torch.testing.assert_close(after.scales, before.scales, rtol=1e-5, atol=0)
    moved = (after.opacities - before.opacities).abs() > 1e-4
    assert moved.any()
    assert not moved.all()


@pytest.mark.slow
def test_a_plan_resumes_with_its_coarse_run(planned, tiny_dataset, tmp_path, monkeypatch):
    """Another number of blocks needs no other coarse run."""
    folder = tmp_path / "again"
    shutil.copytree(planned.folder, folder, ignore=shutil.ignore_patterns("blocks"))
    config = folder / "coarse/coarse/ges/run/config.yml"
    monkeypatch.setattr("splatkit.optimize.train.train", lambda settings: pytest.fail("trained again"))
    again = plan_blocks(settings(tiny_dataset, folder, blocks=3, overwrite=True)).plan
    assert len(again.blocks) == 3
    assert again.coarse_config == config
    assert again.coarse_hash == planned.coarse_hash


def test_blocks_that_are_not_trained_cannot_be_merged(plan, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"block-000 is not trained; train it by `splatkit blocks train"):
        merge_blocks(MergeBlocksSettings(plan.folder, tmp_path / "runs"))


def test_an_archive_that_is_cut_short_counts_as_not_trained(trained, plan):
    block = plan.blocks[0]
    path = plan.block_file(block)
    path.parent.mkdir()
    whole = trained.block_file(block).read_bytes()
    path.write_bytes(whole)
    assert is_trained(plan, block)
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert not is_trained(plan, block)
        with pytest.raises(DatasetError, match="not an archive of splats"):
            read_splat_archive(path)
