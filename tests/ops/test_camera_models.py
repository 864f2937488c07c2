"""Projection by every camera model, plain and antialiased, against the float64 definition."""

import math
from typing import Any

import pytest
import torch

from splatkit import ops
from splatkit.reference import projection
from splatkit.reference.antialiasing import filter_splats, relative_mass, relative_variance
from tests.helpers import relative_error
from tests.splat_scenes import SplatScene, cast_scene, make_splat_scene, replace_tensors

MODELS = ["pinhole", "orthographic", "fisheye"]
FIT = 1e-6  # of the native code's polynomials for variance and mass; the definition uses lgamma


def distortions_of(model: str, dtype: torch.dtype = torch.float64) -> torch.Tensor | None:
    return torch.tensor([[0.05, -0.02, 0.003, -0.001]] * 2, dtype=dtype) if model == "fisheye" else None


def run(scene: SplatScene, model: str, antialiased: bool, reference: bool) -> tuple[torch.Tensor, ...]:
    """means2d, conics, depths, extents and, if antialiased, opacities and betas."""
    distortions = distortions_of(model, scene.means.dtype)
    if reference:
        out = projection.project_splats(*scene, model, distortions, antialiased)
        return tuple(out) if antialiased else tuple(out[:4])
    if antialiased:
        return ops.project_splats_antialiased(*scene, model, distortions)
    return ops.project_splats(*scene, model, distortions)


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_projection_and_its_gradients_match_the_definition(model: str, antialiased: bool, dtype: torch.dtype):
    names = ["means", "quats", "scales", "viewmats", "Ks"] + (["opacities", "betas"] if antialiased else [])
    base = make_splat_scene(300, seed=5)
    generator = torch.Generator().manual_seed(1)
    weights = [
        torch.randn(2, 300, *shape, generator=generator, dtype=torch.float64) for shape in ((2,), (3,), (), (), ())
    ]

    def results(reference: bool, dtype: torch.dtype) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
        leaves = {name: getattr(base, name).to(dtype, copy=True).requires_grad_() for name in names}
        out = run(replace_tensors(cast_scene(base, dtype), leaves), model, antialiased, reference)
        differentiable = (*out[:3], *out[4:])
        terms = [(x * w.to(dtype)).sum() for x, w in zip(differentiable, weights, strict=False)]
        torch.stack(terms).sum().backward()
        return out, {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}

    (expected, v_expected), (actual, v_actual) = results(True, torch.float64), results(False, dtype)
    assert ((expected[3] > 0) != (actual[3] > 0)).sum() <= 1
    for a, e in zip(actual, expected, strict=True):
        assert relative_error(a, e) < (1e-5 if dtype == torch.float32 else FIT if antialiased else 1e-12)
    for name in names:
        tolerance = 2e-3 if dtype == torch.float32 else 1e-5 if antialiased else 1e-9
        assert relative_error(v_actual[name], v_expected[name]) < tolerance, name


