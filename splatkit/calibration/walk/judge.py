"""How far a calibration from a walk is to be trusted, in what it is weak, and what to do about it."""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.walk.calibrate import WalkCalibration
from splatkit.calibration.walk.hand_eye import turns_of
from splatkit.calibration.walk.solve import Solved
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.se3 import Array, twist_between

REFUSED_DEG, REFUSED_M = 1.0, 0.1  # standard deviations of the weakest rotation and translation, beyond which ...
_WEAK_DEG, _WEAK_M = 0.3, 0.03  # ... or that one is told of
_WORST_DEG, _WORST_M = 3.0, 0.3  # typically between photographs and trajectory
_START_DEG = 3.0  # of the weakest rotation by motion alone, from which surfaces may be compared
_LEAST_FITTING = 0.7  # of the photographs
_LEAST_NEAR = 0.3  # of the points, near a plane of the map
_RIVAL = 0.8  # of the points near planes under the best answer: another answer has as many
_CONTRADICTION = 60.0  # chi-square of 6 between motion and surfaces
_HARMLESS_RAD, _HARMLESS_M = np.deg2rad(0.1), 0.01  # that both may differ by anyway
_MOST_SIGMAS = 4.5  # from a prior, about or along an axis
_ONE_AXIS_DEG, _HARDLY_DEG = 1.0, 5.0  # turns, root mean square: about a second axis, and about any
_FLAT = 0.02  # share of normals in a direction, below which no surface faces it
_ALONG = 0.8  # cosine between a direction and the one that it is called after


@dataclass(frozen=True)
class Observed:
    """What the walk had to say of extrinsics."""

    turns_deg: Array  # [3] root mean square of turns about the axes that the rig turned about most, second and least
    axis: Array  # [3] that it turned about most, LiDAR's frame
    ahead: Array  # [3] the way it mostly went, LiDAR's frame
    facing: Array  # [3] share of surfaces that face the three main directions, most first; zeros without points


@dataclass(frozen=True)
class Weakness:
    """What is known least of one camera."""

    rotation_deg: float  # standard deviation about the weakest axis
    about: str  # that axis in words
    translation_m: float  # along the weakest direction
    along: str


def observe(found: WalkCalibration) -> Observed:
    """What moved and what was seen."""
    recording, solved = found.recording, found.solved
    moments = np.flatnonzero(solved.inside)[np.unique(recording.times[solved.inside], return_index=True)[1]]
    poses = recording.lidar_poses(solved.estimate.offset_s)[moments]
    turns = turns_of(poses)
    _, sizes, axes = np.linalg.svd(turns, full_matrices=False)
    steps = np.einsum("nij,nj->ni", np.swapaxes(poses[:-1, :3, :3], 1, 2), np.diff(poses[:, :3, 3], axis=0))
    ahead = steps.sum(0)
    normals = solved.surfaces.normals
    facing = np.linalg.eigvalsh(normals.T @ normals)[::-1] / len(normals) if len(normals) else np.zeros(3)
    return Observed(
        np.degrees(sizes) / np.sqrt(len(turns)), axes[0], ahead / max(float(np.linalg.norm(ahead)), 1e-12), facing
    )


def weakness(found: WalkCalibration, camera: int) -> Weakness:
    """What is known least of a camera."""
    covariance, observed = found.solved.twist_covariance(camera), observe(found)
    R = found.solved.estimate.T_camera_lidar[camera, :3, :3]
    (turn, about), (shift, along) = (_weakest(covariance[part, part]) for part in (slice(3), slice(3, 6)))
    return Weakness(
        float(np.degrees(turn)),
        f"the rotation about {_named(R.T @ about, observed)}",
        float(shift),
        f"the place along {_named(R.T @ along, observed)}",
    )


def _weakest(covariance: Array) -> tuple[float, Array]:
    """The largest standard deviation of three numbers, and its direction [3]."""
    values, axes = np.linalg.eigh(covariance)
    return float(np.sqrt(max(values[2], 0.0))), axes[:, 2]


def _named(direction: Array, observed: Observed) -> str:
    """A direction [3] of the LiDAR's frame."""
    turned = observed.turns_deg[0] > _HARDLY_DEG
    if turned and abs(direction @ observed.axis) > _ALONG:
        return "the axis that the rig turned about"
    if abs(direction @ observed.ahead) > _ALONG:
        return "the way that the rig went"
    axis = int(np.abs(direction).argmax())
    return f"the LiDAR's {'xyz'[axis]} axis" if abs(direction[axis]) > _ALONG else "a slanted axis"


def advice(found: WalkCalibration) -> str:
    """What would help, by what this walk lacked."""
    observed, out = observe(found), []
    if observed.turns_deg[0] < _HARDLY_DEG:
        out.append("the rig hardly turned: go round curves")
    elif observed.turns_deg[1] < _ONE_AXIS_DEG:
        out.append("the rig turned about one axis alone: tilt it too, or go over a ramp")
    if not len(found.recording.points):
        out.append("the dataset has no triangulated points: without them surfaces say nothing")
    elif observed.facing[1] < _FLAT:
        out.append("the surfaces that both saw are one plane: go where there are walls and ground")
    elif observed.facing[2] < _FLAT:
        out.append("no surface that both saw faces a third direction: go where there are more")
    return "; ".join(out) or "record a longer walk with more curves, nearer to surfaces"


