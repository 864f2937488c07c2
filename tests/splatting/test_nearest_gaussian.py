"""Gaussians that stand for splats of other kernels are the nearest ones, derived here again."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from splatkit.io.splats import bake_factors
from splatkit.splatting.nearest_gaussian import COMPACT_TABLE, nearest_gaussian


def squared_difference(scale: float, opacity: float, beta: float) -> float:
    """Integral over q = r^2 of (opacity exp(-q / (2 scale^2)) - (1 - q)^beta)^2, the last being 0 beyond 1."""
    shared, _ = quad(lambda q: np.exp(-q / (2 * scale**2)) * (1 - q) ** beta, 0, 1, epsabs=1e-13, epsrel=1e-12)
    return opacity**2 * scale**2 - 2 * opacity * shared + 1 / (2 * beta + 1)


@pytest.mark.parametrize("beta", [*COMPACT_TABLE[::3, 0].tolist(), 0.3, 3.3, 50.0])
def test_factors_of_the_compact_kernel_are_the_minimum(beta):
    (scale,), (opacity,) = (x.tolist() for x in nearest_gaussian("compact_beta", torch.tensor([beta]).double()))
    found = minimize_scalar(
        lambda s: squared_difference(s, 1.0, beta), bounds=(0.5 * scale, 2 * scale), method="bounded"
    )
    assert opacity == 1
    assert scale == pytest.approx(found.x, rel=1e-4 if beta in COMPACT_TABLE[:, 0] else 1e-3)
    assert squared_difference(scale, 0.98, beta) > squared_difference(scale, 1.0, beta)  # more would be better still


def test_beyond_the_table_the_compact_kernel_keeps_its_integral():
    scale, _ = nearest_gaussian("compact_beta", torch.tensor([1e-3, 1e5]).double())
    np.testing.assert_allclose(scale, 1 / np.sqrt(2 * np.array([1e-3, 1e5]) + 2), rtol=0.03)


def test_the_generalized_exponential_has_the_factors_of_its_files():
    betas = torch.tensor([1.0, 2.0, 5.5])
    scale, opacity = nearest_gaussian("generalized_exponential", betas)
    expected = bake_factors(betas.numpy())
    np.testing.assert_allclose(scale, expected[0], rtol=1e-6)
    np.testing.assert_allclose(opacity, expected[1], rtol=1e-6)
    assert scale.dtype == torch.float32


def test_other_kernels_are_refused():
    with pytest.raises(ValueError, match="got 'box'"):
        nearest_gaussian("box", torch.ones(1))
