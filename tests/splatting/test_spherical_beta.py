import math

import pytest
import torch

from splatkit.geometry.spherical_harmonics import sh_basis
from splatkit.splatting.spherical_beta import (
    lobe_axes,
    lobe_colors,
    lobes_as_harmonics,
    rotate_lobes,
    seed_lobes,
)


def random_lobes(n=50, count=2):
    generator = torch.Generator().manual_seed(0)
    lobes = seed_lobes(n, count, generator).double()
    lobes[..., :3] = torch.randn(n, count, 3, generator=generator)
    lobes[..., 5] = 0.5 * torch.randn(n, count, generator=generator)
    return lobes


def random_directions(n=50):
    directions = torch.randn(n, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.nn.functional.normalize(directions, dim=-1)


def test_lobe_is_a_power_of_the_cosine_before_its_axis_and_nothing_behind():
    lobe = torch.tensor([[[1.0, 2.0, 3.0, math.pi / 2, 0.0, math.log(0.5)]]])  # axis x, exponent 2
    for angle in (0.0, 0.7, 1.5):
        direction = torch.tensor([[math.cos(angle), math.sin(angle), 0.0]])
        expected = math.cos(angle) ** 2 * torch.tensor([[1.0, 2.0, 3.0]])
        torch.testing.assert_close(lobe_colors(lobe, direction), expected)
    assert lobe_colors(lobe, torch.tensor([[-1.0, 0, 0]])).abs().max() < 1e-6


def test_new_lobes_are_black_and_learn_their_color_first():
    lobes = seed_lobes(200, 2, torch.Generator().manual_seed(0)).requires_grad_()
    directions = random_directions(200).float()
    colors = lobe_colors(lobes, directions)
    assert colors.abs().max() == 0
    colors.sum().backward()
    assert lobes.grad is not None
    assert torch.isfinite(lobes.grad).all()
    assert lobes.grad[..., :3].abs().max() > 0
    assert lobe_axes(lobes.detach()).mean((0, 1)).norm() < 0.15  # axes point everywhere


def test_gradients_of_lobes_are_right():
    lobes = random_lobes(5).requires_grad_()
    assert torch.autograd.gradcheck(lobe_colors, (lobes, random_directions(5)))


def test_turned_lobes_show_the_same_from_turned_directions():
    lobes, directions = random_lobes(), random_directions()
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64))[0]
    rotation = rotation * rotation.det()
    torch.testing.assert_close(
        lobe_colors(rotate_lobes(lobes, rotation), directions @ rotation.T), lobe_colors(lobes, directions)
    )


@pytest.mark.parametrize(("sharpness", "error"), [(-1.0, 0.06), (0.0, 0.12)])
def test_harmonics_come_near_to_broad_lobes(sharpness, error):
    lobes, directions = random_lobes(), random_directions()
    lobes[..., 5] = sharpness
    harmonics = lobes_as_harmonics(lobes)
    seen = torch.einsum("nk,nkc->nc", sh_basis(directions, 3), harmonics)
    assert (seen - lobe_colors(lobes, directions)).square().mean().sqrt() < error
