"""The similarity between two worlds from the poses of cameras in both, and the offset between the sensors' clocks.

A rig's LiDAR has a trajectory; with the extrinsics it says where each camera was in the LiDAR's world. Structure from
motion says it in its own. What maps one to the other is a similarity, after the clocks are brought together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.capture.lidar.odometry.drift import Drift
from splatkit.capture.lidar.registration.alignment import Alignment, Similarity, changed, robust_scale
from splatkit.capture.rig import MountedCamera
from splatkit.errors import CaptureRefusedError
from splatkit.geometry.se3 import exp_se3, invert
from splatkit.io.formats.trajectories import Trajectory

Array = NDArray[np.float64]

_LEAST_POSES = 4
_SEARCH_S, _SEARCH_STEP_S = 0.5, 0.02  # of the offset between clocks
_ITERATIONS = 25
_CONVERGED = 1e-7
_OPEN = 1e-12  # eigenvalue of the scaled normal equations: what is smaller is not known at all
_STEP = 1e-5  # of numerical derivatives: rad, m, s
_OFFSET_PRIOR_S = 0.5
_OBSERVED_S = 0.03  # standard deviation of an offset that counts as measured
_HUBER = 2.0
_WORST_DEG, _WORST_SHARE = 5.0, 0.1  # typical residuals beyond which worlds do not fit: angle, share of the path's size
_HARMLESS = np.array([np.deg2rad(0.1)] * 3 + [0.005] * 3)
_STRANGE = 45.0  # chi-square of 6: once in ten million


@dataclass(frozen=True)
class PoseAlignment:
    """Two worlds brought together by poses.

    Attributes:
        alignment: similarity with covariance, method "poses".
        offset_s: LiDAR's clock minus cameras' clock.
        offset_sd_s: its standard deviation; None where the motion tells nothing and the offset was taken as it was.
        rotation_rms_deg: typical angle between both rotations.
        twists: [C, 6] by which each T_camera_lidar seems to be off, as a change from the left; within what its
            covariance and the poses allow.
        strange: names of cameras whose twist contradicts the stated covariance.
        drift: [7, 7] what the drift of an estimated trajectory adds to the alignment's covariance; it is not in there,
            because surfaces share it.
    """

    alignment: Alignment
    offset_s: float
    offset_sd_s: float | None
    rotation_rms_deg: float
    twists: Array
    strange: tuple[str, ...]
    drift: Array


def align_poses(
    poses: Array,
    times: Array,
    which: NDArray[np.int64],
    cameras: tuple[MountedCamera, ...],
    trajectory: Trajectory,
    offset_s: float | None = None,
    drift: Drift | None = None,
) -> PoseAlignment:
    """Bring cameras and a LiDAR's trajectory together.

    Args:
        poses: [N, 4, 4] T_images_camera (x right, y down, z forward).
        times: [N] s, by the cameras' clock.
        which: [N] index into cameras.
        cameras: with extrinsics.
        trajectory: T_lidarworld_lidar, by the LiDAR's clock.
        offset_s: LiDAR's clock minus cameras' clock where it is known; None: estimated.
        drift: of the trajectory, where it was estimated.

    Raises:
        CaptureRefusedError: too few poses within the trajectory, or they do not fit.
    """
    start = _search_offset(poses, times, which, cameras, trajectory) if offset_s is None else offset_s
    inside = _within(times + start, trajectory, margin=0.0 if offset_s is not None else 0.05)
    if inside.sum() < _LEAST_POSES:
        raise CaptureRefusedError(
            f"alignment: {int(inside.sum())} of {len(times)} images were taken within the LiDAR's trajectory "
            f"({trajectory.times[0]:.3f} to {trajectory.times[-1]:.3f} s); at least {_LEAST_POSES} are needed: "
            "do both clocks agree?"
        )
    problem = _Problem(poses[inside], times[inside], which[inside], cameras, trajectory, offset_s)
    solved = problem.solve(start)
    size = float(np.linalg.norm(np.ptp(solved.predicted[:, :3, 3], axis=0)))
    if np.degrees(solved.sigma_rad) > _WORST_DEG or solved.sigma_m > _WORST_SHARE * max(size, 1e-6):
        raise CaptureRefusedError(
            "alignment: camera poses and the LiDAR's trajectory do not fit: typically "
            f"{np.degrees(solved.sigma_rad):.1f} degrees and {solved.sigma_m:.2f} m apart; do they belong together, "
            "and are times and extrinsics right?"
        )
    covariance = solved.covariance[:7, :7]
    share = float(solved.fitting.mean())
    alignment = Alignment(solved.similarity, covariance, solved.center, solved.sigma_m, share, "poses")
    offset_sd = float(np.sqrt(solved.covariance[7, 7]))
    twists = solved.values[8:].reshape(-1, 6)
    strange = []
    for index, camera in enumerate(cameras):
        block = solved.covariance[8 + 6 * index : 14 + 6 * index, 8 + 6 * index : 14 + 6 * index]
        # How far the estimate may lie from the stated one, if that is right; less than the floor harms nobody.
        moved = camera.covariance - block + np.diag(_HARMLESS**2)
        chi_square = float(twists[index] @ np.linalg.solve(moved, twists[index]))
        if chi_square > _STRANGE:
            strange.append(camera.name)
    measured = offset_s is None and offset_sd < _OBSERVED_S
    return PoseAlignment(
        alignment,
        solved.offset if measured else (offset_s or 0.0),
        offset_sd if measured else None,
        float(np.degrees(solved.sigma_rad)),
        twists,
        tuple(strange),
        np.zeros((7, 7)) if drift is None else solved.moved_by(drift, trajectory, times[inside]),
    )


@dataclass(frozen=True)
class _Solved:
    similarity: Similarity
    center: Array
    offset: float
    values: Array
    covariance: Array
    predicted: Array
    sigma_rad: float
    sigma_m: float
    fitting: NDArray[np.bool_]
    gains: tuple[Array, Array]  # [7, N, 3] of the similarity to rotations (rad) and positions (m) of predicted poses

    def moved_by(self, drift: Drift, trajectory: Trajectory, times: Array) -> Array:
        """Covariance [7, 7] of how the similarity follows random errors of the trajectory."""
        turns, shifts = drift.errors(trajectory, times + self.offset)
        moved = np.einsum("anj,snj->sa", self.gains[0], turns) + np.einsum("anj,snj->sa", self.gains[1], shifts)
        covariance: Array = moved.T @ moved / len(moved)
        return covariance


class _Problem:
    """Unknowns: rotation, translation and log scale of the similarity, offset of clocks, a twist of each camera."""

    def __init__(
        self,
        poses: Array,
        times: Array,
        which: NDArray[np.int64],
        cameras: tuple[MountedCamera, ...],
        trajectory: Trajectory,
        offset: float | None,
    ) -> None:
        self.poses, self.times, self.which, self.trajectory = poses, times, which, trajectory
        self.extrinsics = np.stack([camera.T_camera_lidar for camera in cameras])
        offset_sd = _OFFSET_PRIOR_S if offset is None else 1e-6
        self.prior_roots = [np.array([[1 / offset_sd]])]
        self.prior_roots += [_whitener(camera.covariance) for camera in cameras]

    def predict(self, offset: float, twists: Array) -> Array:
        """T_lidarworld_camera [N, 4, 4] from trajectory and extrinsics."""
        times = np.clip(self.times + offset, self.trajectory.times[0], self.trajectory.times[-1])
        lidar_cameras = invert(exp_se3(twists) @ self.extrinsics)
        return self.trajectory.at(times) @ lidar_cameras[self.which]

    def residuals(self, start: Similarity, center: Array, offset: float, values: Array) -> tuple[Array, Array]:
        """Rotations (rad) and places (m) [N, 3] of the cameras of the images, seen from predicted ones."""
        similarity = changed(start, values[:7], center)
        predicted = self.predict(offset + values[7], values[8:].reshape(-1, 6))
        placed = similarity.apply_to_poses(self.poses)
        turns = np.swapaxes(predicted[:, :3, :3], 1, 2) @ placed[:, :3, :3]
        return Rotation.from_matrix(turns).as_rotvec(), placed[:, :3, 3] - predicted[:, :3, 3]

    def solve(self, offset: float) -> _Solved:
        """Gauss-Newton with Huber's weights; the noise of poses is found on the way."""
        count = len(self.extrinsics)
        first = self.predict(offset, np.zeros((count, 6)))
        start, center = closed_form(self.poses, first), first[:, :3, 3].mean(0)
        values = np.zeros(8 + 6 * count)
        covariance = np.eye(len(values))
        prior = np.zeros((len(values) - 7, len(values)))
        row = 0
        for root in self.prior_roots:
            prior[row : row + len(root), 7 + row : 7 + row + len(root)] = root
            row += len(root)
        for _ in range(_ITERATIONS):
            turns, shifts = self.residuals(start, center, offset, values)
            sigma_rad, sigma_m = robust_scale(turns), robust_scale(shifts)
            J_turns, J_shifts = np.zeros((*turns.shape, len(values))), np.zeros((*turns.shape, len(values)))
            for index in range(len(values)):
                step = np.zeros(len(values))
                step[index] = _STEP
                ahead, behind = (self.residuals(start, center, offset, values + sign * step) for sign in (1, -1))
                J_turns[..., index] = (ahead[0] - behind[0]) / (2 * _STEP)
                J_shifts[..., index] = (ahead[1] - behind[1]) / (2 * _STEP)
            off = np.maximum(
                np.linalg.norm(turns, axis=1) / sigma_rad / np.sqrt(3),
                np.linalg.norm(shifts, axis=1) / sigma_m / np.sqrt(3),
            )
            weights = np.minimum(1, _HUBER / np.maximum(off, 1e-9))
            root = np.sqrt(weights)[:, None]
            rows = np.concatenate(
                [
                    (J_turns * (root / sigma_rad)[..., None]).reshape(-1, len(values)),
                    (J_shifts * (root / sigma_m)[..., None]).reshape(-1, len(values)),
                    prior,
                ]
            )
            right = np.concatenate(
                [(turns * root / sigma_rad).ravel(), (shifts * root / sigma_m).ravel(), prior @ values]
            )
            covariance = _inverse(rows.T @ rows)
            change = -covariance @ (rows.T @ right)
            values = values + change
            if np.abs(change).max() < _CONVERGED:
                break
        similarity = changed(start, values[:7], center)
        final = offset + float(values[7])
        predicted = self.predict(final, values[8:].reshape(-1, 6))
        fitting = off < 2 * _HUBER
        # A predicted camera that is turned (about world's axes) or shifted changes residuals by as much, against it.
        by_turn = covariance[:7] @ (J_turns * (weights[:, None, None] / sigma_rad**2)).reshape(-1, len(values)).T
        by_shift = covariance[:7] @ (J_shifts * (weights[:, None, None] / sigma_m**2)).reshape(-1, len(values)).T
        turn_gains = np.einsum("ank,njk->anj", by_turn.reshape(7, -1, 3), predicted[:, :3, :3])
        gains = (turn_gains, by_shift.reshape(7, -1, 3))
        return _Solved(similarity, center, final, values, covariance, predicted, sigma_rad, sigma_m, fitting, gains)


