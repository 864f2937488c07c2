"""Photographs of a street, made once."""

import pytest

from tests.calibration.surround.street import make_moments, make_rig


@pytest.fixture(scope="session")
def rig():
    """Four fisheyes as they are."""
    return make_rig()


@pytest.fixture(scope="session")
def street(rig):
    """Two moments of a vehicle that leans, cameras exposed differently, and the leans."""
    return make_moments(rig, 2, seed=1, lean_deg=0.2, gains=(1.0, 0.9, 1.1, 0.95))
