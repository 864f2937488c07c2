"""The stage `blocks merge`: the splats that each cell owns, together, as one ordinary run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from splatkit.blocks.block import read_block
from splatkit.blocks.coarse import read_coarse
from splatkit.blocks.observation import CoarseScene
from splatkit.blocks.plan_file import Plan, read_plan
from splatkit.blocks.seams import SeamScore, fit_seams, score_seams
from splatkit.blocks.settings import MergeBlocksSettings, parse_options
from splatkit.errors import DatasetError
from splatkit.io.json_files import write_json
from splatkit.io.splits import split_frames
from splatkit.io.transforms_json import Frame, read_transforms
from splatkit.progress import Progress, no_progress
from splatkit.splatting.sky_shell import together

REPORT_FILE = "merge.json"
_STEPS_A_VIEW = 2  # of the seam pass


@dataclass(frozen=True)
class Merged:
    """A run that was merged."""

    config_path: Path
    counts: dict[str, int]  # splats by the name of their block; "sky" for those of the coarse run's shell
    duplicates: int  # splats that more than one cell owns: none, for cells share space out
    seam_steps: int
    before_seams: SeamScore | None  # None: no photograph is held out, or no seam pass was made
    score: SeamScore | None

    def verdict(self) -> str:
        """What it comes to, for people."""
        total = sum(self.counts.values())
        said = f"{total} splats of {len(self.counts) - ('sky' in self.counts)} blocks, {self.duplicates} duplicates"
        return said if self.score is None else f"{said}; {self.score.text()}"


def merge_blocks(settings: MergeBlocksSettings, progress: Progress = no_progress) -> Merged:
    """Put the blocks of a plan together, fit their seams, and write a run on the whole dataset.

    Raises:
        FileNotFoundError, DatasetError: the plan, a block or the coarse run cannot be read; says what to do.
        FileExistsError: there is a run, and `overwrite` is not set.
    """
    from splatkit.optimize.load_run import load_splat_run  # takes seconds to import
    from splatkit.optimize.splat_runs import run_folder, write_splat_run

    folder = run_folder(settings.out)
    if folder.exists() and not settings.overwrite:
        raise FileExistsError(f"{folder}: already exists; choose another place or pass --overwrite")
    plan = read_plan(settings.plan)
    parts = [read_block(plan, block) for block in plan.blocks]
    counts = {block.name: len(part) for block, part in zip(plan.blocks, parts, strict=True)}
    coarse = read_coarse(plan.coarse_file)
    if coarse.is_sky.any():
        parts.append(coarse.run.splats.select(torch.from_numpy(coarse.is_sky)))
        counts["sky"] = len(parts[-1])
    scene = CoarseScene(replace(coarse.run, splats=together(parts), sh_degree=parts[0].sh_degree))
    transforms = read_transforms(plan.dataset)
    crossing = _crossing(plan, split_frames(transforms)["train"])
    steps = _STEPS_A_VIEW * len(crossing) if settings.seam_steps is None else settings.seam_steps
    cells = [block.cell for block in plan.blocks]
    duplicates = _owned_twice(plan, scene)
    fitted = scene.run.splats
    if steps and crossing:
        options = parse_options(plan.train_options)
        fitted = fit_seams(scene, cells, crossing, transforms, steps, plan.seed, options, plan.folder)
    config = write_splat_run(plan.coarse_config, fitted, settings.out, plan.steps, plan.splats, settings.overwrite)
    run = load_splat_run(config)
    held_out = [view for view in run.eval_views if view.image_path not in {v.image_path for v in run.train_views}]
    before = score = None
    if held_out:
        score = score_seams(run, held_out, cells, progress)
        if fitted is not scene.run.splats:
            before = score_seams(scene.run, held_out, cells, progress)
    merged = Merged(config, counts, duplicates, steps if crossing else 0, before, score)
    write_json(config.parent / REPORT_FILE, {**asdict(merged), "config_path": str(config)})
    return merged


def _crossing(plan: Plan, frames: Sequence[Frame]) -> list[Frame]:
    """Photographs that belong to more than one cell."""
    counts: dict[str, int] = {}
    for block in plan.blocks:
        for name in block.views:
            counts[name] = counts.get(name, 0) + 1
    return [frame for frame in frames if counts.get(frame.file_path, 0) > 1]


def _owned_twice(plan: Plan, scene: CoarseScene) -> int:
    """Counted, not believed; a splat that no cell owns is an error."""
    owners = sum(block.cell.owns(scene.means).astype(np.int64) for block in plan.blocks)
    owners = np.where(scene.is_sky, 1, owners)
    if (owners == 0).any():
        raise DatasetError(f"{plan.folder}: {int((owners == 0).sum())} splats are in no cell; plan again")
    return int((owners > 1).sum())
