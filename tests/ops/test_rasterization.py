"""Compositing: promises that hold on every backend, and the native kernels against the float64 definition."""

import math

import pytest
import torch

from splatkit import ops
from tests.helpers import relative_error
from tests.splat_scenes import (
    Backend,
    ReferenceBackend,
    cast_scene,
    detached,
    first_splats,
    make_splat_scene,
    one_splat,
    skip_unless_in,
)

FLOAT_TOLERANCE = 1e-5  # of the image: sums of up to some hundred float32 terms of size <= 1


def pixel_distances(scene, center):
    xs, ys = torch.arange(scene.width) + 0.5 - center[0], torch.arange(scene.height) + 0.5 - center[1]
    return (xs[None] ** 2 + ys[:, None] ** 2).double()


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 4.0, 8.0])
def test_one_splat_shows_the_generalized_exponential(backend: Backend, beta: float):
    center, sigma, opacity = (30.3, 22.8), 5.0, 0.9
    scene = one_splat(center, sigma, opacity, beta, torch.float32)
    projected = backend.project(scene)
    _, alphas = backend.composite(scene, projected, torch.ones(1, 1, 1))
    q = pixel_distances(scene, center) / sigma**2
    expected = opacity * torch.exp(-((q + 1e-4) ** (beta / 2) - 1e-4 ** (beta / 2)) / 2)
    inside = expected > 1.01 / 255  # off the cut-off, where float32 may fall on either side
    torch.testing.assert_close(alphas[0].double()[inside], expected[inside], atol=1e-5, rtol=1e-5)
    assert alphas[0][expected < 0.99 / 255].abs().sum() == 0