def closed_form(poses: Array, targets: Array) -> Similarity:
    """The similarity that brings poses [N, 4, 4] to targets [N, 4, 4]: mean rotation, then scale and translation.

    Rotations are compared directly, so cameras on a straight line do as well.
    """
    turns = targets[:, :3, :3] @ np.swapaxes(poses[:, :3, :3], 1, 2)
    rotation = Rotation.from_matrix(turns).mean().as_matrix()
    a, b = poses[:, :3, 3] @ rotation.T, targets[:, :3, 3]
    a_center, b_center = np.median(a, axis=0), np.median(b, axis=0)
    along = ((a - a_center) * (b - b_center)).sum(1)
    spread = ((a - a_center) ** 2).sum()
    if spread < 1e-18:
        raise CaptureRefusedError("alignment: all cameras stand in one place; their poses do not determine the scale")
    scale = float(along.sum() / spread)
    if scale <= 0:
        raise CaptureRefusedError(
            "alignment: cameras move against the LiDAR's trajectory; times, extrinsics or poses do not belong together"
        )
    return Similarity(scale, rotation, b_center - scale * a_center)


def _search_offset(
    poses: Array, times: Array, which: NDArray[np.int64], cameras: tuple[MountedCamera, ...], trajectory: Trajectory
) -> float:
    """The offset of clocks at which rotations and places fit best, to fifty a second."""
    problem = _Problem(poses, times, which, cameras, trajectory, None)
    offsets = np.arange(-_SEARCH_S, _SEARCH_S + _SEARCH_STEP_S / 2, _SEARCH_STEP_S)
    zero = np.zeros((len(cameras), 6))
    found: list[tuple[float, float]] = []
    for offset in offsets:
        inside = _within(times + offset, trajectory)
        if inside.sum() < _LEAST_POSES:
            found.append((np.inf, np.inf))
            continue
        predicted = problem.predict(float(offset), zero)[inside]
        try:
            similarity = closed_form(poses[inside], predicted)
        except CaptureRefusedError:
            found.append((np.inf, np.inf))
            continue
        placed = similarity.apply_to_poses(poses[inside])
        turns = Rotation.from_matrix(np.swapaxes(predicted[:, :3, :3], 1, 2) @ placed[:, :3, :3]).magnitude()
        shifts = np.linalg.norm(placed[:, :3, 3] - predicted[:, :3, 3], axis=1)
        found.append((float(np.median(turns)), float(np.median(shifts))))
    costs = np.array(found)
    if not np.isfinite(costs).any():
        return 0.0
    return float(offsets[np.argmin((costs / np.maximum(costs.min(0), 1e-12)).sum(1))])


def _within(times: Array, trajectory: Trajectory, margin: float = 0.0) -> NDArray[np.bool_]:
    return (times >= trajectory.times[0] + margin) & (times <= trajectory.times[-1] - margin)


def _whitener(covariance: Array) -> Array:
    """W with W^T W = covariance^-1; directions without any deviation are taken as nearly known."""
    variances, axes = np.linalg.eigh(covariance)
    return (axes / np.sqrt(np.maximum(variances, 1e-12))).T


def _inverse(H: Array) -> Array:
    """Inverse of normal equations, with large numbers where nothing is known."""
    scales = np.sqrt(np.maximum(np.diag(H), 1e-30))
    values, axes = np.linalg.eigh(H / scales[:, None] / scales)
    out: Array = (axes / np.maximum(values, _OPEN)) @ axes.T / scales[:, None] / scales
    return out
