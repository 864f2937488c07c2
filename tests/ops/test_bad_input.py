"""Whatever comes in, rendering answers with a clear error or a defined image."""

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splatkit import memory, ops
from splatkit.ops import rasterization as rasterization_ops
from splatkit.splatting.rendering import Rendering, render_splats
from tests.splat_scenes import SplatScene, detached, first_splats, make_splat_scene, one_splat

SPOILS = ["none", "nan", "inf", "-inf", "zero", "huge", "tiny", "negative"]
VALUES = {
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "zero": 0.0,
    "huge": 1e30,
    "tiny": 1e-30,
    "negative": -3.0,
}
SPLAT_FIELDS = ["means", "quats", "scales", "opacities", "betas"]


def render(scene: SplatScene, colors: torch.Tensor, **options: Any) -> Rendering:
    return render_splats(*scene[:5], colors, scene.viewmats, scene.Ks, scene.width, scene.height, **options)


@st.composite
def spoiled_scenes(draw: st.DrawFn) -> tuple[SplatScene, dict[str, Any]]:
    """A scene with any number of splats, of which some values are spoiled, and options of a rendering."""
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    scene = make_splat_scene(16, seed=draw(st.integers(0, 5)), dtype=dtype, cameras=draw(st.integers(1, 2)))
    scene = first_splats(scene, draw(st.sampled_from([0, 1, 16])))
    sizes = st.sampled_from([1, 2, 15, 16, 17, 40, 700])
    scene = scene._replace(width=draw(sizes), height=draw(sizes))
    for field in draw(st.lists(st.sampled_from([*SPLAT_FIELDS, "viewmats", "Ks"]), max_size=3)):
        tensor = getattr(scene, field).clone()
        spoil = draw(st.sampled_from(SPOILS))
        if spoil != "none" and tensor.numel():
            tensor.view(-1)[draw(st.integers(0, tensor.numel() - 1))] = VALUES[spoil]
        if draw(st.booleans()):  # the same values in another layout
            tensor = tensor.repeat_interleave(2, -1)[..., ::2]
        scene = scene._replace(**{field: tensor})
    model = draw(st.sampled_from(["pinhole", "orthographic", "fisheye"]))
    distortions = torch.zeros(len(scene.viewmats), 4, dtype=dtype) if model == "fisheye" else None
    mode = draw(st.sampled_from(["classic", "antialiased"]))
    outputs = draw(st.lists(st.sampled_from(["median_depths", "normals"]), unique=True))
    options = {"camera_model": model, "distortions": distortions, "rasterize_mode": mode, "outputs": outputs}
    return scene, options


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(spoiled_scenes())
def test_any_scene_gives_a_finite_image_and_gradients_of_the_right_shape(
    drawn: tuple[SplatScene, dict[str, Any]],
):
    scene, options = drawn
    leaves = {name: getattr(scene, name).detach().clone().requires_grad_() for name in SPLAT_FIELDS}
    colors = torch.full((len(scene.means), 2), 0.5, dtype=scene.means.dtype, requires_grad=True)
    rendering = render(scene._replace(**leaves), colors, **options)
    assert rendering.colors.shape == (len(scene.viewmats), scene.height, scene.width, 2)
    assert torch.isfinite(rendering.colors).all()
    assert ((rendering.alphas >= 0) & (rendering.alphas <= 1)).all()
    rendering.colors.sum().backward()
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        assert leaf.grad.shape == leaf.shape, name


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    field=st.sampled_from([*SPLAT_FIELDS, "viewmats", "Ks"]),
    change=st.sampled_from(["short", "long", "flat", "integer", "half", "double"]),
)
def test_arguments_that_do_not_fit_are_named(field: str, change: str):
    scene = make_splat_scene(6, dtype=torch.float32)
    tensor = getattr(scene, field)
    changed = {
        "short": tensor[:-1],
        "long": torch.cat([tensor, tensor[:1]]),
        "flat": tensor.reshape(-1)[:1],
        "integer": tensor.int(),
        "half": tensor.half(),
        "double": tensor.double(),
    }[change]
    with pytest.raises((ValueError, TypeError), match="expected"):
        ops.project_splats(*scene._replace(**{field: changed}))


