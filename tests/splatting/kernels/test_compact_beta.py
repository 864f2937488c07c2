"""Gaussians that stand for splats of the compact kernel are the nearest ones, derived here again."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from splatkit.splatting.kernels.compact_beta import GAUSSIAN_TABLE, CompactBeta


def squared_difference(scale: float, opacity: float, beta: float) -> float:
    """Integral over q = r^2 of (opacity exp(-q / (2 scale^2)) - (1 - q)^beta)^2, the last being 0 beyond 1."""
    shared, _ = quad(lambda q: np.exp(-q / (2 * scale**2)) * (1 - q) ** beta, 0, 1, epsabs=1e-13, epsrel=1e-12)
    return opacity**2 * scale**2 - 2 * opacity * shared + 1 / (2 * beta + 1)


@pytest.mark.parametrize("beta", [*GAUSSIAN_TABLE[::3, 0].tolist(), 0.3, 3.3, 50.0])
def test_factors_of_the_compact_kernel_are_the_minimum(beta):
    (scale,), (opacity,) = (x.tolist() for x in CompactBeta().nearest_gaussian(torch.tensor([beta]).double()))
    found = minimize_scalar(
        lambda s: squared_difference(s, 1.0, beta), bounds=(0.5 * scale, 2 * scale), method="bounded"
    )
    assert opacity == 1
    assert scale == pytest.approx(found.x, rel=1e-4 if beta in GAUSSIAN_TABLE[:, 0] else 1e-3)
    assert squared_difference(scale, 0.98, beta) > squared_difference(scale, 1.0, beta)  # more would be better still


def test_beyond_the_table_the_compact_kernel_keeps_its_integral():
    scale, _ = CompactBeta().nearest_gaussian(torch.tensor([1e-3, 1e5]).double())
    np.testing.assert_allclose(scale, 1 / np.sqrt(2 * np.array([1e-3, 1e5]) + 2), rtol=0.03)
