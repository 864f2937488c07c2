"""What are stereo and training worth for meshes? `scripts/study.py meshes --out DIR [--quick]`.

Generated scenes whose surface is exactly known. Of each come meshes without stereo, trained as long and longer, with
stereo and training together, with photographs compared and not, and of stereo alone. Each case is done once: interrupt
the study and start it again as you like. To make meshes anew of runs that are there, delete the folder `results`.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from splatkit.ops import native_threads_only
from studies.meshes.cases import ARMS, MeshCase, Scores, equal_steps, measure_case
from studies.meshes.datasets import Size, Subject, make_datasets
from studies.meshes.summary import write_mesh_pictures, write_mesh_summary
from studies.store import Store

Arm = Literal["plain", "both", "depth", "longer", "measured"]

SUBJECTS = (
    Subject("studio", "studio", voxel=0.008),
    Subject("pebbles", "pebbles", voxel=0.008),
    Subject("courtyard", "courtyard", voxel=0.085, farthest=30.0),
    Subject("courtyard-lidar", "courtyard", voxel=0.085, farthest=30.0, lidar=True),
    Subject("backdrop", "backdrop", voxel=0.008),
)


@dataclass(frozen=True)
class Plan:
    """Sizes of a study."""

    size: Size
    steps: int
    max_splats: int
    faces: int
    seeds: int
    subjects: tuple[Subject, ...]


FULL = Plan(Size(480, 360, 48, 40), 1500, 60_000, 74_800, 3, SUBJECTS)
QUICK = Plan(Size(96, 72, 12, 4), 150, 2000, 4000, 1, (Subject("studio", "studio", voxel=0.03),))


def main(
    out: Path, arms: tuple[Arm, ...] = ("plain", "both", "depth", "longer", "measured"), quick: bool = False
) -> None:
    """Make what is missing, then write a table and pictures.

    Args:
        out: folder of everything; an interrupted study in it resumes.
        arms: what to compare; longer needs plain and both.
        quick: a minute's worth that only shows that the study works.
    """
    plan = QUICK if quick else FULL
    subjects = {subject.name: subject for subject in plan.subjects}
    data = {name: make_datasets(subject, plan.size, out) for name, subject in subjects.items()}
    store, cases = Store(out / "results"), list(mesh_cases(plan, arms))

    def measure(case: MeshCase) -> Scores:
        return measure_case(case, subjects[case.subject], data[case.subject], _steps(case, store), out)

    with native_threads_only():
        store.compute(cases, measure)
    results = store.read(cases)
    write_mesh_summary(out, results, subjects)
    write_mesh_pictures(out, cases, subjects, data)
    print(f"{out / 'summary.md'}")


def mesh_cases(plan: Plan, arms: tuple[str, ...]) -> Iterator[MeshCase]:
    """Seeds outermost: an interrupted study has whole rows. Of stereo alone nothing is random: one seed says all."""
    for seed in range(plan.seeds):
        for subject in plan.subjects:
            for arm in ARMS:
                if arm in arms and (arm != "measured" or seed == 0):
                    yield MeshCase(subject.name, arm, plan.steps, plan.max_splats, plan.faces, seed)


def _steps(case: MeshCase, store: Store) -> int:
    """How long an arm trains: `longer` by what the others took."""
    if case.arm != "longer":
        return case.steps
    measured = store.read([replace(case, arm=arm) for arm in ("plain", "both")])
    if len(measured) < 2:
        sys.exit("--arms: how long `longer` trains follows from `plain` and `both`; measure these too")
    return equal_steps(*(scores for _, scores in measured))
