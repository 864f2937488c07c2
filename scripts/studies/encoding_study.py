"""Is the simplex worth it? `scripts/study.py encodings --out DIR [--size small|full] [--quick]`.

Pictures, signed distance fields of meshes, a moving object and a scene of few photographs, fitted on cubes, on
simplices with the same levels, and on simplices by the preset: about the same parameters, no more fetches, more levels.
At equal steps and at equal CPU time. Each case is measured once and kept in DIR/results: interrupt the study and start
it again as you like. A table, its figures as JSON and plots of what is there so far go to DIR. `full` is the study as
it is meant, about four hours of one core; `small` takes half an hour.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studies.encoded import EncodedCase, Variant, measure_encoded
from studies.encoded_summary import write_encoded_summary
from studies.store import Store

Section = Literal["images", "meshes", "motion", "scenes"]
_IMAGES = ("fox/images/0001.jpg", "fountain_p11/images/0000.jpg")
_MESHES = ("meshes/spot.obj", "meshes/uv_bob_tri.obj", "meshes/block.obj")


@dataclass(frozen=True)
class Plan:
    """Sizes of a study."""

    seeds: int
    steps: int
    cpu_s: int
    scene_seeds: int
    scene_steps: int
    scene_cpu_s: int


PLANS = {
    "quick": Plan(1, 5, 1, 0, 0, 0),
    "small": Plan(3, 600, 5, 2, 250, 30),
    "full": Plan(3, 3000, 30, 3, 2000, 240),
}


def main(
    out: Path,
    size: Literal["small", "full"] = "full",
    quick: bool = False,
    sections: tuple[Section, ...] = ("images", "meshes", "motion", "scenes"),
) -> None:
    """Measure what is missing, then write the table and plots.

    Args:
        out: folder of results; an interrupted study in it resumes.
        size: how much to measure.
        quick: a minute's worth that only shows that the study works.
        sections: which to measure.
    """
    plan = PLANS["quick" if quick else size]
    folder = os.environ.get("SPLATKIT_DATA")
    data = Path(folder) if folder and Path(folder).is_dir() else None
    if data is None:
        print("SPLATKIT_DATA names no folder of photographs and meshes: only the moving object is measured.")
    store = Store(out / "results")
    cases = list(study_cases(plan, sections, data is not None))
    store.compute([case for case in cases if case.section != "scenes"], lambda case: measure_encoded(case, data))
    if data is not None and any(case.section == "scenes" for case in cases):
        from studies.encoded_scenes import measure_scene  # takes seconds to import

        scenes = data
        store.compute([case for case in cases if case.section == "scenes"], lambda case: measure_scene(case, scenes))
    write_encoded_summary(out, store.read(cases))
    print(f"{out / 'summary.md'}")


def study_cases(plan: Plan, sections: tuple[Section, ...], with_data: bool) -> Iterator[EncodedCase]:
    """Seeds outermost: an interrupted study has whole rows."""
    subjects: dict[Section, tuple[str, ...]] = {
        "images": _IMAGES,
        "meshes": _MESHES,
        "motion": ("moving",),
        "scenes": ("fox_tiny",),
    }
    for seed in range(max(plan.seeds, plan.scene_seeds)):
        for section in sections:
            scene = section == "scenes"
            if seed >= (plan.scene_seeds if scene else plan.seeds) or (section != "motion" and not with_data):
                continue
            variants: tuple[Variant, ...] = ("grid", "simplex", "preset")
            if section == "images":  # in two dimensions there is nothing to spend
                variants = ("grid", "simplex")
            for subject in subjects[section]:
                for variant in variants:
                    yield EncodedCase(
                        section, subject, variant, "steps", plan.scene_steps if scene else plan.steps, seed
                    )
                for variant in variants:
                    yield EncodedCase(
                        section, subject, variant, "cpu_s", plan.scene_cpu_s if scene else plan.cpu_s, seed
                    )
