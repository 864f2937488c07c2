"""The first guess, from nothing: how the same motion looks to cameras and to the LiDAR.

What a camera turns by between two photographs, its LiDAR turns by too, about the same axis seen in another frame: that
gives the rotation between both and the offset of their clocks. Places along the way give scale and lever arm, linearly.
A rig that turned about one axis alone leaves the rotation about it open; then several are tried.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.calibration.walk.recording import Estimate, Prior, Recording
from splatkit.capture.lidar.registration.alignment import Similarity
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.se3 import Array, compose, invert

SEARCHED_S, _STEP_S = 1.0, 0.02  # of the offset between clocks
LEAST_PHOTOGRAPHS = 6  # of each camera within the trajectory
_STRIDES = (1, 2, 3, 5, 8)  # photographs from one of a pair to the other
_LARGEST_TURN = np.deg2rad(150)  # beyond it a turn's axis may flip
_ROUNDS = 5  # of reweighting
_TURNS_TRIED = 12  # about the axis that the rig mostly turned about
_PLACES_M, _ARM_M = 0.1, 1.0  # standard deviations in the linear step: of places, and of a lever arm


def first_guesses(recording: Recording, offset_s: float | None, prior: Prior | None = None) -> list[Estimate]:
    """Several, the likeliest first.

    Args:
        recording: the walk.
        offset_s: LiDAR's clock minus cameras' clock where it is known.
        prior: of the extrinsics; gives one guess more.

    Raises:
        CalibrationRefusedError: too few photographs lie within the trajectory, or nothing moved.
    """
    offset = _search_offset(recording) if offset_s is None else offset_s
    _check_count(recording, offset)
    first = int(np.bincount(recording.which[recording.covered(offset)]).argmax())
    pairs, lidar_poses = _pairs(recording, offset), recording.lidar_poses(offset)
    own = pairs[recording.which[pairs[:, 0]] == first]
    turns = _turns(lidar_poses, own)
    rotation = _aligned(_turns(recording.poses, own), turns)[0]
    axis = np.linalg.svd(turns, full_matrices=False)[2][0]
    tried = [] if prior is None else [prior.T_camera_lidar[first, :3, :3]]
    for turn in 2 * np.pi * np.arange(_TURNS_TRIED) / _TURNS_TRIED:
        tried.append(rotation @ Rotation.from_rotvec(turn * axis).as_matrix())
    guesses = (_with_places(recording, first, about, lidar_poses, offset) for about in tried)
    found = [guess for guess in guesses if guess is not None]
    if not found:
        raise CalibrationRefusedError(
            "photographs and trajectory do not move alike: do they belong together, and do both clocks agree to "
            f"{SEARCHED_S:g} s?"
        )
    return found


def _check_count(recording: Recording, offset: float) -> None:
    inside = recording.covered(offset)
    counts = np.bincount(recording.which[inside], minlength=len(recording.names))
    if counts.min() < LEAST_PHOTOGRAPHS:
        first, last = recording.trajectory.times[[0, -1]]
        raise CalibrationRefusedError(
            f"photographs of {recording.names[int(counts.argmin())]} within the trajectory ({first:.3f} to {last:.3f} "
            f"s): {counts.min()}, at least {LEAST_PHOTOGRAPHS} are needed: record a longer walk; do both clocks agree?"
        )


def _pairs(recording: Recording, offset: float) -> NDArray[np.int64]:
    """Photographs [P, 2] of one camera, within the trajectory."""
    inside = np.flatnonzero(recording.covered(offset))
    out = []
    for camera in range(len(recording.names)):
        own = inside[recording.which[inside] == camera]
        out += [np.stack([own[:-stride], own[stride:]], 1) for stride in _STRIDES if stride < len(own)]
    return np.concatenate(out)


def turns_of(poses: Array) -> Array:
    """Rotation vectors [P, 3] from each pose [N, 4, 4] to those soon after it, in the former's frame."""
    ends = [(np.arange(len(poses) - stride), stride) for stride in _STRIDES if stride < len(poses)]
    return _turns(poses, np.concatenate([np.stack([first, first + stride], 1) for first, stride in ends]))


def _turns(poses: Array, pairs: NDArray[np.int64]) -> Array:
    """Rotation vectors [P, 3] from the first to the second of a pair, in the first's frame."""
    first, second = poses[pairs[:, 0], :3, :3], poses[pairs[:, 1], :3, :3]
    return Rotation.from_matrix(np.swapaxes(first, 1, 2) @ second).as_rotvec()


