"""The stage `blocks train`: what of a plan is not trained yet, by an engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from splatkit.blocks.block import is_trained
from splatkit.blocks.engines.cluster import RayEngine
from splatkit.blocks.engines.engine import BlockFailedError, Engine, Failure
from splatkit.blocks.engines.local import LocalEngine
from splatkit.blocks.plan_file import PLAN_FILE, Plan, read_plan
from splatkit.blocks.settings import TrainBlocksSettings
from splatkit.errors import DatasetError
from splatkit.pipeline.fingerprints import FileHashes
from splatkit.pipeline.lock import alone_in
from splatkit.progress import Progress, no_progress


@dataclass(frozen=True)
class BlocksTrained:
    """What was done."""

    plan: Plan
    trained: tuple[str, ...]  # names of blocks that were trained now
    kept: tuple[str, ...]  # and of those that were trained before


def train_blocks(settings: TrainBlocksSettings, progress: Progress = no_progress) -> BlocksTrained:
    """Train all blocks of a plan that are not trained; an interrupted one starts from its beginning.

    Raises:
        DatasetError, OSError: the plan or its dataset cannot be read, or is not what was planned.
        SettingsError: the engine is not there.
        BusyFolderError: another start is at work on the plan.
        BlockFailedError: blocks could not be trained; all others are, and the same call trains the rest.
    """
    plan = read_plan(settings.plan)
    _check_inputs(plan)
    with alone_in(plan.folder, "splatkit blocks train"):
        kept = tuple(block.name for block in plan.blocks if is_trained(plan, block))
        # The longest first, so that none is left alone at the end.
        left = sorted((block for block in plan.blocks if block.name not in kept), key=lambda block: -block.cpu_s)
        failures = _engine(settings).train(plan, left, progress) if left else []
    if failures:
        raise BlockFailedError(_explanation(plan, failures))
    return BlocksTrained(plan, tuple(block.name for block in left), kept)


def _engine(settings: TrainBlocksSettings) -> Engine:
    if settings.engine == "local":
        return LocalEngine(settings.retries)
    return RayEngine(settings.address, settings.retries, settings.cpus, settings.gpus)


def _check_inputs(plan: Plan) -> None:
    """Refuse a dataset or a coarse run that changed since the plan was made."""
    hashes = FileHashes(plan.folder / "hashes.json")
    root = plan.dataset if plan.dataset.is_dir() else plan.dataset.parent
    for name, digest in plan.dataset_files.items():
        path = plan.dataset if name == "transforms.json" and plan.dataset.is_file() else root / name
        if not path.is_file():
            raise DatasetError(f"{path}: was there when {plan.folder / PLAN_FILE} was made and is not now")
        if hashes.of(path) != digest:
            raise DatasetError(f"{path}: changed since {plan.folder / PLAN_FILE} was made; plan again")
    if not plan.coarse_file.is_file() or hashes.of(plan.coarse_file) != plan.coarse_hash:
        raise DatasetError(f"{plan.coarse_file}: is not the coarse run that was planned with; plan again")
    hashes.save()


def _explanation(plan: Plan, failures: Sequence[Failure]) -> str:
    first = failures[0]
    others = f" (and {len(failures) - 1} more: {', '.join(f.block.name for f in failures[1:])})" if failures[1:] else ""
    return (
        f"{first.block.name}: {first.reason.rstrip('.')}{others}; the other blocks are trained and kept: fix it, then "
        f"`splatkit blocks train {plan.folder}` trains what is left"
    )
