"""Which way is up in a world that structure from motion found, from how people hold cameras.

Cameras are held level: their horizontal image axes lie in the ground's plane, also where they look up or down. Up is
the direction that is most nearly at a right angle to all of them; where they all point the same way, their mean
upward axis decides.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MEAN_UP_WEIGHT = 0.005
_LEAST_AGREEMENT = 0.3  # length of the mean of all upward axes: below it cameras were held in all ways


def up_direction(poses: Array, ups: Sequence[tuple[int, int]]) -> Array | None:
    """Unit vector [3] in the world, or None where the cameras do not agree.

    Args:
        poses: [N, 4, 4] T_world_camera, OpenCV axes.
        ups: of each image, which way is up in it (x right, y down): (0, -1) unless the camera was turned.
    """
    up_in_camera = np.array([[x, y, 0.0] for x, y in ups])
    side_in_camera = np.stack([-up_in_camera[:, 1], up_in_camera[:, 0], up_in_camera[:, 2]], axis=-1)
    upward, sideways = (np.einsum("nij,nj->ni", poses[:, :3, :3], axes) for axes in (up_in_camera, side_in_camera))
    mean = upward.mean(0)
    length = float(np.linalg.norm(mean))
    if length < _LEAST_AGREEMENT:
        return None
    mean /= length
    spread = sideways.T @ sideways / len(poses) + _MEAN_UP_WEIGHT * (np.eye(3) - np.outer(mean, mean))
    direction: Array = np.linalg.eigh(spread)[1][:, 0]
    return direction if direction @ mean > 0 else -direction


def rotation_to_z(direction: Array) -> Array:
    """The smallest rotation [3, 3] that turns a unit vector [3] to z."""
    x, y, z = direction
    if z < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    cross = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0.0]])  # of the axis direction x z
    return np.eye(3) + cross + cross @ cross / (1 + z)
