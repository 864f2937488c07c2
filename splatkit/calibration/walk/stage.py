"""The stage `calibrate walk`: photographs, scans and a trajectory to where the LiDAR sits on each camera."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from splatkit.calibration.exports import write_exports
from splatkit.calibration.quality.observability import JUDGED_M, pixel_uncertainty
from splatkit.calibration.settings import WalkSettings
from splatkit.calibration.walk.calibrate import WalkCalibration, calibrate_recording
from splatkit.calibration.walk.inputs import WalkInputs, read_walk
from splatkit.calibration.walk.judge import refuse_untrustworthy, weak_directions
from splatkit.calibration.walk.record import walk_record
from splatkit.errors import SettingsError
from splatkit.io.atomic import atomic_directory
from splatkit.io.json_files import write_json
from splatkit.io.provenance import hash_files
from splatkit.progress import Progress, no_progress

_LONGEST_S = 0.03  # standard deviation of the clocks' offset that one is told of


@dataclass(frozen=True)
class CalibratedWalk:
    """A rig calibrated by a walk, and what is to be said of it."""

    out: Path  # folder of the calibration
    inputs: WalkInputs
    found: WalkCalibration
    warnings: tuple[str, ...]

    def worst_px(self) -> float:
        """How far a LiDAR point `JUDGED_M` away may be drawn off, px, one standard deviation, at the worst place."""
        return max(
            float(pixel_uncertainty(self.found.solved.twist_covariance(camera), lens, JUDGED_M).max())
            for camera, lens in enumerate(self.inputs.lenses)
        )

    def verdict(self) -> str:
        """One sentence."""
        solved = self.found.solved
        return (
            f"{int(solved.fitting.sum())} of {len(solved.fitting)} photographs and {len(solved.surfaces.distances)} "
            f"points used; a LiDAR point {JUDGED_M:g} m away is drawn into the image to {self.worst_px():.1f} px (one "
            "standard deviation, worst place)"
        )


def calibrate_walk(
    settings: WalkSettings,
    progress: Progress = no_progress,
    report: Callable[[Path, CalibratedWalk], None] = lambda folder, calibrated: None,
) -> CalibratedWalk:
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
    _check(settings)
    with atomic_directory(settings.out, settings.overwrite) as folder:
        inputs = read_walk(settings, progress)
        with threadpool_limits(limits=1):  # its matrices are small: threads would wait for each other
            found = calibrate_recording(inputs.recording, inputs.prior, settings.time_offset, progress)
        refuse_untrustworthy(found)
        warnings = (*inputs.warnings, *_left_out(inputs, found), *_clocks(settings, found), *weak_directions(found))
        calibrated = CalibratedWalk(settings.out, inputs, found, warnings)
        hashes = {source.path: source.sha256 for source in hash_files(_sources(settings, inputs))}
        write_json(
            folder / "calibration.json", walk_record(found, inputs.lenses, settings.range_noise, hashes, warnings)
        )
        write_exports(
            folder / "exports", list(found.recording.names), inputs.lenses, found.solved.estimate.T_camera_lidar
        )
        report(folder, calibrated)
    return calibrated


def _check(settings: WalkSettings) -> None:
    for name in ("prior_deg", "prior_m", "range_noise", "max_range"):
        value = getattr(settings, name)
        if not (np.isfinite(value) and value > 0):
            raise SettingsError(f"--{name.replace('_', '-')}: expected a number above 0, got {value}")


def _sources(settings: WalkSettings, inputs: WalkInputs) -> list[Path]:
    """All files that the result follows from."""
    listed = (settings.image_times, settings.scan_times, settings.init)
    dataset = settings.dataset / "transforms.json" if settings.dataset.is_dir() else settings.dataset
    files = [dataset, settings.trajectory, *(path for path in listed if path is not None), *inputs.scans.files()]
    return [*files, *(photograph.path for photograph in inputs.photographs)]


def _left_out(inputs: WalkInputs, found: WalkCalibration) -> list[str]:
    solved, out = found.solved, []
    names = [photograph.name for photograph in inputs.photographs]
    for kind, left in (
        ("were taken beyond the trajectory", ~solved.inside),
        ("do not move as the trajectory does", solved.inside & ~solved.fitting),
    ):
        if left.any():
            first = names[int(left.argmax())]
            out.append(f"{int(left.sum())} of {len(names)} photographs {kind} and hardly count, such as {first}")
    if not len(inputs.recording.points):
        out.append("the dataset has no triangulated points: surfaces were not compared")
    return out


def _clocks(settings: WalkSettings, found: WalkCalibration) -> list[str]:
    deviation = found.solved.offset_sd_s
    if settings.time_offset is not None or deviation < _LONGEST_S:
        return []
    return [f"the offset of the clocks is known to {deviation:.2f} s only; give --time-offset where it is known"]