def _aligned(a: Array, b: Array) -> tuple[Array, float]:
    """The rotation [3, 3] that brings vectors b [P, 3] nearest to a [P, 3], and the median of what remains."""
    usable = (np.linalg.norm(a, axis=1) < _LARGEST_TURN) & (np.linalg.norm(b, axis=1) < _LARGEST_TURN)
    if usable.sum() < 2:
        return np.eye(3), np.inf
    a, b = a[usable], b[usable]
    weights, R = np.ones(len(a)), np.eye(3)
    for _ in range(_ROUNDS):
        u, _, vt = np.linalg.svd((a * weights[:, None]).T @ b)
        R = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
        rest = np.linalg.norm(a - b @ R.T, axis=1)
        limit = max(float(np.median(rest)), 1e-6)
        weights = limit / np.maximum(rest, limit)
    return R, float(np.median(rest))


def _search_offset(recording: Recording) -> float:
    """The offset of clocks at which cameras and LiDAR turn most alike, to a fiftieth of a second."""
    offsets = np.arange(-SEARCHED_S, SEARCHED_S + _STEP_S / 2, _STEP_S)
    misfits = np.full(len(offsets), np.inf)
    for k, offset in enumerate(offsets):
        inside = recording.covered(float(offset))
        if np.bincount(recording.which[inside], minlength=len(recording.names)).min() < LEAST_PHOTOGRAPHS:
            continue
        pairs, lidar_poses = _pairs(recording, float(offset)), recording.lidar_poses(float(offset))
        misfits[k] = 0.0
        for camera in range(len(recording.names)):
            own = pairs[recording.which[pairs[:, 0]] == camera]
            misfits[k] += _aligned(_turns(recording.poses, own), _turns(lidar_poses, own))[1]
    return float(offsets[misfits.argmin()]) if np.isfinite(misfits).any() else 0.0


def _with_places(
    recording: Recording, first: int, R_camera_lidar: Array, lidar_poses: Array, offset: float
) -> Estimate | None:
    """The estimate that follows from one camera's rotation [3, 3]; None if the images' world had to be mirrored."""
    inside = recording.covered(offset)
    which, poses, lidar = recording.which[inside], recording.poses[inside], lidar_poses[inside]
    own = which == first
    # R_world_lidar R_lidar_camera = R_world_images R_images_camera
    turns = lidar[own, :3, :3] @ R_camera_lidar.T @ np.swapaxes(poses[own, :3, :3], 1, 2)
    R = Rotation.from_matrix(turns).mean().as_matrix()
    turned = np.swapaxes(R @ poses[:, :3, :3], 1, 2) @ lidar[:, :3, :3]
    rotations = np.stack(
        [Rotation.from_matrix(turned[which == camera]).mean().as_matrix() for camera in range(len(recording.names))]
    )
    centers, count = poses[:, :3, 3] @ R.T, len(rotations)
    middle = centers.mean(0)
    size = max(float(np.sqrt(((centers - middle) ** 2).sum(1).mean())), 1e-12)
    # scale (centers - middle) / size + translation - R_world_lidar arm = place of the LiDAR
    rows = np.zeros((len(which), 3, 4 + 3 * count))
    rows[:, :, 0] = (centers - middle) / size
    rows[:, :, 1:4] = np.eye(3)
    for camera in range(count):
        rows[which == camera, :, 4 + 3 * camera : 7 + 3 * camera] = -lidar[which == camera, :3, :3]
    known = np.concatenate([np.zeros((3 * count, 4)), np.eye(3 * count)], 1) * _PLACES_M / _ARM_M
    A = np.concatenate([rows.reshape(-1, 4 + 3 * count), known])
    right = np.concatenate([lidar[:, :3, 3].ravel(), np.zeros(3 * count)])
    solved = np.linalg.lstsq(A, right, rcond=None)[0]
    scale = float(solved[0]) / size
    if scale <= 0:
        return None
    similarity = Similarity(scale, R, solved[1:4] - scale * middle)
    arms = solved[4:].reshape(-1, 3)  # of the cameras' centers, LiDAR's frame
    T_lidar_camera = [compose(turn.T, arm) for turn, arm in zip(rotations, arms, strict=True)]
    return Estimate(similarity, invert(np.stack(T_lidar_camera)), offset)
