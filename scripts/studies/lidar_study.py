"""What does a LiDAR bring? `scripts/study.py lidar --out DIR [--size small|full] [--quick]`.

The whole way on the generated `courtyard`, each step with the command that a user types: a walk whose stated extrinsics
are 2 degrees and 5 cm off, boards, `calibrate`, `capture lidar`, training with and without what the LiDAR measured,
meshes. Everything is judged by the exact truth. Each step and each case is done once: interrupt the study and start it
again as you like.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splatkit.cli import main as splatkit
from splatkit.ops import native_threads_only
from studies.lidar import LidarCase, Truth, measure_case, write_comparison, write_lidar_summary
from studies.store import Store


@dataclass(frozen=True)
class Plan:
    """Sizes of a study."""

    width: int  # px
    height: int  # px
    views: int
    scans: int
    board_poses: int
    steps: int
    max_splats: int
    seeds: int


PLANS = {
    "quick": Plan(64, 48, 12, 4, 6, 20, 500, 1),
    "small": Plan(320, 240, 48, 40, 14, 1500, 60_000, 2),
    "full": Plan(480, 360, 96, 80, 20, 7000, 100_000, 3),
}
_BOARD = ["--board", "7x5:0.095", "--board-size", "0.85x0.61"]
_OFF = ["--extrinsic-deg", "2", "--extrinsic-m", "0.05", "--time-offset-s", "0.03"]


def main(out: Path, size: Literal["small", "full"] = "small", quick: bool = False) -> None:
    """Make what is missing, then write a table.

    Args:
        out: folder of everything; an interrupted study in it resumes.
        size: how much to do.
        quick: a minute's worth that only shows that the study works; without boards.
    """
    plan = PLANS["quick" if quick else size]
    datasets = make_datasets(plan, out, with_boards=not quick)
    truth = Truth(out / "walk")
    store = Store(out / "results")
    with native_threads_only():
        cases = list(lidar_cases(plan, list(datasets)))
        store.compute(cases, lambda case: measure_case(case, datasets[case.subject], truth, out / "pictures"))
    write_lidar_summary(out, store.read(cases))
    last = len(datasets)
    write_comparison(out, out / "walk", [case.name for case in (cases[0], cases[last - 1])])
    print(f"{out / 'summary.md'}")


def make_datasets(plan: Plan, out: Path, with_boards: bool) -> dict[str, Path]:
    """The walk and the datasets made of it, by what is known of the LiDAR; existing ones are kept."""
    walk = out / "walk"
    sizes = {"width": plan.width, "height": plan.height, "views": plan.views, "scans": plan.scans}
    if with_boards:
        sizes["board-poses"] = plan.board_poses
    options = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    _make(walk, ["scene", "courtyard", *options, *_OFF])
    rigs = {"stated": [walk / "rig.json"], "exact": [walk / "truth/rig.json"]}
    if with_boards:
        rigs["calibrated"] = [_calibrated(walk, out, name) for name in ("left", "right")]
    datasets = {"photographs alone": walk}
    inputs = ["--scans", str(walk / "lidar"), "--trajectory", str(walk / "trajectory.txt"), "--dataset", str(walk)]
    inputs += ["--image-times", str(walk / "images.csv")]
    for name, files in rigs.items():
        command = ["capture", "lidar", *inputs, "--stereo", "off", "--calibration", *map(str, files)]
        datasets[f"LiDAR, {name}"] = _make(out / f"dataset_{name}", command)
    return datasets


def _calibrated(walk: Path, out: Path, camera: str) -> Path:
    boards = walk / "boards" / camera
    inputs = ["--images", str(boards / "images"), "--clouds", str(boards / "clouds")]
    command = ["calibrate", "run", *inputs, *_BOARD, "--intrinsics", str(boards / "camera.yaml")]
    return _make(out / "calibration" / camera, command) / "calibration.json"


def _make(folder: Path, command: list[str]) -> Path:
    """Run a command of splatkit that makes a folder, unless that is there."""
    if not folder.is_dir() and (code := splatkit([*command, "--out", str(folder)])) != 0:
        sys.exit(code)
    return folder


def lidar_cases(plan: Plan, subjects: list[str]) -> Iterator[LidarCase]:
    """Seeds outermost: an interrupted study has whole rows."""
    for seed in range(plan.seeds):
        for subject in subjects:
            yield LidarCase(subject, plan.steps, plan.max_splats, seed)