def test_beta_two_matches_a_plain_gaussian_compositor(backend: Backend):
    scene = make_splat_scene(60, cameras=1)._replace(betas=torch.full((60,), 2.0, dtype=torch.float64))
    colors = torch.rand(1, 60, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    means2d, conics, depths, extents = backend.project(scene)
    features, _ = backend.composite(scene, (means2d, conics, depths, extents), colors)
    expected = torch.zeros(scene.height, scene.width, 3, dtype=torch.float64)
    for row in range(scene.height):  # 3D Gaussian Splatting as its paper states it, pixel by pixel
        for column in range(scene.width):
            transmittance = 1.0
            for n in torch.argsort(depths[0], stable=True).tolist():
                if extents[0, n, 0] == 0:
                    continue
                dx, dy = column + 0.5 - means2d[0, n, 0].item(), row + 0.5 - means2d[0, n, 1].item()
                a, b, c = conics[0, n].tolist()
                alpha = min(
                    0.99, scene.opacities[n].item() * math.exp(-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy)
                )
                if alpha < 1 / 255:
                    continue
                if transmittance * (1 - alpha) <= 1e-4:
                    break
                expected[row, column] += transmittance * alpha * colors[0, n]
                transmittance *= 1 - alpha
    tolerance = 1e-9 if backend.real == torch.float64 else FLOAT_TOLERANCE
    torch.testing.assert_close(features[0], expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_float32_image_agrees_with_the_float64_definition(backend: Backend, channels: int):
    scene = make_splat_scene(300, seed=channels)
    colors = torch.rand(2, 300, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    oracle = ReferenceBackend()
    expected, expected_alphas = oracle.composite(scene, oracle.project(scene), colors)
    single = cast_scene(scene, torch.float32)
    features, alphas = backend.composite(single, backend.project(single), colors.float())
    band = 1e-3  # a pixel where float32 puts one splat on the other side of alpha = 1/255 differs by up to 1/255
    difference = (features.double() - expected).abs().amax(-1)
    assert (difference > FLOAT_TOLERANCE).double().mean() < band
    assert difference.max() < 1.5 / 255
    assert ((alphas.double() - expected_alphas).abs() > FLOAT_TOLERANCE).double().mean() < band


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_match_the_definition(backend: Backend, dtype: torch.dtype):
    skip_unless_in(backend, dtype)
    names = ["means", "quats", "scales", "opacities", "betas", "viewmats", "Ks"]
    generator = torch.Generator().manual_seed(4)
    base = make_splat_scene(250)
    colors = torch.rand(2, 250, 4, dtype=torch.float64, generator=generator)
    v_features = torch.randn(2, base.height, base.width, 4, dtype=torch.float64, generator=generator)
    v_alphas = torch.randn(2, base.height, base.width, dtype=torch.float64, generator=generator)

    def gradients(implementation: Backend, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        leaves = {name: getattr(base, name).to(dtype, copy=True).requires_grad_() for name in names}
        leaf_colors = colors.detach().to(dtype, copy=True).requires_grad_()
        scene = cast_scene(base, dtype)._replace(**leaves)
        features, alphas = implementation.composite(scene, implementation.project(scene), leaf_colors)
        ((features * v_features.to(dtype)).sum() + (alphas * v_alphas.to(dtype)).sum()).backward()
        return {"colors": leaf_colors.grad, **{name: leaf.grad for name, leaf in leaves.items()}}

    expected, actual = gradients(ReferenceBackend(), torch.float64), gradients(backend, dtype)
    tolerance = 1e-10 if dtype == torch.float64 else 2e-4
    for name, value in expected.items():
        assert relative_error(actual[name], value) < tolerance, name


@pytest.mark.parametrize("name", ["means2d", "conics", "colors", "opacities", "betas"])
def test_gradcheck_of_the_native_compositor(name: str):
    scene = make_splat_scene(12, seed=3, cameras=1)._replace(width=20, height=18)
    scene = scene._replace(Ks=scene.Ks * torch.tensor([[0.5], [0.5], [1.0]], dtype=torch.float64))
    # Away from the clamps of alpha, where the image is not differentiable.
    scene = scene._replace(opacities=scene.opacities * 0.9)
    means2d, conics, depths, extents = ops.project_splats(*scene)
    colors = torch.rand(1, 12, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inputs = {
        "means2d": means2d,
        "conics": conics,
        "colors": colors,
        "opacities": scene.opacities,
        "betas": scene.betas,
    }
    lists = ops.intersect_tiles(means2d, conics, depths, extents, 20, 18)

    def render(leaf: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        use = {**inputs, name: leaf}
        return ops.rasterize_splats(
            use["means2d"], use["conics"], depths, extents, use["colors"], use["opacities"], use["betas"], lists, 20, 18
        )

    leaf = inputs[name].detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(render, (leaf,), eps=1e-7, atol=1e-5, rtol=1e-4)


def test_absgrad_is_the_sum_of_absolute_pixel_gradients():
    K = torch.tensor([[15.0, 0, 8.5], [0, 15.0, 8.0], [0, 0, 1]], dtype=torch.float64)
    scene = make_splat_scene(6, seed=1, cameras=1)
    scene = scene._replace(width=17, height=16, Ks=K[None], scales=4 * scene.scales)
    projected = detached(ops.project_splats(*scene))
    assert (projected[3][..., 0] > 0).sum() >= 3
    colors = torch.rand(1, 6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lists = ops.intersect_tiles(*projected, 17, 16)
    weights = torch.randn(1, 16, 17, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def image(means2d: torch.Tensor, probe: torch.Tensor | None) -> torch.Tensor:
        return ops.rasterize_splats(
            means2d, conics, depths, extents, colors, scene.opacities, scene.betas, lists, 17, 16, probe
        )[0]

    probe = torch.zeros_like(projected[0], requires_grad=True)
    means2d, conics, depths, extents = projected
    means2d.requires_grad_()
    (image(means2d, probe) * weights).sum().backward()
    expected = torch.zeros_like(means2d)
    for row in range(16):
        for column in range(17):
            one = image(means2d, None)[0, row, column]
            expected += torch.autograd.grad((one * weights[0, row, column]).sum(), means2d)[0].abs()
    torch.testing.assert_close(probe.grad, expected)


def test_a_near_splat_hides_a_far_one_whatever_their_order(backend: Backend):
    scene = one_splat((32.5, 24.5), 6.0, 0.9, 2.0, torch.float64)
    means = scene.means.repeat(2, 1)
    means[0] *= 2  # farther on the same ray
    scene = scene._replace(
        means=means,
        quats=scene.quats.repeat(2, 1),
        scales=scene.scales.repeat(2, 1),
        opacities=scene.opacities.repeat(2),
        betas=scene.betas.repeat(2),
    )
    features, _ = backend.composite(scene, backend.project(scene), torch.eye(2, dtype=torch.float64)[None])
    assert features[0, 24, 32, 1] == pytest.approx(0.9)
    assert features[0, 24, 32, 0] == pytest.approx(0.1 * 0.9)


def test_pixels_that_are_full_leave_the_others_of_their_tile_alone(backend: Backend):
    """Splats of high opacity fill parts of tiles early in lists of more than a batch; the rest goes on."""
    scene = make_splat_scene(400, seed=8, cameras=1)._replace(width=61, height=45)
    high = torch.where(scene.means[:, 0] < 0, 0.99, 0.05).to(scene.opacities)
    scene = scene._replace(opacities=high, scales=scene.scales * 2)
    generator = torch.Generator().manual_seed(3)
    colors = torch.rand(1, 400, 3, dtype=torch.float64, generator=generator)
    v_image = torch.randn(1, 45, 61, 3, dtype=torch.float64, generator=generator)

    def results(implementation: Backend, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        leaf = colors.detach().to(dtype, copy=True).requires_grad_()
        cast = cast_scene(scene, dtype)
        features, alphas = implementation.composite(cast, implementation.project(cast), leaf)
        (features * v_image.to(dtype)).sum().backward()
        assert leaf.grad is not None
        return features.detach(), alphas.detach(), leaf.grad

    expected = results(ReferenceBackend(), torch.float64)
    actual = results(backend, backend.real)
    full = expected[1] > 1 - 2e-3
    assert full.double().mean() > 0.2
    assert (~full).double().mean() > 0.2
    tolerance = 1e-10 if backend.real == torch.float64 else 1e-3  # float32: the cut-off at alpha = 1/255
    for value, wanted in zip(actual, expected, strict=True):
        assert relative_error(value, wanted) < tolerance


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 16), (17, 31), (2000, 3)])
def test_any_image_size_works(backend: Backend, width: int, height: int):
    scene = make_splat_scene(40, cameras=1)._replace(width=width, height=height)
    features, alphas = backend.composite(scene, backend.project(scene), torch.ones(1, 40, 1, dtype=torch.float64))
    assert features.shape == (1, height, width, 1)
    tolerance = 1e-12 if backend.real == torch.float64 else FLOAT_TOLERANCE
    torch.testing.assert_close(features[..., 0], alphas, atol=tolerance, rtol=0)


def test_no_splats_give_an_empty_image(backend: Backend):
    scene = make_splat_scene(3)
    nothing = first_splats(scene, 0)
    features, alphas = backend.composite(nothing, backend.project(nothing), torch.zeros(2, 0, 3, dtype=torch.float64))
    assert features.abs().max() == 0
    assert alphas.abs().max() == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0])
@pytest.mark.parametrize("name", ["means", "quats", "scales", "opacities", "betas"])
def test_splats_that_are_not_finite_vanish_without_harm(backend: Backend, name: str, bad: float):
    scene = make_splat_scene(20, cameras=1)
    broken = getattr(scene, name).clone()
    broken[7] = bad
    scene = scene._replace(**{name: broken})
    projected = backend.project(scene)
    features, alphas = backend.composite(scene, projected, torch.ones(1, 20, 2, dtype=torch.float64))
    assert torch.isfinite(features).all()
    assert (alphas <= 1).all()


# torch's own checker looks at .grad of tensors that are not leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_ops_pass_opcheck():
    scene = make_splat_scene(15, dtype=torch.float32)
    leaves = [x.clone().requires_grad_() if isinstance(x, torch.Tensor) else x for x in scene]
    torch.library.opcheck(torch.ops.splatkit.project_splats, (*leaves, 0, None, 0))
    torch.library.opcheck(torch.ops.splatkit.project_splats_antialiased, (*leaves, 0, None))
    projected = detached(ops.project_splats(*scene))
    size = (scene.width, scene.height)
    lists = ops.intersect_tiles(*projected, *size)
    colors = torch.rand(2, 15, 3, requires_grad=True)
    probe = torch.zeros(2, 15, 2, requires_grad=True)
    arguments = (*projected, colors, scene.opacities, scene.betas, probe, *lists, *size, 0)
    torch.library.opcheck(torch.ops.splatkit.rasterize_splats, arguments)
    torch.library.opcheck(
        torch.ops.splatkit.median_depths, (*projected, scene.opacities, scene.betas, *lists, *size, 0)
    )
    coefficients = torch.rand(15, 16, 3, requires_grad=True)
    torch.library.opcheck(
        torch.ops.splatkit.sh_colors, (leaves[0], scene.viewmats, coefficients, None, projected[3], 3)
    )


def test_wrong_arguments_are_named():
    scene = make_splat_scene(5, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"opacities: expected shape \[5\], got \[4\]"):
        ops.project_splats(*scene._replace(opacities=scene.opacities[:4]))
    with pytest.raises(TypeError, match="scales: expected float32, got float64"):
        ops.project_splats(*scene._replace(scales=scene.scales.double()))
    with pytest.raises(ValueError, match="width: expected 1 to 65535 px, got 0"):
        ops.project_splats(*scene._replace(width=0))
