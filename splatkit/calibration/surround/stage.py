"""The stage `calibrate surround`: photographs around a vehicle to the poses of its cameras."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import splatkit
from splatkit.calibration.settings import SurroundSettings
from splatkit.calibration.surround.bundle import Priors
from splatkit.calibration.surround.calibrate import SurroundCalibration, calibrate_moments
from splatkit.calibration.surround.judge import (
    DISTANCES_M,
    PairScore,
    expected_gaps,
    neighbors,
    refuse_untrustworthy,
    score_pairs,
    weak_directions,
)
from splatkit.calibration.surround.moments import MomentFiles, list_moments, read_moments
from splatkit.calibration.surround.rig import SurroundRig, read_rig, rig_record
from splatkit.errors import SettingsError
from splatkit.geometry.se3 import Array
from splatkit.io.atomic import atomic_directory
from splatkit.io.json_files import write_json
from splatkit.progress import Progress, no_progress


@dataclass(frozen=True)
class CalibratedSurround:
    """A rig calibrated by the ground, and what is to be said of it."""

    out: Path  # folder of the calibration
    found: SurroundCalibration
    files: list[MomentFiles]  # of the moments that were used
    pairs: tuple[PairScore, ...]
    warnings: tuple[str, ...]

    def verdict(self) -> str:
        """One sentence."""
        rotation, translation = (float(part.max()) for part in deviations(self.found))
        worst = max(pair.gap_px for pair in neighbors(self.pairs))
        return (
            f"cameras: {len(self.found.rig.names)}, timestamps: {len(self.files)}; neighbors agree to {worst:.2f} px "
            "(worst pair, median of places kept to judge by); the least certain camera is known to "
            f"{np.degrees(rotation):.3f} degrees and {1e3 * translation:.0f} mm"
        )


def calibrate_surround(
    settings: SurroundSettings,
    progress: Progress = no_progress,
    report: Callable[[Path, CalibratedSurround], None] = lambda folder, calibrated: None,
) -> CalibratedSurround:
    """Read, calibrate, write into a temporary folder, then rename it.

    Args:
        settings: see there.
        progress: shows how far it is.
        report: may add files to the folder before it gets its name.

    Raises:
        SettingsError, DatasetError, OSError: something is missing, damaged, or contradicts the rest.
        FileExistsError: `out` exists and may not be overwritten.
        CalibrationRefusedError: no result could be trusted.
    """
    nominal = read_rig(settings.rig)
    priors = _priors(settings, nominal)
    files, alone = list_moments(settings.images, nominal.names)
    chosen = np.unique(np.linspace(0, len(files) - 1, settings.timestamps).round().astype(int))
    used = [files[index] for index in chosen]
    with atomic_directory(settings.out, settings.overwrite) as folder:
        moments = read_moments(used, nominal, progress)
        found = calibrate_moments(nominal, moments, priors, progress)
        refuse_untrustworthy(found)
        calibrated = CalibratedSurround(
            settings.out, found, used, score_pairs(found), (*_left_out(files, used, alone), *weak_directions(found))
        )
        write_json(folder / "rig.json", _record(calibrated))
        report(folder, calibrated)
    return calibrated


def deviations(found: SurroundCalibration) -> tuple[Array, Array]:
    """Standard deviations of each camera's rotation [C], rad, and translation [C], m."""
    variances = np.diag(found.covariance).reshape(-1, 2, 3).sum(2)
    return np.sqrt(variances[:, 0]), np.sqrt(variances[:, 1])


def _priors(settings: SurroundSettings, nominal: SurroundRig) -> Priors:
    for name in ("prior_deg", "prior_m", "lean_deg", "lift_m"):
        if not (np.isfinite(getattr(settings, name)) and getattr(settings, name) > 0):
            option = name.replace("_", "-")
            raise SettingsError(f"--{option}: expected a standard deviation above 0, got {getattr(settings, name)}")
    if settings.timestamps < 1:
        raise SettingsError(f"--timestamps: expected at least 1, got {settings.timestamps}")
    if unknown := [name for name in settings.fixed if name not in nominal.names]:
        raise SettingsError(f"--fixed: the rig has no camera {unknown[0]!r}; it has {', '.join(nominal.names)}")
    fixed = tuple(nominal.names.index(name) for name in settings.fixed)
    if len(set(fixed)) == len(nominal.names):
        raise SettingsError("--fixed: all cameras are fixed; nothing is left to calibrate")
    return Priors(settings.prior_deg, settings.prior_m, settings.lean_deg, settings.lift_m, fixed)


def _left_out(files: list[MomentFiles], used: list[MomentFiles], alone: list[str]) -> list[str]:
    out = []
    if alone:
        out.append(f"files that are not a photograph of every camera are left out: {len(alone)}, such as {alone[0]}")
    if len(used) < len(files):
        out.append(f"{len(used)} of {len(files)} timestamps are used, evenly chosen; --timestamps takes more")
    return out


def _known(value: Any) -> Any:
    """None for NaN, which JSON does not have."""
    return None if value != value else value


def _record(calibrated: CalibratedSurround) -> dict[str, Any]:
    """The rig, as `read_rig` takes it, and what is known of it."""
    found = calibrated.found
    record = rig_record(found.rig)
    for index, entry in enumerate(record["cameras"]):
        own = slice(6 * index, 6 * index + 6)
        entry["covariance"] = found.covariance[own, own].tolist()
        entry["T_vehicle_camera_stated"] = found.nominal.T_vehicle_camera[index].tolist()
    return {
        **record,
        "version": splatkit.__version__,
        "covariances_are": "of rotation about the camera's center (rad), then of its translation (m), vehicle axes",
        "pairs": [{name: _known(value) for name, value in vars(pair).items()} for pair in calibrated.pairs],
        "expected_gaps_m": {f"{distance:g} m": _known(expected_gaps(found, distance)) for distance in DISTANCES_M},
        "timestamps": [
            {"name": files.name, "lean_rad": lean[:2].tolist(), "lift_m": float(lean[2])}
            for files, lean in zip(calibrated.files, found.leans, strict=True)
        ],
        "warnings": list(calibrated.warnings),
    }
