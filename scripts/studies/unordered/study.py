"""Structure from motion of photographs without order: `scripts/study.py unordered --out DIR [--quick]`.

Photographs of the synthetic courtyard, their names shuffled, are solved as `capture images` does it. Beside that: all
pairs of 80 of them, and global instead of incremental mapping of the same matches. Times are CPU time of one thread;
poses are compared with the truth after the best similarity. What is there is kept: interrupt it and start it again as
you like.
"""

import resource
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.images.files import list_images, read_image_files
from splatkit.capture.images.scene import SceneSettings, solve_unknown
from splatkit.capture.images.structure.feature_matching import FeatureSettings, colmap_errors
from splatkit.capture.images.structure.pairing import Matching
from splatkit.capture.images.structure.reconstruction import reconstruct
from splatkit.errors import CaptureRefusedError
from splatkit.io.transforms_json import read_transforms
from splatkit.memory import peak_memory_mb
from splatkit.progress import no_progress
from splatkit.synthetic.settings import SceneSettings as WalkSettings
from splatkit.synthetic.stage import make_scene
from studies.store import Store

_WIDTH, _HEIGHT = 320, 240

Array = NDArray[np.float64]
Poses = dict[str, Array]  # T_world_camera [4, 4] by name


@dataclass(frozen=True)
class Case:
    """One way to solve the photographs."""

    photographs: int
    matching: Matching
    mapper: str  # whole: everything as `capture images`; incremental, global: mapping alone, of the same matches
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.mapper}-{self.matching}-{self.photographs}-{self.seed}"


def main(out: Path, quick: bool = False, seed: int = 0, views: int = 300, fewer: int = 80) -> None:
    """Measure what is missing, then write a table.

    Args:
        out: folder of everything; an interrupted study in it resumes.
        quick: few photographs, that only show that the study works.
        seed: of the walk and of the order of names.
        views: photographs without order.
        fewer: of them, of which all pairs are matched.
    """
    views, fewer = (24, 12) if quick else (views, fewer)
    matching: Matching = "retrieval" if quick else "auto"
    walk = out / "walk"
    if not walk.is_dir():
        make_scene(WalkSettings("courtyard", walk, width=_WIDTH, height=_HEIGHT, views=views, scans=1, seed=seed))
    truth = _shuffled(walk, out / "photographs", seed)
    cases = [Case(views, matching, mapper, seed) for mapper in ("whole", "incremental", "global")]
    cases += [Case(fewer, "exhaustive", mapper, seed) for mapper in ("whole", "global")]
    store = Store(out / "results")
    store.compute(cases, lambda case: _if_solved(case, out, truth))
    _write_summary(out, store.read(cases))
    print(out / "summary.md")


def _shuffled(walk: Path, folder: Path, seed: int) -> Poses:
    """Copies of all photographs by names that tell nothing, and the true pose of each."""
    frames = read_transforms(walk).frames
    folder.mkdir(exist_ok=True)
    numbers = np.random.default_rng(seed).permutation(len(frames))
    truth = {}
    for frame, number in zip(frames, numbers, strict=True):
        path = folder / f"IMG_{number:04d}{frame.image_path.suffix}"
        if not path.is_file():
            shutil.copyfile(frame.image_path, path)
        truth[path.name] = frame.T_world_camera
    return truth


def _if_solved(case: Case, out: Path, truth: Poses) -> dict[str, float]:
    try:
        return _measured(case, out, truth)
    except CaptureRefusedError:
        return {"placed": 0}


