"""The rectangle of known size in a plane."""

import numpy as np
import pytest

from splatkit.calibration.detection.rectangle import fit_rectangle, guess_rectangles, rotation

SIZE = np.array([0.85, 0.61])


def samples(angle, center, rng, lines=12):
    """Points on lines across the plate, and the ends of the lines."""
    every, ends = [], []
    steps = np.arange(-0.6, 0.6, 0.01)
    for height in np.linspace(-0.5, 0.5, lines):
        line = np.stack([steps, np.full(len(steps), height)], 1)
        inside = (np.abs((line - center) @ rotation(angle).T) <= SIZE / 2).all(1)
        if inside.sum() > 4:
            every.append(line[inside])
            ends += [line[inside][0], line[inside][-1]]
    points = np.concatenate(every)
    return points + rng.normal(0, 0.001, points.shape), np.array(ends)


def fit(points, rim, inset):
    return fit_rectangle(points, rim, inset, SIZE, guess_rectangles(points, rim, inset, SIZE))


@pytest.mark.parametrize("degrees", [3, 40, 75, 130])
def test_angle_and_center_are_found(degrees):
    angle, center = np.radians(degrees), np.array([0.04, -0.03])
    points, rim = samples(angle, center, np.random.default_rng(0))
    found = fit(points, rim, np.full(len(rim), 0.004))
    assert np.linalg.norm(found.center - center) < 0.006
    assert abs((found.angle - angle + np.pi / 2) % np.pi - np.pi / 2) < np.radians(1)
    assert found.residual < 0.01


def test_without_rims_the_extent_decides():
    points, _ = samples(0.6, np.zeros(2), np.random.default_rng(1), lines=60)
    found = fit(points, np.zeros((0, 2)), np.zeros(0))
    assert np.linalg.norm(found.center) < 0.03


def test_points_beside_the_plate_do_not_pull_it():
    points, rim = samples(0.6, np.zeros(2), np.random.default_rng(2))
    stand = np.stack([np.full(20, 0.05), np.linspace(-0.6, -0.45, 20)], 1)
    found = fit(np.concatenate([points, stand]), rim, np.full(len(rim), 0.004))
    assert np.linalg.norm(found.center) < 0.01
