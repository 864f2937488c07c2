"""How long steps take and how much memory, before they are done.

Linear models of what a step has to do, fitted to runs on two cores of an x86 machine with AVX-512: right within a
factor of two there. A step that was done before in this folder is taken as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splatkit.errors import DatasetError
from splatkit.io.images import image_size
from splatkit.io.listing import list_files
from splatkit.io.photographs.kinds import readable_suffixes
from splatkit.io.scans.readers import count_scans, has_reader, series_suffixes
from splatkit.optimize.method_record import TrainingCost
from splatkit.pipeline.blocks import BLOCKS_STEP, PLAN_STEP
from splatkit.pipeline.command_options import CommandOptions
from splatkit.pipeline.config import Pipeline, Step
from splatkit.pipeline.state import Cost, State
from splatkit.pipeline.training import method_of

_BOARD_MEGAPIXELS = 1.23  # of generated photographs of boards
_ODOMETRY_S = 0.35  # a scan, three times over
_MAP_MB = 500  # of a map of scans, however many there are
_STEREO_MB, _STEREO_MB_PER_MEGAPIXEL = 750, 100  # of the images that are compared
_RECORDED_PHOTOGRAPHS, _RECORDED_MEGAPIXELS = 150, 2.0  # before anybody looks
_COARSE_PIXELS = 16  # of a photograph for one of the coarse run's
_BLOCKS_COST = 2.0  # of one run's: photographs count in each block that sees them (measured with four)
_SCENE_DEFAULTS = {"width": 320, "height": 240, "views": 48, "scans": 40, "board-poses": 0}


@dataclass(frozen=True)
class Workload:
    """How much there is to do."""

    photographs: int = 0
    megapixels: float = 0.0  # of one photograph
    scans: int = 0
    boards: int = 0  # photographs of boards

    @property
    def all_megapixels(self) -> float:
        """Of all photographs."""
        return self.photographs * self.megapixels


@dataclass(frozen=True)
class Estimate:
    """What a step will take."""

    cpu_s: float
    peak_mb: float


def estimate_steps(pipeline: Pipeline) -> dict[str, Estimate]:
    """An estimate for each step by its name, whether it is done or not."""
    state, made, estimates = State(pipeline), dict[str, Workload](), dict[str, Estimate]()
    for step in pipeline.steps:
        work = _workload(step, made)
        made[step.name] = work
        record = state.read(step.name)
        known = record.cost if record is not None and record.done else None
        estimates[step.name] = _estimate(step, work) if known is None else _as_before(known)
    return estimates


def _as_before(cost: Cost) -> Estimate:
    return Estimate(cost.cpu_s, cost.peak_mb)


def _workload(step: Step, made: Mapping[str, Workload]) -> Workload:
    """What is in a step's inputs; of products that are not there yet, what will be."""
    if step.name == "scene":
        sizes = {
            key: step.table.get(key, step.table.get(key.replace("-", "_"), value))
            for key, value in _SCENE_DEFAULTS.items()
        }
        megapixels = sizes["width"] * sizes["height"] / 1e6
        return Workload(sizes["views"], megapixels, sizes["scans"], 2 * sizes["board-poses"])
    if step.name == "capture.recording":
        scans = max((_scans(path, step.table.get("scans")) for path in step.inputs), default=0)
        return Workload(step.table.get("frames", _RECORDED_PHOTOGRAPHS), _RECORDED_MEGAPIXELS, scans)
    works = [made[name] for name in step.needs if not name.startswith("calibrate")] + [
        _in_files(path, step.table.get("topic")) for path in step.inputs if path.exists() and not _made_here(path, step)
    ]
    if step.name.startswith("calibrate") and step.name != "calibrate.walk":
        boards = max((work.boards // 2 if work.boards else work.photographs for work in works), default=0)
        megapixels = max((work.megapixels for work in works if not work.boards), default=_BOARD_MEGAPIXELS)
        return Workload(boards, megapixels, boards)
    return Workload(
        max((work.photographs for work in works), default=0),
        max((work.megapixels for work in works), default=0.0),
        max((work.scans for work in works), default=0),
    )


def _made_here(path: Path, step: Step) -> bool:
    """Whether an input is the product of an earlier step, whose workload is known."""
    out = step.out.parent.parent
    return bool(step.needs) and out in path.parents


def _in_files(path: Path, topic: str | None) -> Workload:
    files = [path] if path.is_file() else list_files(path, below=True)
    images = [file for file in files if file.suffix.lower() in readable_suffixes() and "depth" not in file.parts]
    scans = sum(_scans(file, topic) for file in _scan_files(path))
    return Workload(len(images), _megapixels(images[0]) if images else 0.0, scans)


def _scan_files(path: Path) -> list[Path]:
    """A file or recording of scans, or all files of scans in a folder and below."""
    return [path] if has_reader(path) or path.is_file() else list_files(path, series_suffixes(), below=True)


def _scans(path: Path, topic: str | None) -> int:
    try:
        return count_scans(path, topic) if has_reader(path) else 0
    except (OSError, DatasetError):
        return 0  # the step itself will say what is wrong with it


def _megapixels(path: Path) -> float:
    try:
        width, height = image_size(path)
    except (OSError, DatasetError):
        return 0.0  # the step itself will name the damaged file
    return width * height / 1e6


def _estimate(step: Step, work: Workload) -> Estimate:
    if step.program == "ns-train":
        return _training(step.table, work)
    if step.name in (PLAN_STEP, BLOCKS_STEP):
        return _in_blocks(step, work)
    everything = work.all_megapixels
    if step.name == "scene":
        seconds = 3 + 7.9 * everything + 0.13 * work.scans + 2.3 * work.boards
        return Estimate(seconds, 900 + 2 * everything)
    if step.name == "calibrate.walk":
        return Estimate(4 + 0.06 * work.scans, 300)
    if step.name.startswith("calibrate"):
        return Estimate(2 + work.photographs * (0.3 + 0.6 * work.megapixels), 250 + 30 * work.megapixels)
    if step.name == "capture.stereo":
        return _with_stereo(Estimate(4 + 0.1 * work.photographs, 300), step, work)
    known = {
        "capture.recording": Estimate(5 + 0.1 * work.photographs, 400),
        "capture.images": Estimate(2 + 0.5 * work.photographs + 7 * everything, 280 + 60 * work.megapixels),
        "capture.lidar": Estimate(
            3 + 0.15 * work.photographs + (0.1 + _odometry_s(step)) * work.scans, 360 + min(2 * work.scans, _MAP_MB)
        ),
        "capture.static": Estimate(5 + 0.2 * work.photographs, 500),
        "export.mesh": Estimate(10 + 20 * everything, 1500 + 100 * everything),
    }
    found = known.get(step.name, Estimate(8 + 0.5 * everything, 1000))
    return _with_stereo(found, step, work) if step.name in ("capture.images", "capture.lidar") else found


def _odometry_s(step: Step) -> float:
    """What each scan costs where the path of the LiDAR follows from them."""
    follows = "trajectory" not in step.table and "recording" in step.table and step.table.get("motion") != "photographs"
    return _ODOMETRY_S if follows or step.table.get("motion") == "scans" else 0.0


def _with_stereo(without: Estimate, step: Step, work: Workload) -> Estimate:
    """What comparing photographs adds to a capture."""
    asked = step.table.get("stereo", "auto")
    if asked == "off":
        return without
    from splatkit.capture.stereo.effort import rough_effort  # takes seconds to import

    effort = rough_effort(work.photographs, work.megapixels, None if asked == "auto" else asked)
    peak_mb = _STEREO_MB + _STEREO_MB_PER_MEGAPIXEL * effort.megapixels
    return Estimate(without.cpu_s + effort.cpu_s, max(without.peak_mb, peak_mb))


def _in_blocks(step: Step, work: Workload) -> Estimate:
    """The coarse run of a plan, or all of its blocks, one after another."""
    command = CommandOptions.all()["blocks.plan"]
    steps, splats = (int(step.table.get(name, command.find(name, step.name).default)) for name in ("steps", "splats"))
    if step.name == PLAN_STEP:
        small = Workload(work.photographs, work.megapixels / _COARSE_PIXELS)
        return _training({"steps": steps // 3, **_capped(splats // 2)}, small)
    blocks = step.table.get("blocks")
    count = blocks if isinstance(blocks, int) else 1  # auto: by the memory that there is
    whole = _training({"steps": steps, **_capped(splats)}, work)
    part = _training({"steps": 1, **_capped(splats // count)}, work)
    return Estimate(_BLOCKS_COST * whole.cpu_s, part.peak_mb)


def _capped(splats: int) -> dict[str, Any]:
    """A table with that many splats at most."""
    return {"pipeline": {"model": {"densification": {"max-splats": splats}}}}


def _training(table: Mapping[str, Any], work: Workload) -> Estimate:
    """Steps cost what the method's record says of pixels and splats."""
    method = method_of(table)
    cost, steps = method.cost, int(table.get("steps", method.steps))
    splats = _splats(table, cost)
    step_s = cost.step_s + cost.step_s_per_megapixel * work.megapixels + cost.step_s_per_splat * splats
    return Estimate(15 + steps * step_s, cost.base_mb + 3 * work.all_megapixels + cost.mb_per_splat * splats)


def _splats(table: Mapping[str, Any], cost: TrainingCost) -> int:
    """How many the file allows; where it says nothing, as many as there are by default."""
    found: Any = table
    for name in cost.splats_option.split("."):
        found = found.get(name, {}) if isinstance(found, Mapping) else {}
    return int(found) if isinstance(found, int) else cost.splats
