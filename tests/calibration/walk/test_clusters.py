"""What residuals that err together weigh, and what their estimate is worth."""

import numpy as np

from splatkit.calibration.walk.clusters import (
    Rows,
    by_time,
    design_effect,
    enlarged,
    in_space,
    independent_stretches,
    inverse,
    jackknife,
)


def rows_of_means(groups, size, within, rng):
    """Residuals of one unknown mean: of each group one error, of deviation 1, and of each residual one of `within`."""
    errors = np.repeat(rng.normal(size=groups), size) + within * rng.normal(size=groups * size)
    sigma = np.sqrt(1 + within**2)
    return Rows(np.ones((groups * size, 1)) / sigma, errors / sigma, np.repeat(np.arange(groups), size))


def test_independent_residuals_count_each():
    rng = np.random.default_rng(0)
    rows = Rows(np.ones((4000, 1)), rng.normal(size=4000), np.repeat(np.arange(200), 20))
    assert 1.0 <= design_effect(rows) < 1.35  # 200 clusters: it scatters by 0.1


def test_residuals_that_err_alike_count_as_one():
    rows = rows_of_means(200, 20, 0.01, np.random.default_rng(1))
    assert 16 < design_effect(rows) < 25


def test_leaving_clusters_out_finds_the_scatter_of_the_mean():
    found = []
    for seed in range(40):
        rows = rows_of_means(10, 20, 0.5, np.random.default_rng(seed))
        H = rows.normal()[0]
        centered = Rows(rows.J, rows.r - rows.J[:, 0] * (rows.J[:, 0] @ rows.r) / H[0, 0], rows.cluster)
        found.append(jackknife((centered,), H)[0, 0])
    expected = 1.0 / 10 + 0.25 / 200
    few = 9 / 7  # for ten clusters tell their own scatter badly
    assert 0.85 < np.mean(found) / (few * expected) < 1.25


def test_too_few_clusters_tell_nothing():
    rows = rows_of_means(3, 20, 0.5, np.random.default_rng(0))
    assert design_effect(rows) == 1.0
    assert jackknife((rows,), rows.normal()[0])[0, 0] == 0.0


def test_a_covariance_is_enlarged_only_where_the_other_is_larger():
    np.testing.assert_allclose(enlarged(np.diag([1.0, 4.0]), np.diag([9.0, 0.5])), np.diag([9.0, 4.0]))
    tilted = np.array([[2.0, 0.5], [0.5, 1.0]])
    np.testing.assert_allclose(enlarged(tilted, 0.5 * tilted), tilted)
    np.testing.assert_allclose(enlarged(tilted, 3.0 * tilted), 3.0 * tilted)


def test_what_nothing_is_known_of_gets_a_large_variance():
    found = inverse(np.diag([4.0, 0.0]))
    assert found[0, 0] == 0.25
    assert found[1, 1] > 1e20


def test_errors_that_last_make_stretches_few():
    rng = np.random.default_rng(0)
    white = rng.normal(size=(200, 6))
    slow = np.repeat(rng.normal(size=(8, 6)), 25, axis=0)
    assert independent_stretches([white]) == 12
    assert 4 <= independent_stretches([slow]) <= 8
    assert independent_stretches([white, slow]) == independent_stretches([slow])
    assert independent_stretches([]) == 4


def test_stretches_are_equally_long_and_cubes_cover_space():
    np.testing.assert_array_equal(np.unique(by_time(np.linspace(5, 9, 100), 8)), np.arange(8))
    places = np.random.default_rng(0).uniform(0, 1, (500, 3)) * [10, 10, 1]
    assert len(np.unique(in_space(places))) in (4, 6, 8, 9)
    assert len(in_space(np.zeros((0, 3)))) == 0
