"""The stage `blocks plan`: a coarse run, cells of about the same cost, and the views of each."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import splatkit
from splatkit.blocks.balance import CutScene, cut_scene
from splatkit.blocks.cells import Cell
from splatkit.blocks.coarse import STEPS_SHARE, coarse_settings, read_coarse, write_coarse
from splatkit.blocks.estimates import estimate_block
from splatkit.blocks.geometric_views import views_by_area
from splatkit.blocks.observation import CoarseScene, coarse_camera, observed_pixels, views_by_change
from splatkit.blocks.picture import write_plan_picture
from splatkit.blocks.plan_file import COARSE_FILE, PLAN_FILE, Block, Plan, write_plan
from splatkit.blocks.settings import PlanBlocksSettings, parse_options
from splatkit.errors import DatasetError, RefusedError, SettingsError
from splatkit.io.json_files import read_json, write_json
from splatkit.io.splits import split_frames
from splatkit.io.transforms_json import Frame, read_transforms
from splatkit.memory import available_bytes
from splatkit.pipeline.fingerprints import FileHashes, fingerprint
from splatkit.progress import Progress, no_progress

PICTURE_FILE = "plan.png"
_MEMORY_SHARE = 0.7  # of what this machine can give
_MOST_RENDERINGS = 100_000  # of pairs of a cell and a photograph; of more it is geometry that tells
_NOT_IN_BLOCKS = {  # options that learn something of each photograph, which one block must not know better
    "pipeline.model.camera-optimizer.mode": "off",
    "pipeline.model.use-bilateral-grid": "False",
    "pipeline.model.refine-rig": "False",
}


@dataclass(frozen=True)
class Planned:
    """A plan that was made."""

    plan: Plan
    picture: Path
    balance: float  # largest estimated cost of a block over the mean

    def verdict(self) -> str:
        """What it comes to, for people."""
        blocks = self.plan.blocks
        hours = sum(block.cpu_s for block in blocks) / 3600
        memory = max(block.memory_mb for block in blocks) / 1000
        views = f"{min(len(block.views) for block in blocks)} to {max(len(block.views) for block in blocks)} views each"
        return (
            f"{len(blocks)} blocks, {views}, about {hours:.2g} CPU hours in all, {memory:.1f} GB of memory for the "
            f"largest; the costliest is estimated at {self.balance:.2f} of the mean"
        )


def plan_blocks(settings: PlanBlocksSettings, progress: Progress = no_progress) -> Planned:
    """Make a plan; a coarse run of the same settings and data that is in its folder is not trained again.

    Raises:
        SettingsError: settings that blocks cannot have, or more cells than the splats can be cut into.
        DatasetError, OSError: the dataset or the coarse run cannot be read.
        RefusedError: blocks would have too few views, or none fits into the memory.
        FileExistsError: there is a plan, and `overwrite` is not set.
    """
    folder = settings.out.resolve()
    if (folder / PLAN_FILE).exists() and not settings.overwrite:
        raise FileExistsError(f"{settings.out}: already holds a plan; choose another folder or pass --overwrite")
    options = _checked_options(settings)
    transforms = read_transforms(settings.dataset)
    frames = split_frames(transforms)["train"]
    if len(frames) < settings.least_views:
        raise RefusedError(
            f"{settings.dataset}: {len(frames)} photographs to train on, a block needs {settings.least_views}; train "
            "it as one run, or lower least_views"
        )
    folder.mkdir(parents=True, exist_ok=True)
    files = _hash_files(transforms.root, frames, folder / "hashes.json", progress)
    files |= {"transforms.json": _hash(settings.dataset, folder)}
    config, made_from = _coarse_run(settings, options, files)
    coarse_hash = FileHashes(folder / "hashes.json").of(folder / COARSE_FILE)
    scene = read_coarse(folder / COARSE_FILE)
    cut, weights = _cut(settings, scene, frames, progress)
    plan = Plan(
        folder=folder,
        dataset=settings.dataset.resolve(),
        dataset_files=files,
        coarse_config=config,
        coarse_hash=coarse_hash,
        made_from=made_from,
        splats=settings.splats,
        steps=settings.steps,
        margin=settings.margin,
        seed=settings.seed,
        train_options=settings.train_options,
        blocks=_blocks(settings, scene, frames, cut, weights),
        views=len(frames),
        unused=tuple(frame.file_path for frame, used in zip(frames, cut.views.any(0), strict=True) if not used),
    )
    write_plan_picture(folder / PICTURE_FILE, scene, cut.cells, frames)
    write_plan(plan)
    return Planned(plan, folder / PICTURE_FILE, cut.balance)


def _checked_options(settings: PlanBlocksSettings) -> dict[str, Any]:
    options = parse_options(settings.train_options)
    for name, needed in _NOT_IN_BLOCKS.items():
        value = options.get(name, options.get(name.replace("-", "_"), [needed]))
        if value != [needed]:
            raise SettingsError(
                f"train_options: --{name} learns of each photograph, which blocks cannot share; leave it"
            )
    return options


def _hash(dataset: Path, folder: Path) -> str:
    hashes = FileHashes(folder / "hashes.json")
    found = hashes.of(dataset / "transforms.json" if dataset.is_dir() else dataset)
    hashes.save()
    return found


def _hash_files(root: Path, frames: Sequence[Frame], kept: Path, progress: Progress) -> dict[str, str]:
    """SHA-256 of the files of all views, by their paths from the dataset's folder."""
    hashes, found = FileHashes(kept), dict[str, str]()
    with progress("reading the dataset", len(frames)) as advance:
        for frame in frames:
            for file in frame.files:
                found[file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)] = hashes.of(file)
            advance(1)
    hashes.save()
    return found