@pytest.mark.parametrize("model", MODELS)
def test_gradcheck_of_the_antialiased_projection(model: str):
    scene = make_splat_scene(5, seed=2)
    leaves = [x.clone().requires_grad_() for x in scene[:5]]

    def project(*leaves: torch.Tensor) -> tuple[torch.Tensor, ...]:
        arguments: Any = (*leaves, *scene[5:], model, distortions_of(model))
        out = ops.project_splats_antialiased(*arguments)
        return (*out[:3], *out[4:])

    assert torch.autograd.gradcheck(project, tuple(leaves), eps=1e-6, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_fisheye_is_smooth_across_its_axis(dtype: torch.dtype):
    scene = make_splat_scene(8, cameras=1)
    offsets = torch.tensor([0, 1e-9, 1e-5, 1e-4, 1e-3, 1e-2, 0.017, 0.0175], dtype=torch.float64)
    means = torch.stack([offsets, torch.zeros(8, dtype=torch.float64), torch.ones(8, dtype=torch.float64)], -1)
    scene = cast_scene(scene._replace(means=means, opacities=torch.full((8,), 0.9, dtype=torch.float64)), dtype)
    scene.means.requires_grad_()
    out = ops.project_splats(*scene, "fisheye", torch.zeros(1, 4, dtype=dtype))
    (v_means,) = torch.autograd.grad(out[0][..., 0].sum(), scene.means)
    expected = 40 / (1 + offsets**2)  # fx d theta / dx
    torch.testing.assert_close(v_means[:, 0].double(), expected, rtol=1e-3 if dtype == torch.float32 else 1e-7, atol=0)
    torch.testing.assert_close(out[0][0, :, 0].double(), 21 + 40 * torch.atan(offsets), rtol=1e-5, atol=1e-5)


def test_points_outside_the_lens_are_culled():
    scene = make_splat_scene(1, cameras=1)
    scene = scene._replace(means=torch.tensor([[5.0, 0, 1.0]], dtype=torch.float64), width=4000)
    folded = torch.tensor([[-0.4, 0.0, 0, 0]], dtype=torch.float64)  # d stops growing at 52 degrees
    assert ops.project_splats(*scene, "fisheye", folded)[3].max() == 0


def test_the_wrong_camera_is_refused():
    scene = make_splat_scene(3)
    with pytest.raises(ValueError, match="camera_model: expected one of pinhole, orthographic, fisheye, got 'cube'"):
        ops.project_splats(*scene, "cube")
    with pytest.raises(ValueError, match="distortions: expected"):
        ops.project_splats(*scene, "fisheye")
    with pytest.raises(ValueError, match=r"distortions: expected shape \[2, 4\], got \[2, 5\]"):
        ops.project_splats(*scene, "fisheye", torch.zeros(2, 5, dtype=torch.float64))


def test_antialiasing_at_beta_two_is_the_filter_of_mip_splatting():
    scene = make_splat_scene(200)._replace(betas=torch.full((200,), 2.0, dtype=torch.float64))
    plain = ops.project_splats(*scene._replace(eps2d=0.0))
    means2d, conics, _, extents, opacities, betas = ops.project_splats_antialiased(*scene)
    both = (plain[3][..., 0] > 0) & (extents[..., 0] > 0)
    assert both.sum() > 50

    def covariance(conics: torch.Tensor) -> torch.Tensor:
        a, b, c = conics[both].unbind(-1)
        return torch.linalg.inv(torch.stack([torch.stack([a, b], -1), torch.stack([b, c], -1)], -2))

    narrow, wide = covariance(plain[1]), covariance(conics)
    torch.testing.assert_close(wide, narrow + 0.3 * torch.eye(2, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    shrink = torch.sqrt(torch.linalg.det(narrow) / torch.linalg.det(wide))
    torch.testing.assert_close(opacities[both], (scene.opacities.expand(2, -1)[both] * shrink), rtol=1e-6, atol=0)
    assert (betas[both] == 2).all()
    torch.testing.assert_close(means2d[both], plain[0][both])


@pytest.mark.parametrize("beta", [1.0, 1.5, 3.0, 8.0])
def test_the_filter_keeps_variance_and_mass(beta: float):
    betas = torch.tensor([beta], dtype=torch.float64)
    covars = torch.tensor([[[0.8, 0.2], [0.2, 0.5]]], dtype=torch.float64)
    seen, opacities, seen_betas = filter_splats(covars, torch.tensor([0.2], dtype=torch.float64), betas, 0.1)
    variance = relative_variance(betas)[:, None, None] * covars + 0.1 * torch.eye(2, dtype=torch.float64)
    torch.testing.assert_close(relative_variance(seen_betas)[:, None, None] * seen, variance)
    before = 0.2 * relative_mass(betas) * covars.det().sqrt()
    torch.testing.assert_close(opacities * relative_mass(seen_betas) * seen.det().sqrt(), before)
    assert abs(seen_betas.item() - 2) < abs(beta - 2)


@pytest.mark.parametrize("beta", [1.0, 2.0, 4.0, 8.0])
def test_mass_and_variance_are_those_of_the_profile(beta: float):
    r = torch.linspace(0, 60, 600_001, dtype=torch.float64)
    weight = torch.exp(-(r**beta) / 2)
    mass, second = torch.trapezoid(weight * r, r), torch.trapezoid(weight * r**3, r)
    betas = torch.tensor(beta, dtype=torch.float64)
    assert relative_mass(betas).item() == pytest.approx(mass.item(), rel=1e-6)
    assert relative_variance(betas).item() == pytest.approx((second / mass / 2).item(), rel=1e-6)
    assert math.isclose(relative_mass(torch.tensor(2.0, dtype=torch.float64)).item(), 1.0, rel_tol=1e-12)
