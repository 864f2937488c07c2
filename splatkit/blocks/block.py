"""One block: a pure function of the coarse run, a cell and its views, from which a file with the cell's splats comes.

`python -m splatkit.blocks.block PLAN NAME` is how engines run it: in a process of its own, which may die without any
other block noticing, and which has nothing in it from blocks before.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import splatkit
from splatkit.blocks.coarse import read_coarse
from splatkit.blocks.part import Part, train_part
from splatkit.blocks.plan_file import Block, Plan, read_plan
from splatkit.blocks.settings import parse_options
from splatkit.errors import DatasetError, SplatkitError
from splatkit.io.transforms_json import read_transforms
from splatkit.pipeline.fingerprints import fingerprint
from splatkit.splatting.splat_archives import read_splat_archive, write_splat_archive
from splatkit.splatting.splats import Splats

EXIT_FAILED = 2


def made_from(plan: Plan, block: Block) -> str:
    """Fingerprint of all that a block's splats follow from, but for the machine."""
    views = {name: digest for name, digest in plan.dataset_files.items() if name == "transforms.json"}
    views |= {name: plan.dataset_files[name] for name in block.views if name in plan.dataset_files}
    cell = [str(number) for side in (block.cell.low, block.cell.high, *_core(block)) for number in side]
    numbers = [block.name, block.steps, block.cap, plan.margin, plan.seed, plan.train_options]
    return fingerprint([splatkit.__version__, plan.coarse_hash, cell, views, block.views, numbers])


def _core(block: Block) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    return block.cell.core_low, block.cell.core_high


def is_trained(plan: Plan, block: Block) -> bool:
    """Whether its file is there, whole, and made from what the plan says now."""
    try:
        _, more = read_splat_archive(plan.block_file(block))
    except (OSError, DatasetError):
        return False
    return str(more.get("made_from")) == made_from(plan, block)


def read_block(plan: Plan, block: Block) -> Splats:
    """The splats that a trained block owns.

    Raises:
        FileNotFoundError, DatasetError: it is not there, damaged, or of another plan; says how to train it.
    """
    path = plan.block_file(block)
    again = f"train it by `splatkit blocks train {plan.folder}`"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: {block.name} is not trained; {again}")
    splats, more = read_splat_archive(path)
    if str(more.get("made_from")) != made_from(plan, block):
        raise DatasetError(f"{path}: {block.name} was trained by another plan; {again}")
    return splats


def train_block(plan: Plan, block: Block) -> None:
    """Train a block and write its file.

    Raises:
        DatasetError, OSError: the plan or the dataset is not what this process sees; says what differs.
    """
    transforms = read_transforms(plan.dataset)
    wanted = set(block.views)
    frames = [
        frame for frame in sorted(transforms.frames, key=lambda frame: frame.file_path) if frame.file_path in wanted
    ]
    if len(frames) < len(wanted):
        missing = sorted(wanted - {frame.file_path for frame in frames})
        raise DatasetError(
            f"{plan.dataset}: lacks {len(missing)} of {len(wanted)} photographs of {block.name}, e.g. {missing[0]}; "
            "workers must see the dataset that was planned, under the same path"
        )
    scene = read_coarse(plan.coarse_file)
    widened = block.cell.widened(plan.margin)
    trained = widened.owns(scene.means) & ~scene.is_sky
    options = parse_options(plan.train_options)
    part = Part(scene, trained, frames, block.steps, block.cap, plan.seed, options)
    path = plan.block_file(block)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{block.name}-", dir=path.parent) as folder:
        splats = train_part(part, transforms, Path(folder))
    import torch

    own = splats.select(torch.from_numpy(block.cell.owns(splats.means.numpy())))
    write_splat_archive(path, own, {"made_from": np.array(made_from(plan, block))})


def main(folder: str, name: str) -> int:
    """Train the block of a name; returns the exit code, and says on stderr in one line what is wrong."""
    try:
        plan = read_plan(Path(folder))
        block = next((block for block in plan.blocks if block.name == name), None)
        if block is None:
            raise DatasetError(f"{folder}: has no {name}")
        train_block(plan, block)
    except (SplatkitError, OSError, ValueError, MemoryError, FloatingPointError) as error:
        print(f"splatkit: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
