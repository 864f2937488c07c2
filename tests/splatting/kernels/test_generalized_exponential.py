import pytest
import torch

from splatkit.splatting.kernels.generalized_exponential import beta_from_raw, mass_scale, raw_from_beta
from splatkit.splatting.kernels.table import ShapeSettings, shape_from_raw


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


def raw_shape(n=30):
    generator = torch.Generator().manual_seed(0)
    return {"scales": torch.randn(n, 3, generator=generator), "betas": 3 * torch.randn(n, generator=generator)}


def test_mass_coupling_keeps_the_integral_over_the_image():
    r = torch.linspace(0, 80, 400_001, dtype=torch.float64)
    for beta in (1.0, 1.5, 2.0, 4.0, 8.0):
        scale = mass_scale(torch.tensor(beta, dtype=torch.float64))
        integral = torch.trapezoid(r * torch.exp(-((r / scale) ** beta) / 2), r)
        assert float(integral) == pytest.approx(1.0, rel=1e-5)  # that of the Gaussian


def test_exponents_change_the_scales_of_the_mass_coupling_alone():
    raw = raw_shape()
    pivot, betas = shape_from_raw(raw, ShapeSettings(coupling="pivot"))
    mass, _ = shape_from_raw(raw, ShapeSettings(coupling="mass"))
    torch.testing.assert_close(pivot, raw["scales"].exp())
    torch.testing.assert_close(mass / pivot, mass_scale(betas)[:, None].expand(-1, 3))


def test_published_method_renders_gaussians_of_scaled_size():
    raw = raw_shape()
    scales, betas = shape_from_raw(raw, ShapeSettings(kernel="approximate"))
    assert (betas == 2).all()
    phi = 2 / (1 + torch.exp(-0.1 * raw["betas"]))
    torch.testing.assert_close(scales, raw["scales"].exp() * phi[:, None])


def test_control_has_no_exponents():
    raw = ShapeSettings(kernel="gaussian").trained.raw_gaussian(torch.full((3, 3), 0.5))
    assert set(raw) == {"scales"}
    scales, betas = shape_from_raw(raw, ShapeSettings(kernel="gaussian"))
    assert (betas == 2).all()
    torch.testing.assert_close(scales, torch.full((3, 3), 0.5))
