"""ARKit's axes of cameras, which recorders on phones keep: x right, y up, z backward."""

import numpy as np
from numpy.typing import NDArray

_TURN = np.diag([1.0, -1.0, -1.0, 1.0])


def from_arkit(T_world_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poses [..., 4, 4] of the same cameras with x right, y down, z forward."""
    return T_world_camera @ _TURN
