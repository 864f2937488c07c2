"""How well does a walk calibrate a LiDAR and cameras? `scripts/study.py walks --out DIR [--quick]`.

Two cameras and 32 lasers go through the generated `courtyard`, with known truth: round it, on a cart that neither leans
nor bobs, round it with odometry that drifts for long, and two ways that cannot do: straight ahead, and over one plane.
What differs from seed to seed is noise: of features, ranges and odometry. Each case is done once: interrupt the study
and start it again as you like.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.calibration.walk.calibrate import calibrate_recording
from splatkit.calibration.walk.judge import refuse_untrustworthy
from splatkit.calibration.walk.recording import Prior
from splatkit.calibration.walk.solve import Solved
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.se3 import Array, twist_between
from splatkit.io.atomic import atomic_file
from splatkit.synthetic.description import SceneDescription, find_scene, read_scene
from splatkit.synthetic.walk import RigMotion
from studies.store import Store, group_by
from studies.walks.simulation import Noise, Straight, Truth, simulate, walk_truth

_OFF_DEG, _OFF_M = 10.0, 0.3  # of a prior
_PLANE_M = 40.0
_PLACES = ("round", "cart", "drift", "straight", "plane")
_DRIFT = Noise(odometry_deg=0.2, odometry_m=0.02, odometry_s=8.0)


@dataclass(frozen=True)
class WalkCase:
    """One cell of the study."""

    place: str  # one of _PLACES
    start: str  # nothing, prior
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.place}-{self.start}-{self.seed}"


def main(out: Path, quick: bool = False) -> None:
    """Measure what is missing, then write a table.

    Args:
        out: folder of everything; an interrupted study in it resumes.
        quick: a minute's worth that only shows that the study works.
    """
    store, cases = Store(out / "results"), list(walk_cases(quick))
    truths = cache(lambda place: place_truth(place, *((24, 8) if quick else (96, 40))))
    store.compute(cases, lambda case: measure_case(case, truths(case.place)))
    write_summary(out, store.read(cases))
    print(f"{out / 'summary.md'}")


def walk_cases(quick: bool) -> Iterator[WalkCase]:
    """All places; from a prior only where the walk is of use."""
    for place in ("round",) if quick else _PLACES:
        for seed in range(2 if quick else 16):
            yield WalkCase(place, "nothing", seed)
            if place == "round":
                yield WalkCase(place, "prior", seed)


def place_truth(place: str, views: int, scans: int) -> Truth:
    """The walk of a place without noise."""
    scene = read_scene(find_scene("courtyard"))
    assert scene.walk is not None
    if place == "cart":
        scene = replace(scene, walk=replace(scene.walk, sway_deg=0.0, bob=0.0))
    if place == "plane":
        scene = _one_plane(scene)
    assert scene.walk is not None
    motion = Straight(scene.walk) if place == "straight" else RigMotion(scene.walk, np.random.default_rng(0))
    return walk_truth(scene, motion, views, scans, 0)


def _one_plane(scene: SceneDescription) -> SceneDescription:
    """Nothing but the paving, far and wide."""
    paving = next(thing for thing in scene.objects if thing.name == "paving")
    return replace(scene, objects=(replace(paving, radius=_PLANE_M),))


def measure_case(case: WalkCase, truth: Truth) -> dict[str, float]:
    """Errors of one trial, all cameras together, and whether it was refused."""
    recording = simulate(truth, _DRIFT if case.place == "drift" else Noise(), case.seed)
    prior = off_prior(truth, case.seed) if case.start == "prior" else None
    start = time.process_time()
    try:
        found = calibrate_recording(recording, prior)
    except CalibrationRefusedError:
        return {"cpu_s": time.process_time() - start, "refused": 1.0}
    cpu_s, refused = time.process_time() - start, 0.0
    try:
        refuse_untrustworthy(found)
    except CalibrationRefusedError:
        refused = 1.0
    scores = {
        f"{name}_{key}": value
        for name, solved in (("motion", found.motion), ("walk", found.solved))
        for key, value in errors(solved, truth.T_camera_lidar).items()
    }
    offset = found.solved.estimate.offset_s - Noise().offset_s
    return {"cpu_s": cpu_s, "refused": refused, "offset_s": offset, **scores}


def off_prior(truth: Truth, seed: int) -> Prior:
    """Extrinsics that are off by 10 degrees and 0.3 m, in directions at random."""
    rng, poses = np.random.default_rng([seed, 3]), truth.T_camera_lidar.copy()
    for T in poses:
        axis, direction = (vector / np.linalg.norm(vector) for vector in rng.normal(size=(2, 3)))
        T[:3, :3] = Rotation.from_rotvec(np.deg2rad(_OFF_DEG) * axis).as_matrix() @ T[:3, :3]
        T[:3, 3] += _OFF_M * direction
    return Prior(poses, np.deg2rad(_OFF_DEG), _OFF_M)


def errors(solved: Solved, T_camera_lidar: Array) -> dict[str, float]:
    """Root mean squares over cameras, and the mean of their squared errors over the covariance, where 6 is right."""
    pairs = zip(T_camera_lidar, solved.estimate.T_camera_lidar, strict=True)
    twists = np.array([twist_between(true, found) for true, found in pairs])
    chis = [twist @ np.linalg.solve(solved.twist_covariance(c), twist) for c, twist in enumerate(twists)]
    return {
        "deg": float(np.degrees(np.sqrt((twists[:, :3] ** 2).sum(1).mean()))),
        "mm": float(1e3 * np.sqrt((twists[:, 3:] ** 2).sum(1).mean())),
        "chi_square": float(np.mean(chis)),
    }


def write_summary(out: Path, results: list[tuple[WalkCase, dict[str, float]]]) -> None:
    """Write summary.md: root mean squares, and means of normalized errors, over trials that were not refused."""
    head = ("walk", "start", "refused, of", "motion alone", "with surfaces", "chi-square of 6", "clock", "CPU-s")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for (place, start), group in group_by(results, lambda case: (case.place, case.start)).items():
        kept = [values for _, values in group if not values["refused"]]
        cpu_s = np.median([values["cpu_s"] for _, values in group])
        counts = f"{len(group) - len(kept)}, {len(group)}"
        lines.append(f"| {place} | {start} | {counts} | {_scores(kept)} | {cpu_s:.1f} |")
    with atomic_file(out / "summary.md") as temporary:
        temporary.write_text("\n".join(["# Calibration from walks", "", *lines, ""]))


def _scores(kept: list[dict[str, float]]) -> str:
    """Four cells of the table."""
    if not kept:
        return "- | - | - | -"
    parts = [f"{_rms(kept, f'{way}_deg'):.3f} deg, {_rms(kept, f'{way}_mm'):.1f} mm" for way in ("motion", "walk")]
    chi = np.mean([values["walk_chi_square"] for values in kept])
    return f"{' | '.join(parts)} | {chi:.1f} | {1e3 * _rms(kept, 'offset_s'):.1f} ms"


def _rms(kept: list[dict[str, float]], name: str) -> float:
    return float(np.sqrt(np.mean([values[name] ** 2 for values in kept])))
