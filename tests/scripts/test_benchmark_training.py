"""The arithmetic of the training benchmark; what it measures is measured by running it."""

import math

import pytest

from benchmarks.training import SizedRun, Variant, size_at


def test_size_at_a_quality_is_linear_in_the_logarithm_of_the_bytes():
    runs = [
        SizedRun(Variant("exact", "harmonics"), cap, "sog", size, psnr)
        for cap, size, psnr in ((2, 100, 20.0), (5, 10_000, 24.0))
    ]
    assert size_at(runs, 22.0) == pytest.approx(1000)
    assert size_at(runs[::-1], 20.0) == pytest.approx(100)
    assert math.isnan(size_at(runs, 25.0))
