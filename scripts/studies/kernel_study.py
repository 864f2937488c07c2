"""Which kernel is worth its numbers? `scripts/study.py kernels --out DIR [--size small|full] [--quick]`.

Three sections: signals on a line, one picture from N splats, and scenes at a fixed count of splats. Each case is
measured once and kept in DIR/results: interrupt the study and start it again as you like. Tables and plots of what is
there so far go to DIR. `full` is the study as it is meant, some hours of one core; `small` takes about half an hour:
fewer counts, steps and pixels.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from splatkit.io.atomic import atomic_directory
from splatkit.ops import native_threads_only
from splatkit.synthetic.dataset import generate_scene
from splatkit.synthetic.description import find_scene, read_scene
from studies.images import SHAPES, load_picture, measure_image
from studies.lines import KERNELS, SIGNALS, measure_line
from studies.scenes import measure_scene, shrink_dataset
from studies.store import Case, Store
from studies.summary import write_summary


@dataclass(frozen=True)
class Plan:
    """Sizes of a study."""

    seeds: int
    line_counts: tuple[int, ...]
    line_steps: int
    image_width: int
    image_counts: tuple[int, ...]
    image_steps: int
    scene_counts: tuple[int, ...]
    scene_steps: int
    fox_factors: tuple[int, ...]  # by which the 270x480 photographs are reduced
    studio_size: tuple[int, int, int]  # width and height px, views


PLANS = {
    "quick": Plan(1, (2,), 20, 48, (30,), 10, (150,), 12, (), (48, 36, 10)),
    "small": Plan(3, (2, 4, 8, 16), 500, 180, (60, 250, 1000, 4000), 250, (2000, 10_000), 1000, (2,), (160, 120, 40)),
    "full": Plan(
        3, (2, 4, 8, 16, 32), 2000, 270, (60, 200, 600, 2000, 5000), 1000, (2000, 10_000), 2000, (2, 1), (320, 240, 48)
    ),
}


def main(
    out: Path,
    size: Literal["small", "full"] = "full",
    quick: bool = False,
    sections: tuple[Literal["lines", "images", "scenes"], ...] = ("lines", "images", "scenes"),
) -> None:
    """Measure what is missing, then write tables and plots.

    Args:
        out: folder of results; an interrupted study in it resumes.
        size: how much to measure.
        quick: a minute's worth that only shows that the study works.
        sections: which to measure.
    """
    plan = PLANS["quick" if quick else size]
    store = Store(out / "results")
    cases: list[Case] = []
    with native_threads_only():
        if "lines" in sections:
            lines = list(line_cases(plan))
            store.compute(lines, measure_line)
            cases += lines
        datasets = scene_datasets(plan, out) if sections != ("lines",) else {}
        if "images" in sections:
            pictures = {
                name: load_picture(sorted((folder / "images").iterdir())[0], plan.image_width)
                for name, folder in datasets.items()
            }
            images = list(image_cases(plan, list(pictures)))
            store.compute(images, lambda case: measure_image(case, pictures))
            cases += images
        if "scenes" in sections:
            scenes = list(scene_cases(plan, list(datasets)))
            store.compute(scenes, lambda case: measure_scene(case, datasets[case.subject]))
            cases += scenes
    write_summary(out, store.read(cases))
    print(f"{out / 'summary.md'}")


def line_cases(plan: Plan) -> Iterator[Case]:
    """Signals x counts x kernels x seeds."""
    for signal in SIGNALS:
        for count in plan.line_counts:
            for kernel in KERNELS:
                for seed in range(plan.seeds):
                    yield Case("lines", signal, kernel, count, seed, plan.line_steps)


def image_cases(plan: Plan, names: list[str]) -> Iterator[Case]:
    """Seeds outermost: an interrupted study has whole rows."""
    for seed in range(plan.seeds):
        for name in names:
            for count in plan.image_counts:
                for kernel in SHAPES:
                    yield Case("images", name, kernel, count, seed, plan.image_steps)


def scene_cases(plan: Plan, names: list[str]) -> Iterator[Case]:
    """Seeds outermost."""
    for seed in range(plan.seeds):
        for name in names:
            for count in plan.scene_counts:
                for kernel in SHAPES:
                    yield Case("scenes", name, kernel, count, seed, plan.scene_steps)


def scene_datasets(plan: Plan, out: Path) -> dict[str, Path]:
    """The generated scene, and the fox photographs where $SPLATKIT_DATA has them."""
    width, height, views = plan.studio_size
    datasets = {f"studio{width}": out / "data" / f"studio{width}x{height}x{views}"}
    (out / "data").mkdir(parents=True, exist_ok=True)
    folder = next(iter(datasets.values()))
    if not folder.is_dir():
        with atomic_directory(folder) as target:
            generate_scene(read_scene(find_scene("studio")), target, width, height, views)
    data = os.environ.get("SPLATKIT_DATA")
    if data and (Path(data) / "fox").is_dir():
        for factor in plan.fox_factors:
            datasets[f"fox{270 // factor}"] = shrink_dataset(Path(data) / "fox", out / "data" / f"fox{factor}", factor)
    return datasets
