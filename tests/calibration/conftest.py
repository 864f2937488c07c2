"""A board, and rigs that see it."""

import numpy as np
import pytest

from splatkit.calibration.camera import Camera
from splatkit.calibration.targets.target import BoardTarget
from tests.calibration.halls import hall_frames


@pytest.fixture
def target():
    return BoardTarget(7, 5, 0.095, 0.85, 0.61)


@pytest.fixture(params=["pinhole", "pinhole5", "fisheye"])
def camera(request):
    K = np.array([[700.0, 0, 330], [0, 690, 250], [0, 0, 1]])
    if request.param == "fisheye":
        return Camera(K, np.array([0.02, -0.01, 0.003, -0.001]), 640, 480, "fisheye")
    return Camera(
        K, np.array([-0.2, 0.05, 1e-3, -5e-4, 0.01]) if request.param == "pinhole5" else np.zeros(0), 640, 480
    )


@pytest.fixture(scope="session")
def hall():
    """Frames of a 32-ring rig in the generated hall: exact corners with noise, scans with all faults. Cached: slow."""
    return hall_frames("32", 12)
