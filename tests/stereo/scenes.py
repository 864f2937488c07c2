"""Cameras around things, for tests of who sees what."""

from collections.abc import Iterable

import numpy as np

from splatkit.geometry.camera import Camera, PosedCamera
from tests.room import look_at

PINHOLE = Camera("pinhole", 320, 240, 300.0, 300.0, 160.0, 120.0)
BROWN = Camera("brown_conrady", 640, 480, 420.0, 425.0, 322.0, 238.0, (-0.21, 0.06, 1.5e-3, -8e-4, -0.01))
FISHEYE = Camera("kannala_brandt", 640, 480, 300.0, 303.0, 318.0, 243.0, (0.04, -0.012, 0.003, -0.0008))
HEMISPHERE = Camera("kannala_brandt", 600, 600, 191.0, 191.0, 300.0, 300.0, (0.0, 0.0, 0.0, 0.0))  # 180 degrees


def look(center: Iterable[float], target: Iterable[float] = (0, 0, 0), camera: Camera = PINHOLE) -> PosedCamera:
    place, goal = np.array(list(center), float), np.array(list(target), float)
    return PosedCamera(f"{place}", camera, look_at(place, goal))


def ring(count: int, radius: float = 4.0) -> list[PosedCamera]:
    """Cameras around the origin that look at it."""
    angles = np.arange(count) * 2 * np.pi / count
    return [look((radius * np.cos(angle), radius * np.sin(angle), 0.3)) for angle in angles]


def ball(count: int = 2000, radius: float = 1.0) -> np.ndarray:
    """Points [count, 3] on a ball about the origin."""
    points = np.random.default_rng(0).normal(size=(count, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


def wall(count: int = 1000, half: float = 1.0, y: float = 5.0) -> np.ndarray:
    """Points [count, 3] on an upright square, of which cameras at y = 0 see the front."""
    x, z = np.random.default_rng(0).uniform(-half, half, (2, count))
    return np.stack([x, np.full(count, y), z], -1)
