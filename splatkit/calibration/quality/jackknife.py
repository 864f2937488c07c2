"""How sure a calibration is, judged by how its views differ.

What follows from the noise of single measurements alone is too little where views share an error that no parameter
describes, as a wrong lens model. Solutions that leave out one view each show such errors (Efron and Stein 1981,
doi 10.1214/aos/1176345462).
"""

import numpy as np

from splatkit.calibration.solver.solve import Solution
from splatkit.geometry.se3 import Array, twist_between

_MOTION = 6  # numbers of a rotation and a translation


def observed_covariance(solution: Solution, others: list[Solution], camera: int) -> Array:
    """[6 + P, 6 + P] of a camera's twist and freed intrinsics: in each direction what noise or the views say, if more.

    Args:
        solution: by all views.
        others: each without one view, or without one of as many groups.
        camera: number of it.
    """
    stated = solution.joint_covariances[camera]
    count, size = len(others), len(stated)
    if count < 3:
        return stated
    changes = np.stack([_change(solution, other, camera) for other in others])[:, :size]
    root = np.linalg.cholesky(stated)
    white = np.linalg.solve(root, (changes - changes.mean(0)).T)
    spread = (count - 1) / count * white @ white.T
    even = float(np.trace(spread)) / size
    if count <= _MOTION:  # too few to tell directions apart
        return stated * max(even, 1.0)
    # Directions in which so few views happen to agree would count as known far too well: as if one view more differed
    # from the others alike in all directions.
    values, vectors = np.linalg.eigh(((count - 1) * spread + even * np.eye(size)) / count)
    directions = root @ vectors
    return np.asarray((directions * np.maximum(values, 1.0)) @ directions.T)


def _change(solution: Solution, other: Solution, camera: int) -> Array:
    """Of extrinsic and intrinsics [6 + P] from one solution to another."""
    before, after = solution.guess, other.guess
    twist = twist_between(before.T_camera_lidar[camera], after.T_camera_lidar[camera])
    return np.concatenate([twist, after.cameras[camera].parameters - before.cameras[camera].parameters])
