"""Points of stereo where a measured cloud has gaps."""

import numpy as np

from splatkit.capture.stereo.found_stereo import complete_cloud
from splatkit.io.point_cloud import PointCloud


def plane(left: float, right: float, color: int) -> PointCloud:
    """Points every 0.1 on a square strip."""
    x, y = np.meshgrid(np.arange(left, right, 0.1), np.arange(0, 1, 0.1))
    points = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], -1)
    colors = np.full((len(points), 3), color, np.uint8)
    return PointCloud(points, colors, np.tile(np.array([0, 0, 1], np.float32), (len(points), 1)))


def test_points_are_added_in_gaps_alone():
    measured, fused = plane(0, 2, 10), plane(1, 4, 20)
    whole = complete_cloud(measured, fused, 10_000)
    assert whole.colors is not None
    np.testing.assert_array_equal(whole.points[: len(measured.points)], measured.points)
    added = whole.points[whole.colors[:, 0] == 20]
    assert 2.2 < added[:, 0].min() < 2.4  # four spacings beyond the last measured point at 1.9
    assert len(added) == (fused.points[:, 0] > added[:, 0].min() - 1e-9).sum()
    assert whole.normals is not None
    assert len(whole.normals) == len(whole.points)


def test_no_more_points_than_there_is_room_for():
    measured, fused = plane(0, 2, 10), plane(1, 4, 20)
    whole = complete_cloud(measured, fused, len(measured.points) + 40)
    assert len(whole.points) == len(measured.points) + 40
    assert np.ptp(whole.points[len(measured.points) :, 1]) > 0.8  # evenly
    assert len(complete_cloud(measured, fused, 7).points) == len(measured.points)