def weak_directions(found: WalkCalibration) -> tuple[str, ...]:
    """Sentences on what is known less well than people usually need."""
    out = []
    for camera, name in enumerate(found.recording.names):
        weak = weakness(found, camera)
        parts = [f"{weak.about} to {weak.rotation_deg:.2f} degrees"] if weak.rotation_deg > _WEAK_DEG else []
        parts += [f"{weak.along} to {1e3 * weak.translation_m:.0f} mm"] if weak.translation_m > _WEAK_M else []
        if parts:
            out.append(f"{name}: {' and '.join(parts)} are known only (one standard deviation): {advice(found)}")
    return tuple(out)


def refuse_untrustworthy(found: WalkCalibration) -> None:
    """Raise where the result is not to be trusted.

    Raises:
        CalibrationRefusedError: says why, and what to do.
    """
    solved, recording = found.solved, found.recording
    degrees = float(np.degrees(solved.sigma_rad))
    if degrees > _WORST_DEG or solved.sigma_m > _WORST_M:
        raise CalibrationRefusedError(
            f"photographs and trajectory do not fit: typically {degrees:.1f} degrees and {solved.sigma_m:.2f} m apart; "
            "do they belong together, and are times and names of cameras right?"
        )
    share = float(solved.fitting.sum() / solved.inside.sum())
    if share < _LEAST_FITTING:
        raise CalibrationRefusedError(
            f"{100 * share:.0f} % of the photographs move as the trajectory does: are there several cameras that "
            "--cameras should name, or parts that structure from motion put elsewhere?"
        )
    _refuse_motion(found)
    _refuse_surfaces(found)
    _refuse_departures(found)
    for camera, name in enumerate(recording.names):
        weak = weakness(found, camera)
        parts = [f"{weak.about} is known to {weak.rotation_deg:.1f} degrees"] * (weak.rotation_deg > REFUSED_DEG)
        parts += [f"{weak.along} is known to {100 * weak.translation_m:.0f} cm"] * (weak.translation_m > REFUSED_M)
        if parts:
            raise CalibrationRefusedError(
                f"{name}: {' and '.join(parts)} only (one standard deviation): {advice(found)}"
            )


def _refuse_motion(found: WalkCalibration) -> None:
    """Surfaces are compared from where motion puts them: it must tell the rotation roughly."""
    turns = [_weakest(found.motion.twist_covariance(camera)[:3, :3])[0] for camera in range(len(found.recording.names))]
    degrees = float(np.degrees(max(turns)))
    if degrees > _START_DEG:
        raise CalibrationRefusedError(
            f"the motion leaves the rotation between camera and LiDAR open to {degrees:.1f} degrees (one standard "
            f"deviation), too far for surfaces to be compared: {advice(found)}; or give --init"
        )


def _refuse_surfaces(found: WalkCalibration) -> None:
    solved, recording = found.solved, found.recording
    near = len(solved.surfaces.distances)
    if len(recording.points) and near < _LEAST_NEAR * len(recording.points):
        raise CalibrationRefusedError(
            f"only {100 * near / len(recording.points):.0f} % of the photographs' points lie near surfaces of the "
            "LiDAR's map: do photographs and scans show the same place, and did nothing large move?"
        )
    if near and observe(found).facing[1] < _FLAT:
        raise CalibrationRefusedError(f"scale and place of the cameras cannot be told apart: {advice(found)}")
    if any(len(rival.surfaces.distances) >= _RIVAL * near for rival in found.rivals):
        raise CalibrationRefusedError(f"several answers fit this walk as well as each other: {advice(found)}")
    for camera, name in enumerate(recording.names):
        distance = _contradiction(found.motion, solved, camera)
        if distance > _CONTRADICTION:
            raise CalibrationRefusedError(
                f"{name}: motion and surfaces contradict each other (chi-square {distance:.0f} of 6): is the "
                "trajectory that of these scans, and are both in meters?"
            )


def _refuse_departures(found: WalkCalibration) -> None:
    if found.prior is None:
        return
    sigmas = np.array([found.prior.rotation_rad] * 3 + [found.prior.translation_m] * 3)
    for camera, name in enumerate(found.recording.names):
        twist = twist_between(found.prior.T_camera_lidar[camera], found.solved.estimate.T_camera_lidar[camera])
        most = float(np.abs(twist / sigmas).max())
        if most > _MOST_SIGMAS:
            raise CalibrationRefusedError(
                f"{name} came out {most:.1f} standard deviations from what --init states: correct it, leave it out, or "
                "allow for more with --prior-deg and --prior-m"
            )


def _contradiction(motion: Solved, solved: Solved, camera: int) -> float:
    """Chi-square of 6 between the extrinsics by motion alone and with surfaces."""
    twist = twist_between(motion.estimate.T_camera_lidar[camera], solved.estimate.T_camera_lidar[camera])
    floor = np.diag([_HARMLESS_RAD**2] * 3 + [_HARMLESS_M**2] * 3)
    return float(twist @ np.linalg.solve(motion.twist_covariance(camera) + floor, twist))
