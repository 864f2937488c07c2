"""What holds for every kernel and profile in the tables, whatever they are."""

from functools import partial
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from splatkit.ops import native, projection
from splatkit.reference import profiles as reference
from splatkit.reference.profiles.gef_weight import gef_weight
from splatkit.splatting.kernels.generalized_exponential import GeneralizedExponential
from splatkit.splatting.kernels.table import KERNELS, PROFILES, KernelName, ShapeSettings, profile_named, shape_from_raw


def unrounded_weight(profile: str) -> reference.Weight:
    """The weight as closed forms know it: the definition rounds the cusp of the generalized exponential."""
    weight = reference.PROFILES[profile].weight
    return partial(gef_weight, eps=1e-15) if profile == GeneralizedExponential.name else weight


def line() -> tuple[torch.Tensor, torch.Tensor]:
    """Places on the whole line and their lengths: equal steps of the inverse hyperbolic sine, for tails of any kind."""
    t = torch.linspace(-30, 30, 400_001, dtype=torch.float64)
    return torch.sinh(t), torch.cosh(t) * (t[1] - t[0])


BETAS = torch.tensor([1.2, 2.0, 5.0], dtype=torch.float64)  # exponents that every profile has


def test_names_are_the_same_in_every_table():
    assert get_args(KernelName) == tuple(KERNELS)
    assert tuple(projection.PROFILES) == native().PROFILES
    assert list(projection.PROFILES.values()) == list(range(len(native().PROFILES)))
    assert set(native().PROFILES) == set(PROFILES) == set(reference.PROFILES)


def test_other_profiles_are_refused():
    with pytest.raises(ValueError, match=r"kernel: expected one of generalized_exponential, .*, got 'box'"):
        profile_named("box")


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_starts_close_to_the_same_gaussian(kernel):
    settings = ShapeSettings(kernel=kernel)
    raw = settings.trained.raw_gaussian(torch.full((1, 3), 0.7))
    assert ("betas" in raw) == settings.trained.has_betas
    scales, betas = shape_from_raw(raw, settings)
    r = torch.linspace(0, 3, 200)
    weight = reference.PROFILES[settings.trained.profile.name].weight((r / scales[0, 0]) ** 2, betas[0])
    torch.testing.assert_close(weight, torch.exp(-((r / 0.7) ** 2) / 2), atol=0.05, rtol=0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_exponents_that_are_rendered_follow_their_parameters_or_are_constant(kernel):
    settings = ShapeSettings(kernel=kernel)
    raw = {"scales": torch.zeros(2, 3), "betas": torch.tensor([-0.5, 0.5])}
    low, high = shape_from_raw(raw, settings)[1].tolist()
    assert (low < high) if settings.trained.renders_betas else (low == high)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_gaussian_exponent_gives_the_gaussian(profile):
    if profile.gaussian_beta is None:
        return
    q = torch.linspace(0, 9, 50, dtype=torch.float64)
    weight = reference.PROFILES[profile.name].weight(q, torch.tensor(profile.gaussian_beta, dtype=torch.float64))
    torch.testing.assert_close(weight, torch.exp(-q / 2))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_nearest_gaussians_are_nearest_in_the_image(profile):
    """Against a search by the sum over q of the squared difference: q = r^2 is uniform in area."""
    weight = reference.PROFILES[profile.name].weight
    q = torch.linspace(0, 200, 400_001, dtype=torch.float64)
    for beta, scale, opacity in zip(BETAS, *profile.nearest_gaussian(BETAS), strict=True):
        target = weight(q, beta).numpy()
        used = target > 1e-12 * target.max()

        def difference(x: np.ndarray, target: np.ndarray = target) -> float:
            return float(np.square(x[1] * np.exp(-q.numpy() / (2 * x[0] ** 2)) - target).sum())

        start = np.array([np.sqrt(target[used].sum() * float(q[1]) / 2), 1.0])
        found = minimize(difference, start, bounds=[(1e-3, 10), (0.1, 1)], options={"ftol": 1e-14})
        assert float(scale) == pytest.approx(found.x[0], rel=4e-3)
        assert float(opacity) == pytest.approx(found.x[1], rel=4e-3)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_powers_along_a_line_integrate_to_what_the_profile_says(profile):
    x, dx = line()
    powers = torch.tensor([1.0, 2.0, 7.0], dtype=torch.float64)
    weight = unrounded_weight(profile.name)
    for beta, row in zip(BETAS, profile.line_integrals(BETAS, powers), strict=True):
        along = weight(x**2, beta)
        integrals = torch.stack([(along**power * dx).sum() for power in powers])
        torch.testing.assert_close(row, integrals / integrals[0], rtol=1e-6, atol=0)


def test_the_generalized_exponential_is_like_its_tensor():
    scale, opacity = GeneralizedExponential().nearest_gaussian(torch.tensor([1.0, 2.0, 5.5]))
    assert scale.dtype == opacity.dtype == torch.float32
    assert (scale[1], opacity[1]) == (1, 1)
