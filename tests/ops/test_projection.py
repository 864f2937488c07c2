"""Projection and colors: the native code against the float64 definition, and gradcheck of the real C++ code."""

from typing import Any

import pytest
import torch

from splatkit import ops
from tests.helpers import relative_error
from tests.splat_scenes import (
    Backend,
    ReferenceBackend,
    cast_scene,
    make_splat_scene,
    one_splat,
    replace_tensors,
    skip_unless_in,
)


def test_center_and_covariance_of_a_round_splat_on_the_axis(backend: Backend):
    scene = one_splat((32.0, 24.0), 3.0, 0.5, 2.0, torch.float64)
    means2d, conics, depths, extents = backend.project(scene)
    torch.testing.assert_close(means2d[0, 0], torch.tensor([32.0, 24.0], dtype=torch.float64))
    torch.testing.assert_close(conics[0, 0], torch.tensor([1 / 9, 0, 1 / 9], dtype=torch.float64), atol=1e-6, rtol=1e-5)
    assert depths[0, 0] == 4
    reach = 3 * torch.log(torch.tensor(0.5 * 255, dtype=torch.float64)).mul(2).sqrt()
    torch.testing.assert_close(extents[0, 0], reach.expand(2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_projection_agrees_with_the_definition(backend: Backend, dtype: torch.dtype):
    skip_unless_in(backend, dtype)
    scene = make_splat_scene(500)
    expected, actual = ReferenceBackend().project(scene), backend.project(cast_scene(scene, dtype))
    same = (expected[3] > 0) == (actual[3] > 0)
    assert (~same).sum() <= 1  # a splat may leave the image by one rounding
    for name, a, e in zip(("means2d", "conics", "depths", "extents"), actual, expected, strict=True):
        assert relative_error(a, e) < (1e-13 if dtype == torch.float64 else 1e-5), name


def test_splats_behind_or_beyond_are_culled(backend: Backend):
    scene = one_splat((32.0, 24.0), 3.0, 0.5, 2.0, torch.float64)
    for depth in (-4.0, 0.0, 0.05, 200.0):
        means = torch.tensor([[0.0, 0.0, depth]], dtype=torch.float64)
        assert backend.project(scene._replace(means=means))[3].abs().max() == 0


@pytest.mark.parametrize("name", ["means", "quats", "scales", "viewmats", "Ks"])
def test_gradcheck_of_the_native_projection(name: str):
    scene = make_splat_scene(6, seed=2)
    extents = ops.project_splats(*scene)[3]
    assert (extents > 0).any()

    def project(leaf: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return ops.project_splats(*replace_tensors(scene, {name: leaf}))[:3]

    leaf = getattr(scene, name).clone().requires_grad_()
    if name in ("viewmats", "Ks"):  # only entries that a camera has may vary
        mask = torch.zeros_like(leaf)
        if name == "viewmats":
            mask[:, :3] = 1
        else:
            mask[:, [0, 1, 0, 1], [0, 1, 2, 2]] = 1
        fixed = leaf.detach().clone()
        # The frozen border is a constant of the gradient, so keep away from it.
        narrow = scene._replace(means=scene.means * torch.tensor([0.2, 0.2, 0.3]) + torch.tensor([0.0, 0.0, 1.5]))

        def project_camera(leaf: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return ops.project_splats(*replace_tensors(narrow, {name: leaf * mask + fixed * (1 - mask)}))[:3]

        assert torch.autograd.gradcheck(project_camera, (leaf,), eps=1e-6, atol=1e-4, rtol=1e-4)
        return
    assert torch.autograd.gradcheck(project, (leaf,), eps=1e-6, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_colors_and_their_gradients_match_the_definition(backend: Backend, degree: int):
    scene = make_splat_scene(80)
    generator = torch.Generator().manual_seed(degree)
    coefficients = torch.randn(80, 16, 3, dtype=torch.float64, generator=generator)
    weights = torch.randn(2, 80, 3, dtype=torch.float64, generator=generator)
    extents = ReferenceBackend().project(scene)[3]

    def run(implementation: Backend) -> list[torch.Tensor]:
        leaves = [x.detach().clone().requires_grad_() for x in (scene.means, scene.viewmats, coefficients)]
        use = scene._replace(means=leaves[0], viewmats=leaves[1])
        colors = implementation.sh_colors(use, leaves[2], extents, degree)
        (colors * weights).sum().backward()
        return [colors, *(torch.zeros_like(x) if x.grad is None else x.grad for x in leaves)]

    tolerance = 1e-10 if backend.real == torch.float64 else 2e-5
    for actual, expected in zip(run(backend), run(ReferenceBackend()), strict=True):
        torch.testing.assert_close(actual, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("bases", [4, 16])
def test_coefficients_apart_have_the_bits_of_those_together(backend: Backend, degree: int, bases: int):
    if bases < (degree + 1) ** 2:
        return
    scene = make_splat_scene(80)
    real = torch.float32 if backend.real == torch.float32 else torch.float64
    means, viewmats = (x.to(backend.device, real) for x in (scene.means, scene.viewmats))
    generator = torch.Generator().manual_seed(degree)
    coefficients = torch.randn(80, bases, 3, dtype=torch.float64, generator=generator).to(means)
    weights = torch.randn(2, 80, 3, dtype=torch.float64, generator=generator).to(means)
    extents = (torch.arange(160).reshape(2, 80, 1) % 3 > 0).expand(2, 80, 2).to(means).contiguous()

    def run(parts: list[torch.Tensor], cameras: bool) -> list[torch.Tensor]:
        leaves = [x.clone().requires_grad_() for x in (means, *parts)]
        moved = viewmats.clone().requires_grad_(cameras)
        colors = ops.sh_colors(leaves[0], moved, leaves[1], extents, degree, leaves[2] if len(parts) > 1 else None)
        return [colors, *torch.autograd.grad(colors, leaves, weights)]

    together = run([coefficients], cameras=True)
    apart = run([coefficients[:, 0], coefficients[:, 1:]], cameras=False)
    apart[2:] = [torch.cat([apart[2][:, None], apart[3]], 1)]
    for one, other in zip(apart, together, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("antialiased", [False, True])
def test_splats_have_the_same_gradients_where_those_of_cameras_are_not_wanted(backend: Backend, antialiased: bool):
    real = torch.float32 if backend.real == torch.float32 else torch.float64
    scene = make_splat_scene(80)
    tensors = [x.to(backend.device, real) for x in scene[:7]]
    op: Any = ops.project_splats_antialiased if antialiased else ops.project_splats

    def run(cameras: bool) -> list[torch.Tensor]:
        leaves = [x.clone().requires_grad_(cameras or i < 5) for i, x in enumerate(tensors)]
        projected = op(*leaves, *scene[7:])
        wanted = leaves[: 5 if antialiased else 3]
        return list(
            torch.autograd.grad([projected[i] for i in (0, 1, 2)], wanted, [torch.ones_like(x) for x in projected[:3]])
        )

    for alone, beside in zip(run(cameras=False), run(cameras=True), strict=True):
        torch.testing.assert_close(
            alone, beside, rtol=1e-5 if real == torch.float32 else 1e-12, atol=1e-6 if real == torch.float32 else 1e-12
        )


def test_too_few_coefficients_are_refused():
    scene = make_splat_scene(5, dtype=torch.float32)
    extents = torch.ones(2, 5, 2)
    with pytest.raises(ValueError, match=r"fewer than \(degree \+ 1\)\^2 bases"):
        ops.sh_colors(scene.means, scene.viewmats, torch.zeros(5, 4, 3), extents, 2)