def _coarse_run(settings: PlanBlocksSettings, options: dict[str, Any], files: dict[str, str]) -> tuple[Path, str]:
    """Train it, or take the one that is there; leaves coarse.npz. Returns its config.yml, and what it was made from."""
    folder = settings.out.resolve()
    training = coarse_settings(
        settings.dataset.resolve(), folder / "coarse", settings.splats, settings.steps, settings.seed, options
    )
    given = None if settings.coarse is None else str(settings.coarse.resolve())
    made_from = fingerprint([splatkit.__version__, given, training.steps, training.seed, training.options, files])
    config = training.folder / "config.yml" if settings.coarse is None else settings.coarse.resolve()
    known = folder / "coarse.json"
    is_there = known.is_file() and (folder / COARSE_FILE).is_file() and config.is_file()
    if is_there and read_json(known).get("made_from") == made_from:
        return config, made_from
    from splatkit.optimize.load_run import load_splat_run  # takes seconds to import

    if settings.coarse is None:
        from splatkit.optimize.train import train

        shutil.rmtree(folder / "coarse", ignore_errors=True)
        train(training)
    run = load_splat_run(config)
    if settings.coarse is not None and run.dataset.resolve() not in (settings.dataset.resolve(), *_parents(settings)):
        raise DatasetError(f"{config}: a run of {run.dataset}, not of {settings.dataset}; pass a run of this dataset")
    write_coarse(folder / COARSE_FILE, run)
    write_json(known, {"made_from": made_from})
    return config, made_from


def _parents(settings: PlanBlocksSettings) -> tuple[Path, ...]:
    """Other names of the dataset: its file for the folder, or the folder for its file."""
    dataset = settings.dataset.resolve()
    return (dataset / "transforms.json",) if dataset.is_dir() else (dataset.parent,)


