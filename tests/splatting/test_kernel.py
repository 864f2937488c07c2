import pytest
import torch

from splatkit.splatting.kernel import beta_from_raw, raw_from_beta


def test_raw_zero_is_the_gaussian():
    assert beta_from_raw(torch.zeros((), dtype=torch.float64)) == pytest.approx(2.0, abs=1e-12)


def test_raw_and_value_are_inverse_inside_the_range():
    betas = torch.linspace(1.01, 7.99, 50, dtype=torch.float64)
    torch.testing.assert_close(beta_from_raw(raw_from_beta(betas)), betas)


def test_ends_of_the_range_stay_finite():
    assert torch.isfinite(raw_from_beta(torch.tensor([1.0, 8.0]))).all()


def test_every_raw_number_gives_an_exponent_in_range():
    betas = beta_from_raw(torch.tensor([-1e4, -5.0, 5.0, 1e4]))
    assert betas.min() >= 1
    assert betas.max() <= 8
