"""What does refinement bring to meshes? `scripts/study.py meshes --out DIR [--size small|full] [--quick]`.

Generated scenes whose surface is exactly known: two solid ones, and the courtyard with what a LiDAR measured. Each
run's mesh is made three ways, at the same voxel size and the same number of faces: by fusion alone, with signed
distances refined alone (dual marching cubes, the control), and with all of FlexiCubes. Each case is done once:
interrupt the study and start it again as you like.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splatkit.cli import main as splatkit
from splatkit.ops import native_threads_only
from studies.meshes import MeshCase, Scene, measure_case, write_mesh_pictures, write_mesh_summary
from studies.store import Store


@dataclass(frozen=True)
class Plan:
    """Sizes of a study."""

    width: int  # px
    height: int  # px
    views: int
    scans: int
    steps: int
    max_splats: int
    seeds: int
    subjects: tuple[str, ...] = ("studio", "pebbles", "courtyard")


PLANS = {
    "quick": Plan(96, 72, 12, 4, 150, 2000, 1, ("studio",)),
    "small": Plan(320, 240, 48, 40, 1500, 40_000, 2),
    "full": Plan(640, 480, 96, 80, 7000, 200_000, 3),
}


def main(out: Path, size: Literal["small", "full"] = "small", quick: bool = False) -> None:
    """Make what is missing, then write a table.

    Args:
        out: folder of everything; a study in it goes on.
        size: how much to do.
        quick: a minute's worth that only shows that the study works.
    """
    plan = PLANS["quick" if quick else size]
    scenes = {subject: make_scene(plan, out, subject) for subject in plan.subjects}
    store = Store(out / "results")
    cases = list(mesh_cases(plan))
    with native_threads_only():
        store.compute(cases, lambda case: measure_case(case, scenes[case.subject], out))
    results = store.read(cases)
    write_mesh_summary(out, results)
    write_mesh_pictures(out, cases)
    print(f"{out / 'summary.md'}")


def make_scene(plan: Plan, out: Path, subject: str) -> Scene:
    """Generate a scene, unless it is there; a walk becomes a dataset with what its LiDAR measured."""
    folder = out / subject
    sizes = ["--width", str(plan.width), "--height", str(plan.height), "--views", str(plan.views)]
    if subject != "courtyard":
        _make(folder, ["scene", subject, *sizes])
        return Scene(folder, folder / "truth/mesh.ply")
    _make(folder, ["scene", subject, *sizes, "--scans", str(plan.scans)])
    measured = ["--scans", str(folder / "lidar"), "--trajectory", str(folder / "trajectory.txt")]
    measured += ["--dataset", str(folder), "--image-times", str(folder / "images.csv")]
    dataset = out / f"{subject}_measured"
    measured += ["--calibration", str(folder / "truth/rig.json"), "--stereo", "off"]
    _make(dataset, ["capture", "lidar", *measured])
    return Scene(dataset, folder / "truth/mesh.ply")


def _make(folder: Path, command: list[str]) -> None:
    if not folder.is_dir() and (code := splatkit([*command, "--out", str(folder)])) != 0:
        sys.exit(code)


def mesh_cases(plan: Plan) -> Iterator[MeshCase]:
    """Seeds outermost: an interrupted study has whole rows."""
    for seed in range(plan.seeds):
        for subject in plan.subjects:
            yield MeshCase(subject, plan.steps, plan.max_splats, seed)
