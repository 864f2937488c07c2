"""What `render_splats` offers beyond colors: anti-aliasing, other kernels, median depth and normals."""

from typing import Any

import pytest
import torch

from splatkit import ops
from splatkit.reference import projection
from splatkit.reference import rasterization as reference
from splatkit.splatting.kernels.generalized_exponential import approximate_scales
from splatkit.splatting.kernels.table import PROFILES
from splatkit.splatting.rendering import camera_facing_normals, render_splats
from tests.helpers import relative_error
from tests.splat_scenes import SplatScene, make_splat_scene, one_splat


def render(scene: SplatScene, colors: torch.Tensor | tuple[torch.Tensor, torch.Tensor], **options: Any):
    limits: dict[str, Any] = {"near": scene.near, "far": scene.far, "eps2d": scene.eps2d}
    return render_splats(
        *scene[:5],
        colors,
        scene.viewmats,
        scene.Ks,
        scene.width,
        scene.height,
        **{**limits, **options},
    )


@pytest.mark.parametrize("beta", [1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("sigma_px", [0.3, 0.6, 1.2])
def test_an_antialiased_splat_is_what_supersampling_shows(beta: float, sigma_px: float):
    factor = 8
    scene = one_splat((32.3, 24.4), sigma_px, 0.3, beta, torch.float64)
    color = torch.ones(1, 1, dtype=torch.float64)
    fine = scene._replace(
        Ks=scene.Ks * torch.tensor([[factor], [factor], [1]]), width=scene.width * factor, height=scene.height * factor
    )
    truth = render(fine, color, eps2d=0.0).alphas[0, ..., 0]
    truth = truth.reshape(scene.height, factor, scene.width, factor).mean((1, 3))
    # A pixel is a box of variance 1/12.
    smooth = render(scene, color, rasterize_mode="antialiased", eps2d=1 / 12).alphas[0, ..., 0]
    plain = render(scene, color, eps2d=1 / 12).alphas[0, ..., 0]
    error = relative_error(smooth, truth)
    # What is below 1/255 is cut off, and neither a box nor beta = 8 is a Gaussian. Errors of classic: up to 2.3.
    assert error < (0.18 if beta > 2 else 0.08)
    assert error < relative_error(plain, truth)
    assert smooth.sum() == pytest.approx(truth.sum().item(), rel=0.18 if beta > 2 else 0.08)


def test_unknown_choices_are_refused():
    scene = make_splat_scene(3)
    colors = torch.zeros(3, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match="rasterize_mode: expected classic or antialiased, got 'sharp'"):
        render(scene, colors, rasterize_mode="sharp")
    with pytest.raises(ValueError, match=r"kernel: expected one of generalized_exponential, .*, got 'box'"):
        render(scene, colors, kernel="box")
    with pytest.raises(ValueError, match="outputs: expected names out of median_depths, normals, got 'shadow'"):
        render(scene, colors, outputs=["shadow"])
    with pytest.raises(ValueError, match="colors: expected features"):
        render(scene, (colors, colors[:, None]))
    with pytest.raises(ValueError, match="the kernel compact_beta has no antialiased projection"):
        render(scene, colors, kernel="compact_beta", rasterize_mode="antialiased")


def test_coefficients_may_be_kept_apart():
    scene = make_splat_scene(40)
    coefficients = torch.randn(40, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = render(scene, coefficients, sh_degree=2).colors
    assert together.any()
    assert torch.equal(render(scene, (coefficients[:, 0], coefficients[:, 1:]), sh_degree=2).colors, together)


def test_antialiased_views_of_a_batch_are_those_rendered_alone():
    scene = make_splat_scene(100)
    colors = torch.rand(100, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    both = render(scene, colors, rasterize_mode="antialiased", outputs=["median_depths", "normals"])
    for c in range(2):
        alone = scene._replace(viewmats=scene.viewmats[c : c + 1], Ks=scene.Ks[c : c + 1])
        one = render(alone, colors, rasterize_mode="antialiased", outputs=["median_depths", "normals"])
        for field in ("colors", "depths", "median_depths", "normals"):
            torch.testing.assert_close(getattr(one, field)[0], getattr(both, field)[c])


@pytest.mark.parametrize("kernel", PROFILES)
def test_every_profile_and_its_gradients_match_the_definition(kernel):
    scene = make_splat_scene(150, cameras=1)
    colors = torch.rand(1, 150, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(1, scene.height, scene.width, 2, dtype=torch.float64)
    leaves = [x.detach().clone().requires_grad_() for x in (scene.means, scene.opacities, scene.betas)]
    use = scene._replace(means=leaves[0], opacities=leaves[1], betas=leaves[2])
    projected = projection.project_splats(*use, kernel=kernel)[:4]
    expected, _ = reference.rasterize_splats(
        *projected, colors, use.opacities, use.betas, use.width, use.height, kernel=kernel
    )
    v_expected = torch.autograd.grad((expected * weights).sum(), leaves)
    projected = ops.project_splats(*use, kernel=kernel)
    lists = ops.intersect_tiles(*projected, use.width, use.height)
    actual, _ = ops.rasterize_splats(
        *projected, colors, use.opacities, use.betas, lists, use.width, use.height, kernel=kernel
    )
    torch.testing.assert_close(actual, expected, atol=1e-9, rtol=1e-9)
    for a, e in zip(torch.autograd.grad((actual * weights).sum(), leaves), v_expected, strict=True):
        assert relative_error(a, e) < 1e-8


def test_the_published_approximation_scales_gaussians():
    scales, betas = torch.ones(3, 3), torch.tensor([1.0, 2.0, 8.0])
    scaled = approximate_scales(scales, betas)
    assert scaled[1].tolist() == [1, 1, 1]
    torch.testing.assert_close(scaled[:, 0], 2 / (1 + torch.exp(-(0.1 * betas - 0.2))))


def test_median_depth_is_that_of_the_splat_that_takes_the_second_half_of_the_light():
    scene = one_splat((32.5, 24.5), 6.0, 0.4, 2.0, torch.float64)
    depths = [4.0, 5.0, 6.0]
    scene = scene._replace(
        means=torch.tensor([[0.0, 0.0, z] for z in depths], dtype=torch.float64),
        quats=scene.quats.repeat(3, 1),
        scales=scene.scales.repeat(3, 1) * torch.tensor([[1.0], [1.25], [1.5]], dtype=torch.float64),
        opacities=scene.opacities.repeat(3),
        betas=scene.betas.repeat(3),
    )
    rendering = render(scene, torch.ones(3, 1, dtype=torch.float64), outputs=["median_depths"])
    assert rendering.median_depths[0, 24, 32, 0] == 5.0  # 0.6, then 0.36
    assert rendering.median_depths[0, 0, 0, 0] == 0.0
    assert rendering.normals is None


def test_normals_are_shortest_axes_turned_to_the_camera():
    scene = one_splat((32.5, 24.5), 6.0, 0.9, 2.0, torch.float64)
    thin = scene._replace(scales=scene.scales * torch.tensor([1, 1, 0.1]))
    normals = camera_facing_normals(thin.means, thin.quats, thin.scales, thin.viewmats)
    assert normals[0, 0].tolist() == [0, 0, -1]
    rendering = render(thin, torch.ones(1, 3, dtype=torch.float64), outputs=["normals"])
    torch.testing.assert_close(rendering.normals[0, 24, 32], torch.tensor([0, 0, -0.9], dtype=torch.float64))
    assert rendering.colors.shape[-1] == 3
    quats = thin.quats.clone().requires_grad_()
    tilted = render(thin._replace(quats=quats), torch.ones(1, 3, dtype=torch.float64), outputs=["normals"])
    tilted.normals[..., 0].sum().backward()
    assert quats.grad is not None
    assert quats.grad.abs().max() > 0


@pytest.mark.parametrize("model", ["orthographic", "fisheye"])
def test_every_camera_renders(model: str):
    scene = make_splat_scene(200)
    distortions = torch.zeros(2, 4, dtype=torch.float64) if model == "fisheye" else None
    rendering = render(scene, torch.ones(200, 3, dtype=torch.float64), camera_model=model, distortions=distortions)
    assert rendering.alphas.max() > 0.5
    torch.testing.assert_close(rendering.colors[..., :1], rendering.alphas)


@pytest.mark.parametrize("mode", ["classic", "antialiased"])
def test_median_depth_is_one_splats_depth_and_passes_its_gradient_to_that_splat(mode: str):
    scene = make_splat_scene(40)
    scene = scene._replace(scales=2 * scene.scales, opacities=scene.opacities.clamp_min(0.9))
    colors = torch.zeros(40, 1, dtype=torch.float64)
    means, viewmats = scene.means.clone().requires_grad_(), scene.viewmats.clone().requires_grad_()

    def medians(means: torch.Tensor, viewmats: torch.Tensor) -> torch.Tensor:
        moved = scene._replace(means=means, viewmats=viewmats)
        out = render(moved, colors, rasterize_mode=mode, outputs=["median_depths"]).median_depths
        assert out is not None
        return out[:, ::4, ::4]

    with torch.no_grad():
        plain = medians(means, viewmats)
    assert (plain > 0).float().mean() > 0.2
    assert torch.equal(plain, medians(means, viewmats))
    assert torch.autograd.gradcheck(medians, (means, viewmats))


def test_autocast_changes_no_image_and_no_gradient():
    scene = make_splat_scene(200, dtype=torch.float32)
    coefficients = torch.rand(200, 16, 3, generator=torch.Generator().manual_seed(0))
    results = []
    for enabled in (False, True):
        viewmats = scene.viewmats.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            moved = scene._replace(viewmats=viewmats)
            image = render(moved, coefficients, sh_degree=3, outputs=["normals"])
            assert torch.is_autocast_enabled("cpu") == enabled
        assert image.normals is not None
        (image.colors.sum() + image.normals.sum()).backward()
        results.append([image.colors, image.depths, image.normals, viewmats.grad])
    for plain, cast in zip(*results, strict=True):
        assert torch.equal(plain, cast)
