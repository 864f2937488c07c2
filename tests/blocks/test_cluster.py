"""Blocks on a real Ray cluster of two nodes on this machine."""

import os
import shutil
import signal
import threading
import time
import warnings
from pathlib import Path

import pytest

from splatkit.blocks.block import train_block
from splatkit.blocks.engines.cluster import RayEngine
from splatkit.blocks.settings import TrainBlocksSettings
from splatkit.blocks.train import train_blocks
from splatkit.errors import SettingsError
from splatkit.progress import no_progress


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes with a CPU each, to which this process is connected."""
    pytest.importorskip("ray", reason="needs the extra ray")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")  # machines that run tests are busy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own
        import ray
        from ray.cluster_utils import Cluster

        made = None
        try:
            made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
            made.add_node(num_cpus=1)
            ray.init(address=made.address, log_to_driver=False)
        except Exception as error:  # whatever Ray raises where its own processes start too slowly
            ray.shutdown()
            if made is not None:
                made.shutdown()
            pytest.skip(f"Ray does not start on this machine: {error}")
        yield made
        ray.shutdown()
        made.shutdown()


def kill_first_worker(folder: Path, killed: list[int]) -> None:
    """Kill the worker, not the block in it, as soon as a block of the plan runs."""
    ends = time.monotonic() + 120
    while not killed and time.monotonic() < ends:
        for process in Path("/proc").iterdir():
            words = _words(process)
            if process.name.isdigit() and "splatkit.blocks.block" in words and str(folder) in words:
                worker = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
                return
        time.sleep(0.05)


def _words(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text().split("\0")
    except OSError:
        return []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="finds workers as Linux lists processes")
@pytest.mark.filterwarnings("ignore")  # Ray's threads end as they like
def test_a_block_whose_worker_is_killed_has_the_bits_of_a_local_one(planned, plan, cluster):
    lost, kept = plan.blocks
    for block in planned.blocks:
        if not planned.block_file(block).is_file():
            train_block(planned, block)
    plan.block_file(kept).parent.mkdir()
    shutil.copy(planned.block_file(kept), plan.block_file(kept))
    killed = list[int]()
    killer = threading.Thread(target=kill_first_worker, args=(plan.folder, killed))
    killer.start()
    done = train_blocks(TrainBlocksSettings(plan.folder, engine="ray", cpus=1))
    killer.join()
    assert killed
    assert (done.trained, done.kept) == ((lost.name,), (kept.name,))
    assert plan.block_file(lost).read_bytes() == planned.block_file(lost).read_bytes()
    with pytest.raises(SettingsError, match="no node of the cluster has 3 CPUs"):
        RayEngine(None, 0, 3.0, None).train(plan, [lost], no_progress)


def test_ray_that_is_not_installed_is_said(plan, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(SettingsError, match=r"ray is not installed; pip install 'splatkit\[ray\]'"):
        RayEngine(None, 0, 1.0, None).train(plan, plan.blocks, no_progress)
