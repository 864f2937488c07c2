"""plan.json: the cells of a scene, and what training each of them takes; all that workers need to know."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from splatkit.blocks.cells import Cell, finite_bounds
from splatkit.errors import DatasetError
from splatkit.io.json_files import read_json, write_json

FORMAT, VERSION = "splatkit-blocks", 1
PLAN_FILE, COARSE_FILE = "plan.json", "coarse.npz"


@dataclass(frozen=True)
class Block:
    """One cell and its training."""

    name: str  # block-000 and so on
    cell: Cell
    views: tuple[str, ...]  # file_path of the photographs that it is trained on
    steps: int
    splats: int  # that it should own in the end, at most, about
    cap: int  # of its training, margin included
    coarse_splats: int  # of the coarse run, that it owns
    observed_share: float  # of the pixels of all photographs
    cpu_s: float  # estimated
    memory_mb: float  # estimated


@dataclass(frozen=True)
class Plan:
    """What `splatkit blocks plan` decided."""

    folder: Path
    dataset: Path  # absolute
    dataset_files: Mapping[str, str]  # SHA-256 of each file of a view, by its path from the dataset's folder
    coarse_config: Path  # absolute
    coarse_hash: str  # SHA-256 of coarse.npz
    made_from: str  # fingerprint of settings and dataset
    splats: int
    steps: int
    margin: float
    seed: int
    train_options: str
    blocks: tuple[Block, ...]
    views: int  # that train, in all
    unused: tuple[str, ...]  # file_path of those that belong to no cell

    @property
    def coarse_file(self) -> Path:
        """Splats of the coarse run, see `coarse.read_coarse`."""
        return self.folder / COARSE_FILE

    def block_file(self, block: Block) -> Path:
        """Where the splats of a block go."""
        return self.folder / "blocks" / f"{block.name}.npz"

    def log_file(self, block: Block) -> Path:
        """Where what its training says goes."""
        return self.folder / "blocks" / f"{block.name}.log"


def write_plan(plan: Plan) -> None:
    """Write plan.json into the plan's folder."""
    record = asdict(plan)
    del record["folder"]
    record |= {"dataset": str(plan.dataset), "coarse_config": str(plan.coarse_config)}
    record["blocks"] = [_block_to_json(block) for block in plan.blocks]
    write_json(plan.folder / PLAN_FILE, {"format": FORMAT, "version": VERSION, **record})


def read_plan(folder: Path) -> Plan:
    """Read the plan of a folder.

    Raises:
        FileNotFoundError: there is none.
        DatasetError: it is damaged, or of another version; names the file.
    """
    path = Path(folder) / PLAN_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; make a plan by `splatkit blocks plan DATASET --out {folder}`")
    record = read_json(path)
    if record.get("format") != FORMAT:
        raise DatasetError(f"{path}: not a plan of `splatkit blocks plan`")
    if record.get("version") != VERSION:
        raise DatasetError(f"{path}: a plan of version {record.get('version')}, expected {VERSION}; plan again")
    try:
        values = {name: record[name] for name in Plan.__dataclass_fields__ if name != "folder"}
        values |= {"dataset": Path(record["dataset"]), "coarse_config": Path(record["coarse_config"])}
        values |= {"unused": tuple(record["unused"]), "blocks": tuple(_block(entry) for entry in record["blocks"])}
        return Plan(folder=Path(folder).resolve(), **values)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: damaged ({error}); plan again") from error


def _block_to_json(block: Block) -> dict[str, Any]:
    record = asdict(block)
    low, high = finite_bounds(block.cell)
    record["cell"] = {**record["cell"], "low": low, "high": high}
    return record


def _block(record: Mapping[str, Any]) -> Block:
    sides = dict(record["cell"])
    bounds = {"low": -math.inf, "high": math.inf}
    sides |= {side: [bound if value is None else value for value in sides[side]] for side, bound in bounds.items()}
    cell = Cell(*(_corner(sides[name]) for name in ("low", "high", "core_low", "core_high")))
    return Block(**{**record, "cell": cell, "views": tuple(record["views"])})


def _corner(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