def _cut(
    settings: PlanBlocksSettings, scene: CoarseScene, frames: Sequence[Frame], progress: Progress
) -> tuple[CutScene, NDArray[np.float64]]:
    """Cells and their views; and the observed pixels [N] of splats."""
    observed = observed_pixels(scene, frames, progress)
    weights = np.where(scene.is_sky, 0.0, observed)
    if settings.blocks != "auto":
        cut = _cut_into(settings.blocks, settings, scene, weights, frames, progress)
        _check_views(settings, cut)
        return cut, weights
    allowed = _allowed_mb(settings)
    count = 1
    while True:
        cut = _cut_into(count, settings, scene, weights, frames, progress)
        needed = max(block.memory_mb for block in _blocks(settings, scene, frames, cut, weights))
        if needed <= allowed:
            break
        if int(cut.views.sum(1).min()) < 2 * settings.least_views:
            raise RefusedError(
                f"blocks: the largest of {count} needs {needed / 1000:.1f} GB, {allowed / 1000:.1f} GB are allowed, "
                f"and smaller ones would have fewer than {settings.least_views} views; raise memory_gb, or lower splats"
            )
        count = max(count + 1, math.ceil(count * min(2.0, needed / allowed)))
    _check_views(settings, cut)
    return cut, weights


def _allowed_mb(settings: PlanBlocksSettings) -> float:
    if settings.memory_gb is not None:
        return settings.memory_gb * 1000
    available = available_bytes()
    return math.inf if available is None else _MEMORY_SHARE * available / 1e6


def _check_views(settings: PlanBlocksSettings, cut: CutScene) -> None:
    fewest = int(cut.views.sum(1).min())
    if fewest < settings.least_views:
        number = int(cut.views.sum(1).argmin())
        raise RefusedError(
            f"blocks: of {len(cut.cells)} blocks, {_name(number)} would have {fewest} views, a block needs "
            f"{settings.least_views}; plan fewer blocks, or lower least_views"
        )


def _cut_into(
    count: int,
    settings: PlanBlocksSettings,
    scene: CoarseScene,
    weights: NDArray[np.float64],
    frames: Sequence[Frame],
    progress: Progress,
) -> CutScene:
    known = ~scene.is_sky
    points = scene.means[known]  # as they are: a bound between two of them must be on the same side of both

    def find_views(cells: Sequence[Cell]) -> NDArray[np.bool_]:
        if len(cells) == 1:
            return np.ones((1, len(frames)), dtype=np.bool_)
        if len(cells) * len(frames) > _MOST_RENDERINGS:
            return views_by_area(cells, [coarse_camera(frame) for frame in frames])
        return views_by_change(scene, cells, frames, progress)

    def cost_of(cells: Sequence[Cell], labels: NDArray[np.int64], views: NDArray[np.bool_]) -> NDArray[np.float64]:
        cut = CutScene(list(cells), labels, views, np.zeros(len(cells)))
        return np.array([block.cpu_s for block in _blocks(settings, scene, frames, cut, weights)])

    return cut_scene(points, weights[known], count, find_views, cost_of)


def _blocks(
    settings: PlanBlocksSettings,
    scene: CoarseScene,
    frames: Sequence[Frame],
    cut: CutScene,
    weights: NDArray[np.float64],
) -> tuple[Block, ...]:
    """What training each cell takes."""
    known = ~scene.is_sky
    means, weights = scene.means[known], weights[known]
    room = max(1, settings.splats - int(scene.is_sky.sum()))
    left = settings.steps - settings.steps // STEPS_SHARE
    megapixels = float(np.mean([frame.camera.width * frame.camera.height for frame in frames])) / 1e6
    blocks = []
    for number, (cell, seen) in enumerate(zip(cut.cells, cut.views, strict=True)):
        owned = cut.labels == number
        around = int(cell.widened(settings.margin).owns(means).sum())
        share = float(weights[owned].sum() / weights.sum())
        views = tuple(frame.file_path for frame, sees in zip(frames, seen, strict=True) if sees)
        steps = max(1, round(left * len(views) / len(frames)))
        splats = max(1, round(room * share))
        cap = max(1, round(splats * around / max(1, int(owned.sum()))))
        estimate = estimate_block(steps, len(views), megapixels, cap, len(scene.means))
        blocks.append(
            Block(
                name=_name(number),
                cell=cell,
                views=views,
                steps=steps,
                splats=splats,
                cap=cap,
                coarse_splats=int(owned.sum()),
                observed_share=share,
                cpu_s=estimate.cpu_s,
                memory_mb=estimate.memory_mb,
            )
        )
    return tuple(blocks)


def _name(number: int) -> str:
    return f"block-{number:03d}"
