"""A board, and a rig that sees it."""

import pytest

from splatkit.calibration.targets.target import BoardTarget
from tests.calibration.halls import hall_frames


@pytest.fixture
def target():
    return BoardTarget(7, 5, 0.095, 0.85, 0.61)


@pytest.fixture(scope="session")
def hall():
    """Frames of a 32-ring rig in the generated hall: exact corners with noise, scans with all faults. Cached: slow."""
    return hall_frames("32", 12)
