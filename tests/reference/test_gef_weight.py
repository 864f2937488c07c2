"""The kernel against closed forms."""

import math

import pytest
import torch

from splatkit.reference.profiles.gef_weight import gef_support, gef_weight

Q = torch.linspace(0, 12, 200, dtype=torch.float64)


@pytest.mark.parametrize("eps", [1e-8, 1e-4, 1e-2])
def test_beta_two_is_the_gaussian_whatever_eps(eps):
    torch.testing.assert_close(
        gef_weight(Q, torch.tensor(2.0, dtype=torch.float64), eps), torch.exp(-Q / 2), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0, 8.0])
def test_weight_is_one_at_the_center_and_pivots_at_one_standard_deviation(beta):
    weight = gef_weight(torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor(beta), 1e-12)
    assert weight[0] == pytest.approx(1.0, abs=1e-12)
    assert weight[1] == pytest.approx(math.exp(-0.5), abs=1e-5)  # eps^(1/2) = 1e-6 remains at beta = 1


@pytest.mark.parametrize("beta", [1.0, 1.7, 2.0, 5.0])
@pytest.mark.parametrize("opacity", [0.01, 0.3, 1.0])
def test_support_ends_where_alpha_reaches_its_minimum(beta, opacity):
    beta_t, opacity_t = torch.tensor(beta, dtype=torch.float64), torch.tensor(opacity, dtype=torch.float64)
    q_max = gef_support(opacity_t, beta_t, 1e-4, 1 / 255)
    assert opacity * gef_weight(q_max, beta_t, 1e-4).item() == pytest.approx(1 / 255, rel=1e-9)


def test_a_splat_fainter_than_the_minimum_has_no_support():
    assert gef_support(torch.tensor([0.0, 1 / 256]), torch.tensor(2.0), 1e-4, 1 / 255).tolist() == [0, 0]
