"""The CUDA kernels on the host: the same bits in every thread order, and as many as the CPU lists."""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from splatkit import ops
from splatkit.ops import native
from splatkit.ops.isosurface import find_surface, surface_faces, surface_vertices
from splatkit.splatting.kernels.table import PROFILES
from splatkit.splatting.rendering import render_splats
from tests.helpers import relative_error
from tests.isosurface_cases import gyroid_field
from tests.splat_scenes import detached, make_splat_scene

pytestmark = pytest.mark.slow  # builds the kernels


def render_with_gradients() -> list[torch.Tensor]:
    """Every kernel of the splatting family, forward and backward, and the loss of what they rendered."""
    s = make_splat_scene(300, dtype=torch.float32)
    leaves = [x.requires_grad_() for x in (s.means, s.quats, s.scales, s.opacities, s.betas, s.viewmats, s.Ks)]
    coefficients = torch.rand(300, 16, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    probe = torch.zeros(2, 300, 2, requires_grad=True)
    rendering = render_splats(
        s.means,
        s.quats,
        s.scales,
        s.opacities,
        s.betas,
        coefficients,
        s.viewmats,
        s.Ks,
        s.width,
        s.height,
        sh_degree=3,
        near=s.near,
        absgrad_probe=probe,
    )
    loss = sum(ops.photometric_loss(image, torch.full_like(image, 0.5), 0.2)[0] for image in rendering.colors)
    (loss + 0.1 * rendering.depths.sum()).backward()
    gradients = [leaf.grad for leaf in (*leaves, coefficients, probe) if leaf.grad is not None]
    assert len(gradients) == 9
    return [rendering.colors, rendering.depths, *gradients]


@pytest.mark.usefixtures("emulated")
def test_same_bits_in_every_thread_order(monkeypatch: pytest.MonkeyPatch):
    expected = render_with_gradients()
    for order in ("reverse", "1", "2"):
        monkeypatch.setenv("SPLATKIT_THREAD_ORDER", order)
        for actual, forward in zip(render_with_gradients(), expected, strict=True):
            assert torch.equal(actual, forward)


def surface_with_gradients() -> list[torch.Tensor]:
    """Every kernel of the isosurface family."""
    field = gyroid_field(9, 8, 70).float()
    topology = find_surface(field)
    leaves = {
        "values": field.reshape(-1)[topology.grid_vertices],
        "points": topology.coordinates.float(),
        "alphas": torch.rand(len(topology.cases), 8) + 0.1,
        "betas": torch.rand(len(topology.cases), 12) + 0.1,
        "gammas": torch.rand(len(topology.cases)) + 0.1,
    }
    for leaf in leaves.values():
        leaf.requires_grad_()
    vertices, deviations = surface_vertices(topology, **leaves, centers=True, deviations=True)
    gradients = torch.autograd.grad(vertices.square().sum() + deviations.sum(), list(leaves.values()))
    return [*topology, vertices, deviations, surface_faces(topology, vertices), *gradients]


@pytest.mark.usefixtures("emulated")
def test_surfaces_have_the_same_bits_in_every_thread_order(monkeypatch: pytest.MonkeyPatch):
    found = []
    for order in ("forward", "reverse", "1"):
        monkeypatch.setenv("SPLATKIT_THREAD_ORDER", order)
        torch.manual_seed(0)
        found.append(surface_with_gradients())
    for other in found[1:]:
        for actual, expected in zip(other, found[0], strict=True):
            assert torch.equal(actual, expected)


@pytest.mark.parametrize("closed", [True, False])
def test_surfaces_of_more_segments_than_a_block_scans_equal_those_of_the_cpu(
    emulated_module: ModuleType, monkeypatch: pytest.MonkeyPatch, closed: bool
):
    field = gyroid_field(75, 60, 3).float()  # 4636 segments of one row each, 2048 a block
    expected = find_surface(field, closed=closed)
    monkeypatch.setitem(sys.modules, "splatkit._C", emulated_module)
    for actual, cpu in zip(find_surface(field, closed=closed), expected, strict=True):
        assert torch.equal(actual, cpu)


def test_tile_lists_equal_those_of_the_cpu(emulated_module: ModuleType, monkeypatch: pytest.MonkeyPatch):
    scene = make_splat_scene(400, dtype=torch.float32)
    scene = scene._replace(means=scene.means.repeat(2, 1)[:400])  # equal depths: ties keep their order
    projected = detached(ops.project_splats(*scene))
    arguments = (*projected, scene.width, scene.height)
    before = str(ops.build_info()["instruction_set"])
    native().use_instruction_set("baseline")  # a fused multiply-add may round a tile's border the other way
    expected = ops.intersect_tiles(*arguments)
    native().use_instruction_set(before)
    monkeypatch.setitem(sys.modules, "splatkit._C", emulated_module)
    for actual, cpu in zip(ops.intersect_tiles(*arguments), expected, strict=True):
        assert torch.equal(actual, cpu)


@pytest.mark.usefixtures("emulated")
def test_double_precision_is_refused():
    with pytest.raises(TypeError, match="means: CUDA kernels take float32, got float64"):
        ops.project_splats(*make_splat_scene(5))


VARIANTS: list[dict[str, Any]] = [
    {"rasterize_mode": "antialiased"},
    {"camera_model": "orthographic"},
    {"camera_model": "fisheye", "rasterize_mode": "antialiased"},
    *({"kernel": name} for name in PROFILES),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(variant.values()))
def test_every_camera_kernel_and_mode_agrees_with_the_cpu(
    emulated_module: ModuleType, monkeypatch: pytest.MonkeyPatch, variant: dict[str, Any]
):
    s = make_splat_scene(200, dtype=torch.float32)
    distortions = torch.full((2, 4), 0.01) if variant.get("camera_model") == "fisheye" else None

    def render() -> list[torch.Tensor]:
        tensors = (s.means, s.quats, s.scales, s.opacities, s.betas, s.viewmats, s.Ks)
        means, quats, scales, opacities, betas, viewmats, Ks = (x.clone().requires_grad_() for x in tensors)
        colors = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
        rendering = render_splats(
            means,
            quats,
            scales,
            opacities,
            betas,
            colors,
            viewmats,
            Ks,
            s.width,
            s.height,
            near=s.near,
            distortions=distortions,
            outputs=("median_depths",),
            **variant,
        )
        rendering.colors.square().mean().backward()
        leaves = (means, quats, scales, opacities, betas, colors, viewmats, Ks)
        assert rendering.median_depths is not None
        return [rendering.median_depths, rendering.colors, *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    expected = render()
    monkeypatch.setitem(sys.modules, "splatkit._C", emulated_module)
    actual_medians, *others = render()
    # Rounding may bring a pixel to half of its light one splat earlier or later.
    assert ((actual_medians - expected[0]).abs() > 1e-4).float().mean() < 0.01
    for actual, cpu in zip(others, expected[1:], strict=True):
        assert relative_error(actual, cpu) < 1e-3
