"""What a scan tells of its LiDAR."""

import numpy as np
import pytest

from splatkit.calibration.detection.beams import LidarScan, estimate_beams
from splatkit.calibration.quality.simulation import lidar_rays, likely_lidar
from splatkit.errors import DatasetError


def wall(lidar, noise, rng):
    """Returns from a wall 4 m in front."""
    directions, line = lidar_rays(lidar, rng)
    ahead = directions[:, 0] > 0.3
    directions, line = directions[ahead], line[ahead]
    return (4 / directions[:, 0] + rng.normal(0, noise, len(directions)))[:, None] * directions, line


@pytest.mark.parametrize(
    ("lidar", "spacing", "line_spacing"), [("16", 0.2, 2.0), ("32", 0.2, 40 / 31), ("64", 0.35, 45 / 63)]
)
def test_spacings_of_spinning_lidars(lidar, spacing, line_spacing):
    beams = estimate_beams(wall(lidar, 0.01, np.random.default_rng(0))[0])
    assert np.degrees(beams.spacing) == pytest.approx(spacing, rel=0.1)
    assert np.degrees(beams.line_spacing) == pytest.approx(line_spacing, rel=0.25)


def test_a_pattern_without_lines_has_one_spacing():
    beams = estimate_beams(wall("solid", 0.01, np.random.default_rng(1))[0])
    assert beams.spacing == beams.line_spacing
    assert beams.sequential


@pytest.mark.parametrize("noise", [0.003, 0.02])
@pytest.mark.parametrize("lidar", ["16", "64", "solid"])
def test_noise_is_that_of_the_ranges(lidar, noise):
    beams = estimate_beams(wall(lidar, noise, np.random.default_rng(2))[0])
    assert 0.78 < beams.range_noise_m / noise < 1.07  # 0.876 to 0.971 over twelve seeds


def test_shuffled_returns_are_not_taken_for_lines():
    rng = np.random.default_rng(3)
    points = wall("16", 0.01, rng)[0]
    assert estimate_beams(points).sequential
    assert not estimate_beams(rng.permutation(points)).sequential


def test_too_few_returns_are_refused():
    with pytest.raises(DatasetError, match="the scan has 10 returns, at least 500"):
        estimate_beams(np.ones((10, 3)))


@pytest.mark.parametrize("lidar", ["16", "32", "64", "solid"])
@pytest.mark.parametrize("with_rings", [True, False])
def test_the_likely_lidar(lidar, with_rings):
    points, line = wall(lidar, 0.01, np.random.default_rng(4))
    rings = line if with_rings and lidar != "solid" else None
    assert likely_lidar(LidarScan(points, rings)) == lidar