def _measured(case: Case, out: Path, truth: Poses) -> dict[str, float]:
    if case.mapper == "whole":
        return _solved(case, out, truth)
    work = out / "work" / Case(case.photographs, case.matching, "whole", case.seed).name
    numbered = {f"{index:06d}{Path(name).suffix}": name for index, name in enumerate(_names(case, out))}
    begun = time.process_time()
    if case.mapper == "incremental":
        model, _ = reconstruct(work / "database.db", work / "images", 1, case.seed, no_progress)
    else:
        model = _global(work, case.seed)
    used = time.process_time() - begun
    images = [model.images[image_id] for image_id in model.reg_image_ids()]
    poses = {
        numbered[image.name]: np.vstack([image.cam_from_world().inverse().matrix(), [0, 0, 0, 1]]) for image in images
    }
    return {"cpu_min": used / 60, **_errors(poses, truth)}


def _solved(case: Case, out: Path, truth: Poses) -> dict[str, float]:
    """As `capture images` does it, from the start."""
    work = out / "work" / case.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    files = read_image_files([(name, out / "photographs" / name) for name in _names(case, out)], 1, no_progress)
    settings = SceneSettings(matching=case.matching, features=FeatureSettings(seed=case.seed))
    before = _children_s()
    solution = solve_unknown(work, files, {}, settings, no_progress)
    used = _children_s() - before
    poses = {view.name: view.posed.T_world_camera for view in solution.scene.views}
    return {
        "cpu_min": used / 60,
        "pairs": sum(solution.pairs.values()),
        "peak_mb": peak_memory_mb(resource.getrusage(resource.RUSAGE_CHILDREN)),  # of the largest so far
        **_errors(poses, truth),
    }


def _names(case: Case, out: Path) -> list[str]:
    """Of photographs, the first by name: any of them, for names tell nothing."""
    return [name for name, _ in list_images(out / "photographs")][: case.photographs]


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _global(work: Path, seed: int) -> pycolmap.Reconstruction:
    """GLOMAP (Pan et al., ECCV 2024), as pycolmap has it; it asks for focal lengths, which pairs tell first."""
    folder = work / "global"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copyfile(work / "database.db", folder / "database.db")
    options = pycolmap.GlobalPipelineOptions()
    options.num_threads = options.mapper.num_threads = 1
    options.random_seed = options.mapper.random_seed = seed
    calibration = pycolmap.ViewGraphCalibrationOptions()
    calibration.random_seed = seed
    with colmap_errors("global mapping"):
        pycolmap.calibrate_view_graph(folder / "database.db", calibration)
        models = pycolmap.global_mapping(folder / "database.db", work / "images", folder, options)
    return max(models.values(), key=lambda model: model.num_reg_images(), default=pycolmap.Reconstruction())


def _errors(poses: Poses, truth: Poses) -> dict[str, float]:
    """Of what is placed, after the best similarity of positions: mm, and degrees."""
    if len(poses) < 3:
        return {"placed": len(poses)}
    found, true = np.stack(list(poses.values())), np.stack([truth[name] for name in poses])
    a, b = (matrices[:, :3, 3] - matrices[:, :3, 3].mean(0) for matrices in (found, true))
    turn = Rotation.align_vectors(b, a)[0].as_matrix()
    turned = a @ turn.T
    scale = float((turned * b).sum() / (a**2).sum())
    apart = 1000 * np.linalg.norm(scale * turned - b, axis=1)
    relative = Rotation.from_matrix(turn @ found[:, :3, :3]).inv() * Rotation.from_matrix(true[:, :3, :3])
    degrees = np.degrees(relative.magnitude())
    return {
        "placed": len(poses),
        "position_median_mm": float(np.median(apart)),
        "position_worst_mm": float(apart.max()),
        "rotation_median_deg": float(np.median(degrees)),
        "rotation_worst_deg": float(degrees.max()),
    }


def _write_summary(out: Path, results: list[tuple[Case, dict[str, float]]]) -> None:
    columns = list(dict.fromkeys(name for _, result in results for name in result))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for case, result in results:
        cells = [f"{result[name]:.4g}" if name in result else "" for name in columns]
        lines.append(f"| {case.photographs} photographs, {case.matching}, {case.mapper} | " + " | ".join(cells) + " |")
    (out / "summary.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
