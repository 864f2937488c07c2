"""Merging in pairs keeps what two Gaussians are together: means, spreads, and the light that they take away."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.io.splat_formats.gaussians import nearest_gaussians
from splatkit.io.splat_formats.levels import coarser, covariances
from splatkit.io.splats import SplatArrays
from tests.io.test_splats import random_splats


def gaussians(means, scales, opacities, sh0):
    count = len(means)
    columns = {
        "means": means,
        "quats": np.tile([1.0, 0, 0, 0], (count, 1)),
        "scales": scales,
        "opacities": opacities,
        "betas": np.full(count, 2.0),
        "sh0": sh0,
        "shN": np.zeros((count, 0, 3)),
    }
    return SplatArrays(**{name: np.asarray(values, np.float32) for name, values in columns.items()})


def areas(splats):
    a, b, c = splats.scales.astype(float).T
    return a * b + b * c + c * a


def test_two_become_the_gaussian_with_their_mean_and_spread():
    two = gaussians([[0, 0, 0], [1, 0, 0]], [[0.5, 0.4, 0.3]] * 2, [0.4, 0.2], [[1, 0, 0], [0, 0, 1]])
    one, _ = coarser(two, np.zeros(2, int))
    np.testing.assert_allclose(one.means, [[1 / 3, 0, 0]], atol=1e-6)  # weights of 0.4 and 0.2
    between = 2 / 9  # variance of 0 and 1 by those weights
    np.testing.assert_allclose(covariances(one)[0], np.diag([0.25 + between, 0.16, 0.09]), atol=1e-6)
    np.testing.assert_allclose(one.sh0, [[2 / 3, 0, 1 / 3]], atol=1e-6)
    np.testing.assert_allclose(one.opacities * areas(one), (two.opacities * areas(two)).sum(), rtol=1e-5)


def test_a_split_gaussian_comes_back():
    """Halves of one Gaussian along its longest axis, turned."""
    rotation = Rotation.from_euler("xyz", [0.3, -0.5, 1.1])
    axis = rotation.as_matrix()[:, 0]
    halves = gaussians([axis * 0.6, -axis * 0.6], [[0.8, 0.3, 0.1]] * 2, [0.3, 0.3], [[0.5, 0.2, 0.1]] * 2)
    halves = replace(halves, quats=np.tile(rotation.as_quat()[[3, 0, 1, 2]], (2, 1)).astype(np.float32))
    one, _ = coarser(halves, np.zeros(2, int))
    expected = rotation.as_matrix() @ np.diag([1.0, 0.09, 0.01]) @ rotation.as_matrix().T
    np.testing.assert_allclose(covariances(one)[0], expected, atol=1e-5)
    np.testing.assert_allclose(one.sh0, halves.sh0[:1], atol=1e-6)


def test_half_are_left_and_none_crosses_a_border():
    splats = random_splats(2000, 3)
    regions = (splats.means[:, 0] > np.median(splats.means[:, 0])).astype(np.int64)
    half, parts = coarser(splats, regions)
    assert len(half.means) == 1000
    assert np.isfinite(np.concatenate([values.reshape(1000, -1) for values in vars(half).values()], 1)).all()
    middle = np.median(splats.means[:, 0])
    assert (half.means[parts == 0, 0] <= middle + 1e-6).all()
    assert (half.means[parts == 1, 0] > middle - 1e-6).all()
    assert (half.betas == 2).all()
    taken = nearest_gaussians(splats)
    before, after = ((s.opacities * areas(s)).sum() for s in (taken, half))
    assert after <= before * (1 + 1e-5)  # less only where a merged one would be more than opaque


def test_what_looks_alike_is_merged_first():
    """Neighbors of one color in pairs, each pair of another one, as far apart as the neighbors within a pair."""
    means = np.stack([np.arange(8.0), np.zeros(8), np.zeros(8)], 1)
    colors = np.repeat([[2.0, 0, 0], [0, 2, 0], [0, 0, 2], [2, 2, 2]], 2, axis=0)
    pairs, _ = coarser(gaussians(means, np.full((8, 3), 0.3), np.full(8, 0.5), colors), np.zeros(8, int))
    order = np.argsort(pairs.means[:, 0])
    np.testing.assert_allclose(pairs.means[order, 0], [0.5, 2.5, 4.5, 6.5], atol=1e-5)
    np.testing.assert_allclose(pairs.sh0[order], colors[::2], atol=1e-6)


def test_disks_stay_disks_and_one_splat_stays_one():
    disks = gaussians([[0, 0, 0], [1, 0, 0]], [[1, 1, 0]] * 2, [0.5, 0.5], [[1, 1, 1]] * 2)
    one, _ = coarser(disks, np.zeros(2, int))
    assert one.scales.min() < 1e-6
    assert 0 < one.opacities[0] <= 1
    same, regions = coarser(one, np.array([7]))
    assert len(same.means) == 1
    assert regions.tolist() == [7]
