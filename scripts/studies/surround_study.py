"""How well does the ground calibrate cameras around a vehicle? `scripts/study.py surround --out DIR [--quick]`.

The generated `parking`: four fisheyes whose stated poses are off by 1, 3 and 5 degrees and 1, 5 and 10 cm (standard
deviations about and along each axis); the front one is exact. Beside splatkit: the poses as stated, and a random search
on gray differences. Each case is done once: interrupt the study and start it again as you like.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.calibration.surround.bundle import Priors
from splatkit.calibration.surround.calibrate import calibrate_moments
from splatkit.calibration.surround.ground import ground_points, see_ground
from splatkit.calibration.surround.judge import DISTANCES_M, common_places, refuse_untrustworthy
from splatkit.calibration.surround.moments import Moment, list_moments, read_moments
from splatkit.calibration.surround.rig import SurroundRig, read_rig
from splatkit.cli import main as splatkit
from splatkit.errors import CalibrationRefusedError
from splatkit.io.atomic import atomic_file
from studies.store import Store, group_by
from studies.surround_control import search_at_random

_SIZES_M = {1.0: 0.01, 3.0: 0.05, 5.0: 0.10}  # of displacements that go with degrees
_CONVERGED_DEG = 0.3  # of the worst camera
_LEAN_DEG, _LIFT_M = 0.3, 0.006


@dataclass(frozen=True)
class SurroundCase:
    """One cell of the study."""

    way: str  # stated, ground or random
    degrees: float  # of the disturbance
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.way}-{self.degrees:g}-{self.seed}"


def main(out: Path, quick: bool = False) -> None:
    """Make what is missing, then write a table.

    Args:
        out: folder of everything; an interrupted study in it resumes.
        quick: a minute's worth that only shows that the study works.
    """
    scene = out / "parking"
    if not scene.is_dir():
        size = ["--width", "320", "--height", "240", "--views", "8"] if quick else ["--width", "640", "--height", "480"]
        splatkit(["scene", "parking", "--out", str(scene), *size, *([] if quick else ["--views", "24"])])
    true = read_rig(scene / "truth/rig.json")
    moments = read_moments(list_moments(scene / "images", true.names)[0], true)
    store, cases = Store(out / "results"), list(surround_cases(quick))
    store.compute(cases, lambda case: measure_case(case, true, moments))
    write_summary(out, store.read(cases))
    print(f"{out / 'summary.md'}")


def surround_cases(quick: bool) -> Iterator[SurroundCase]:
    """All ways at all sizes: a search takes long and is done for a quarter of the seeds."""
    for seed in range(1 if quick else 16):
        for degrees in [1.0] if quick else _SIZES_M:
            yield SurroundCase("stated", degrees, seed)
            yield SurroundCase("ground", degrees, seed)
            if seed < 4 and not quick:
                yield SurroundCase("random", degrees, seed)


def measure_case(case: SurroundCase, true: SurroundRig, moments: list[Moment]) -> dict[str, float]:
    """Errors of one trial, and whether it was refused."""
    meters, start = _SIZES_M[case.degrees], time.process_time()
    found, refused = disturbed(true, case.degrees, meters, case.seed), 0.0
    if case.way == "random":
        found = search_at_random(found, moments[:1], case.degrees, meters, case.seed)
    elif case.way == "ground":
        priors = Priors(case.degrees, meters, _LEAN_DEG, _LIFT_M, fixed=(0,))
        calibration = calibrate_moments(found, moments, priors)
        found = calibration.rig
        try:
            refuse_untrustworthy(calibration)
        except CalibrationRefusedError:
            refused = 1.0
    return {"cpu_s": time.process_time() - start, "refused": refused, **errors(found, true)}


def disturbed(true: SurroundRig, degrees: float, meters: float, seed: int) -> SurroundRig:
    """The rig as it may be stated: all cameras but the first turned and moved."""
    rng, poses = np.random.default_rng(seed), true.T_vehicle_camera.copy()
    for T in poses[1:]:
        T[:3, :3] = T[:3, :3] @ Rotation.from_rotvec(np.deg2rad(degrees) * rng.normal(size=3)).as_matrix()
        T[:3, 3] += meters * rng.normal(size=3)
    return replace(true, T_vehicle_camera=poses)


def errors(found: SurroundRig, true: SurroundRig) -> dict[str, float]:
    """Of all cameras but the first: root mean squares and the worst; and gaps on the ground by distance."""
    turned = found.T_vehicle_camera[1:, :3, :3] @ np.swapaxes(true.T_vehicle_camera[1:, :3, :3], 1, 2)
    degrees = np.degrees(np.linalg.norm(Rotation.from_matrix(turned).as_rotvec(), axis=1))
    centimeters = 100 * np.linalg.norm(found.centers - true.centers, axis=1)[1:]
    squares = {"rotation_deg": degrees, "translation_cm": centimeters}
    return {
        **{name: float(np.sqrt(np.mean(np.square(values)))) for name, values in squares.items()},
        "worst_deg": float(degrees.max()),
        **{f"gap_{distance:g}m_cm": 100 * mean_gap(found, true, distance) for distance in DISTANCES_M},
    }


def mean_gap(found: SurroundRig, true: SurroundRig, distance: float) -> float:
    """How far apart two cameras put what both see at a distance from their middle, m; NaN where they see nothing."""
    gaps = []
    for first, second, place in common_places(true, distance):
        spots = []
        for index in (first, second):
            pixel, _, _ = see_ground(true.cameras[index], true.T_vehicle_camera[index], place[None])
            spots.append(ground_points(true.cameras[index].rays(pixel), found.T_vehicle_camera[index])[0][0])
        gaps.append(np.linalg.norm(spots[0] - spots[1]))
    return float(np.nanmean(gaps)) if gaps else np.nan


def write_summary(out: Path, results: list[tuple[SurroundCase, dict[str, float]]]) -> None:
    """Write summary.md: root mean squares over trials that were not refused; medians of gaps."""
    head = ("off by", "way", "trials", "refused", "converged", "rotation, deg", "position, cm", "gap at 2, 5, 10 m, cm")
    lines = [f"| {' | '.join(head)} | CPU-s |", "|---" * (len(head) + 1) + "|"]
    for (degrees, way), group in group_by(results, lambda case: (case.degrees, case.way)).items():
        kept = [values for _, values in group if not values["refused"]]
        off = f"{degrees:g} deg, {100 * _SIZES_M[degrees]:g} cm"
        counts = (len(group), len(group) - len(kept), sum(values["worst_deg"] < _CONVERGED_DEG for values in kept))
        cpu_s = np.median([values["cpu_s"] for _, values in group])
        lines.append(f"| {off} | {way} | {' | '.join(map(str, counts))} | {_scores(kept)} | {cpu_s:.1f} |")
    with atomic_file(out / "summary.md") as temporary:
        temporary.write_text("\n".join(["# Cameras around a vehicle", "", *lines, ""]))


def _scores(kept: list[dict[str, float]]) -> str:
    """Three cells of the table."""
    if not kept:
        return "- | - | -"
    rotation, position = (
        np.sqrt(np.mean([values[name] ** 2 for values in kept])) for name in ("rotation_deg", "translation_cm")
    )
    gaps = [np.median([values[f"gap_{distance:g}m_cm"] for values in kept]) for distance in DISTANCES_M[:3]]
    return f"{rotation:.3f} | {position:.2f} | {', '.join(f'{gap:.2f}' for gap in gaps)}"