def test_more_intersections_than_32_bits_reach_are_refused():
    scene = one_splat((30000.0, 30000.0), 1.0, 0.9, 2.0, torch.float32)
    many = 160  # of 16.7 M tiles each
    scene = scene._replace(width=65535, height=65535, scales=torch.full((many, 3), 1e4))
    scene = scene._replace(
        means=scene.means.repeat(many, 1),
        quats=scene.quats.repeat(many, 1),
        opacities=scene.opacities.repeat(many),
        betas=scene.betas.repeat(many),
    )
    projected = ops.project_splats(*scene)
    with pytest.raises(MemoryError, match="exceed 32-bit indices: render fewer cameras at once or smaller images"):
        ops.intersect_tiles(*projected, 65535, 65535)


def test_an_image_that_does_not_fit_is_refused_before_it_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1 << 20)
    scene = make_splat_scene(30, dtype=torch.float32)._replace(width=2000, height=2000)
    with pytest.raises(MemoryError, match=r"the image needs about 0\.\d+ GB .* 0\.001 GB are available; render fewer"):
        render(scene, torch.zeros(30, 3))


def test_gradients_do_not_depend_on_how_many_intersections_are_kept(monkeypatch: pytest.MonkeyPatch):
    scene = make_splat_scene(60)
    projected = detached(ops.project_splats(*scene))
    lists = ops.intersect_tiles(*projected, scene.width, scene.height)
    assert len(lists.splat_ids) > 3 * 60
    colors = torch.rand(2, 60, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def gradients() -> tuple[torch.Tensor, ...]:
        leaves = [x.clone().requires_grad_() for x in (*projected[:2], colors, scene.opacities, scene.betas)]
        probe = torch.zeros_like(projected[0], requires_grad=True)
        arguments: Any = (leaves[0], leaves[1], *projected[2:], *leaves[2:], lists, scene.width, scene.height, probe)
        image, alphas = ops.rasterize_splats(*arguments)
        return torch.autograd.grad((image**2).sum() + alphas.sum(), [*leaves, probe])

    whole = gradients()
    monkeypatch.setattr(rasterization_ops, "SLOT_ROWS", 60)
    for part, expected in zip(gradients(), whole, strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_a_million_splats_in_full_hd_fit_in_four_gibibytes():
    script = """
import resource, torch
from splatkit.splatting.rendering import render_splats
torch.manual_seed(0)
n = 1_000_000
z = 2 + 8 * torch.rand(n)
means = torch.stack([(torch.rand(n) - 0.5) * 1.25 * z, (torch.rand(n) - 0.5) * 0.7 * z, z], -1).requires_grad_()
scales = (z * 0.002)[:, None].repeat(1, 3).requires_grad_()
colors = torch.randn(n, 16, 3).requires_grad_()
quats, opacities = torch.randn(n, 4).requires_grad_(), torch.full((n,), 0.3, requires_grad=True)
betas = torch.full((n,), 2.5, requires_grad=True)
K = torch.tensor([[[1536.0, 0, 960], [0, 1536, 540], [0, 0, 1]]])
out = render_splats(means, quats, scales, opacities, betas, colors, torch.eye(4)[None], K, 1920, 1080, sh_degree=3)
out.colors.square().mean().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    # The largest memory that a process ever held is the system's to say: so in a process of its own.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4 * 2**20  # KiB


# Inductor's own imports warn about what they will drop.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rendering_compiles_into_one_graph():
    scene = make_splat_scene(40, dtype=torch.float32)
    colors = torch.rand(40, 3)

    def image(means: torch.Tensor, mode: str) -> torch.Tensor:
        rendering = render_splats(
            means, *scene[1:5], colors, scene.viewmats, scene.Ks, 43, 35, rasterize_mode=mode, outputs=["median_depths"]
        )
        assert rendering.median_depths is not None
        return rendering.colors.square().sum() + rendering.median_depths.sum()

    compiled = torch.compile(image, fullgraph=True, backend="aot_eager")
    for mode in ("classic", "antialiased"):
        results = []
        for function in (image, compiled):
            means = scene.means.clone().requires_grad_()
            value = function(means, mode)
            value.backward()
            results.append((value.detach(), means.grad))
        torch.testing.assert_close(results[0], results[1])
