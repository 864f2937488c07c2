"""Blocks on a Ray cluster: as many at a time as it has room for; what its nodes lose, it gives to others."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from splatkit.blocks.block import made_from
from splatkit.blocks.engines.engine import Failure, StepCounter
from splatkit.blocks.engines.local import run_block
from splatkit.blocks.engines.process import BlockKilledError, BlockRefusedError
from splatkit.blocks.plan_file import Block, Plan, read_plan
from splatkit.errors import DatasetError, SettingsError, SplatkitError
from splatkit.progress import Progress

_LOOK_EVERY_S = 1.0


class RayEngine:
    """See the module.

    Args:
        address: of a cluster, as `ray.init` takes it; None starts one on this machine.
        retries: how often a block is tried again that was lost.
        cpus: set aside for a block.
        gpus: set aside for a block; None: 1 where the cluster has any.
    """

    def __init__(self, address: str | None, retries: int, cpus: float, gpus: float | None) -> None:
        self._address, self._retries, self._cpus, self._gpus = address, retries, cpus, gpus

    def train(self, plan: Plan, blocks: Sequence[Block], progress: Progress) -> list[Failure]:
        """As `Engine` has it.

        Raises:
            SettingsError: Ray is not installed, there is no such cluster, or no node of it has room for a block.
        """
        ray = _load_ray()
        began = not ray.is_initialized()
        if began:
            self._connect(ray)
        try:
            self._check_room(ray)
            return self._train(ray, plan, blocks, progress)
        finally:
            if began:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:
        of_new = {"include_dashboard": False} if self._address is None else {}
        try:
            ray.init(self._address, log_to_driver=False, logging_level=logging.ERROR, **of_new)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise SettingsError(f"address: no Ray cluster at {self._address or 'this machine'} ({reason})") from error

    def _resources(self, ray: Any) -> dict[str, float]:
        there = ray.cluster_resources()
        gpus = self._gpus if self._gpus is not None else min(1.0, there.get("GPU", 0.0))
        return {"num_cpus": self._cpus, "num_gpus": gpus}

    def _check_room(self, ray: Any) -> None:
        """Refuse what Ray would wait for without end."""
        wanted = self._resources(ray)
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(_has_room(node, wanted) for node in nodes):
            most = max((node.get("CPU", 0.0) for node in nodes), default=0.0)
            raise SettingsError(
                f"cpus, gpus: no node of the cluster has {wanted['num_cpus']:g} CPUs and {wanted['num_gpus']:g} GPUs "
                f"(the largest has {most:g} CPUs); ask for less"
            )

    def _train(self, ray: Any, plan: Plan, blocks: Sequence[Block], progress: Progress) -> list[Failure]:
        task = ray.remote(max_retries=self._retries, retry_exceptions=[BlockKilledError], **self._resources(ray))(
            _train_on_worker
        )
        running = {
            task.options(name=block.name).remote(str(plan.folder), block.name, made_from(plan, block)): block
            for block in blocks
        }
        counter, finished, failures = StepCounter(plan, blocks), set[str](), list[Failure]()
        with progress(f"training {len(blocks)} blocks", counter.total) as advance:
            try:
                while running:
                    ended, _ = ray.wait(list(running), timeout=_LOOK_EVERY_S)
                    for reference in ended:
                        block = running.pop(reference)
                        reason = _reason(ray, reference)
                        if reason is None:
                            finished.add(block.name)
                        else:
                            failures.append(Failure(block, reason))
                    advance(counter.more(finished))
            finally:
                for reference in running:  # interrupted
                    ray.cancel(reference, force=True)
        return failures


def _load_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise SettingsError(
            "engine: ray is not installed; pip install 'splatkit[ray]', or use the engine local"
        ) from None
    return ray


def _has_room(node: dict[str, float], wanted: dict[str, float]) -> bool:
    return node.get("CPU", 0.0) >= wanted["num_cpus"] and node.get("GPU", 0.0) >= wanted["num_gpus"]


def _reason(ray: Any, reference: Any) -> str | None:
    """Why a task failed; None where it did not."""
    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return str(error.cause)
    except ray.exceptions.RayError as error:
        return f"lost by the cluster ({str(error).splitlines()[0]})"
    return None


def _train_on_worker(folder: str, name: str, expected: str) -> None:
    """What a node does: check that it sees what the driver sees, and train the block in a process of its own."""
    try:
        plan = read_plan(Path(folder))
        block = next(block for block in plan.blocks if block.name == name)
        if made_from(plan, block) != expected:
            raise DatasetError("it is another plan there")
    except (SplatkitError, OSError, StopIteration) as error:
        raise BlockRefusedError(
            f"a node does not see the plan of the driver at {folder} ({error}); put the plan and its dataset into a "
            "folder that all nodes share under the same path"
        ) from None
    run_block(plan, block, _nothing)


def _nothing() -> None:
    """The driver looks at the logs."""
