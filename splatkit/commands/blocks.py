"""`splatkit blocks`: datasets that are trained in blocks of space, on one machine or many."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from splatkit.blocks.settings import MergeBlocksSettings, PlanBlocksSettings, TrainBlocksSettings
from splatkit.commands.terminal import print_warnings, say, show_progress


@dataclass(frozen=True)
class Blocks:
    """Train a dataset in blocks of space, for scenes that one machine cannot hold, and make one run of them."""

    what: (
        Annotated[PlanBlocksSettings, tyro.conf.subcommand("plan", prefix_name=False)]
        | Annotated[TrainBlocksSettings, tyro.conf.subcommand("train", prefix_name=False)]
        | Annotated[MergeBlocksSettings, tyro.conf.subcommand("merge", prefix_name=False)]
    )


def run_plan_blocks(settings: PlanBlocksSettings) -> None:
    """Make the plan; say what it comes to."""
    from splatkit.blocks.plan import plan_blocks

    planned = plan_blocks(settings, show_progress)
    for block in planned.plan.blocks:
        say(
            f"{block.name}: {len(block.views)} views, {block.steps} steps, {block.splats} splats, about "
            f"{block.cpu_s / 60:.0f} min of CPU time, {block.memory_mb / 1000:.1f} GB"
        )
    if planned.plan.unused:
        unused = f"{len(planned.plan.unused)} of {planned.plan.views} photographs belong to no cell and are not used"
        print_warnings([f"{unused}, e.g. {planned.plan.unused[0]}"])
    say(f"{settings.out}: {planned.verdict()}")
    say(f"Picture: {planned.picture}")


def run_train_blocks(settings: TrainBlocksSettings) -> None:
    """Train the blocks; say which."""
    from splatkit.blocks.train import train_blocks

    done = train_blocks(settings, show_progress)
    say(f"{settings.plan}: {len(done.trained)} blocks trained, {len(done.kept)} were trained before")


def run_merge_blocks(settings: MergeBlocksSettings) -> None:
    """Merge the blocks; say what came of it."""
    from splatkit.blocks.merge import merge_blocks

    merged = merge_blocks(settings, show_progress)
    say(f"{merged.config_path}: {merged.verdict()}")
