"""Rigid transforms and their small changes. `T_a_b` maps coordinates of frame b into frame a: p_a = T_a_b @ p_b.

A twist is [rotation (rad), translation (m)]; it changes a transform from the left: T <- exp(twist) T, that is, in the
frame that T maps to.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]
Pose = TypeVar("Pose", bound=Any)  # an ndarray or a torch Tensor; what comes out is of its kind and type

# Poses pass through text and float32; the worst of the public datasets that were tried is off by 2e-6.
RIGID_TOLERANCE = 1e-3


def exp_se3(twists: Array) -> Array:
    """Transforms [..., 4, 4] of twists [..., 6]: the exponential map of SE(3)."""
    w, v = twists[..., :3], twists[..., 3:]
    angle = np.linalg.norm(w, axis=-1)[..., None, None]
    W = cross_matrix(w)
    small = angle < 1e-6
    safe = np.where(small, 1.0, angle)
    b = np.where(small, 0.5 - angle**2 / 24, (1 - np.cos(safe)) / safe**2)
    c = np.where(small, 1 / 6 - angle**2 / 120, (safe - np.sin(safe)) / safe**3)
    left = np.eye(3) + b * W + c * (W @ W)
    T = np.zeros((*twists.shape[:-1], 4, 4))
    T[..., :3, :3] = Rotation.from_rotvec(w.reshape(-1, 3)).as_matrix().reshape(*w.shape[:-1], 3, 3)
    T[..., :3, 3] = (left @ v[..., None])[..., 0]
    T[..., 3, 3] = 1
    return T


def lengths(vectors: Array) -> Array:
    """Lengths [N] of vectors [N, 2 or 3]; NumPy's norm takes many times as long along so short an axis."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))


def cross_matrix(w: Array) -> Array:
    """Matrices [..., 3, 3] with cross_matrix(w) @ x = w x x, of vectors [..., 3]."""
    out = np.zeros((*w.shape, 3))
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -w[..., 2], w[..., 1], -w[..., 0]
    out[..., 1, 0], out[..., 2, 0], out[..., 2, 1] = w[..., 2], -w[..., 1], w[..., 0]
    return out


def point_motion(points: Array) -> Array:
    """Derivatives [N, 3, 6] of points [N, 3] to a twist of their frame's transform."""
    return np.concatenate([-cross_matrix(points), np.broadcast_to(np.eye(3), (len(points), 3, 3))], 2)


def invert(T_a_b: Pose) -> Pose:
    """T_b_a of rigid transforms [..., 4, 4] (or [..., 3, 4]): [..., 4, 4]. Arrays and Tensors."""
    rotation = T_a_b[..., :3, :3].swapaxes(-1, -2)
    translation = -(rotation @ T_a_b[..., :3, 3:])
    out: Any
    if isinstance(T_a_b, np.ndarray):
        out = np.zeros((*T_a_b.shape[:-2], 4, 4), T_a_b.dtype)
        out[..., :3, :3], out[..., :3, 3:], out[..., 3, 3] = rotation, translation, 1
        return out
    import torch

    shape = (*T_a_b.shape[:-2], 1)
    bottom = torch.cat([T_a_b.new_zeros(*shape, 3), T_a_b.new_ones(*shape, 1)], -1)  # no upload, which a GPU waits for
    out = torch.cat([torch.cat([rotation, translation], -1), bottom], -2)
    return out


def transform_points(T_a_b: Pose, points_b: Pose) -> Pose:
    """Points of frame b in frame a: T_a_b [4, 4], points_b [N, 3] -> [N, 3]. Arrays and Tensors."""
    return points_b @ T_a_b[:3, :3].T + T_a_b[:3, 3]


def rigid_error(T_a_b: Array) -> float:
    """How far a transform [4, 4] is from rigid: the largest entry of R^T R - 1; inf where it mirrors."""
    rotation = T_a_b[:3, :3]
    error = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    return error if np.linalg.det(rotation) > 0 else np.inf


def is_rigid(T_a_b: Array, tolerance: float = RIGID_TOLERANCE) -> bool:
    """Whether a matrix is a finite rigid transform [4, 4] with the last row 0 0 0 1."""
    if T_a_b.shape != (4, 4) or not np.isfinite(T_a_b).all():
        return False
    return bool(np.abs(T_a_b[3] - [0, 0, 0, 1]).max() <= tolerance) and rigid_error(T_a_b) <= tolerance


def compose(rotation: Array, translation: Array) -> Array:
    """A transform [4, 4] of a rotation matrix [3, 3] and a translation [3]."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation, translation
    return T


def twist_between(T_from: Array, T_to: Array) -> Array:
    """The twist [6] with T_to = exp(twist) T_from."""
    change = T_to @ invert(T_from)
    w = Rotation.from_matrix(change[:3, :3]).as_rotvec()
    angle = np.linalg.norm(w)
    W = cross_matrix(w)
    d = 1 / 12 if angle < 1e-4 else (1 - angle / 2 / np.tan(angle / 2)) / angle**2
    return np.concatenate([w, (np.eye(3) - W / 2 + d * (W @ W)) @ change[:3, 3]])
