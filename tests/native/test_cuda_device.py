"""What only a GPU can show: streams, determinism on the device, and the same tile lists as the CPU."""

import pytest
import torch

from splatkit import ops
from splatkit.splatting.rendering import Rendering, render_splats
from tests.splat_scenes import SplatScene, detached, make_splat_scene, replace_tensors

pytestmark = pytest.mark.skipif(
    ops.build_info()["cuda"] == "none" or not torch.cuda.is_available(),
    reason="no GPU, or splatkit was built without CUDA kernels",
)


def scene_on_cuda(splats: int) -> SplatScene:
    scene = make_splat_scene(splats, dtype=torch.float32)._replace(width=200, height=150)
    scene = scene._replace(Ks=scene.Ks * torch.tensor([[4.0], [4.0], [1.0]]))
    tensors = {name: x.cuda() for name, x in scene._asdict().items() if isinstance(x, torch.Tensor)}
    return replace_tensors(scene, tensors)


def render(s: SplatScene) -> tuple[Rendering, list[torch.Tensor]]:
    leaves = [
        x.detach().clone().requires_grad_()
        for x in (s.means, s.quats, s.scales, s.opacities, s.betas, s.viewmats, s.Ks)
    ]
    means, quats, scales, opacities, betas, viewmats, Ks = leaves
    colors = torch.rand(len(means), 16, 3, generator=torch.Generator().manual_seed(0)).cuda().requires_grad_()
    rendering = render_splats(
        means, quats, scales, opacities, betas, colors, viewmats, Ks, s.width, s.height, sh_degree=3, near=s.near
    )
    (rendering.colors.square().sum() + rendering.depths.sum()).backward()
    return rendering, [leaf.grad for leaf in (*leaves, colors) if leaf.grad is not None]


def test_cuda_gives_the_same_bits_in_every_run():
    scene = scene_on_cuda(20000)
    expected_rendering, expected = render(scene)
    for _ in range(3):
        rendering, gradients = render(scene)
        assert torch.equal(rendering.colors, expected_rendering.colors)
        for actual, first in zip(gradients, expected, strict=True):
            assert torch.equal(actual, first)


def test_cuda_work_is_queued_on_the_current_stream():
    scene = scene_on_cuda(20000)
    expected = render(scene)[0].colors
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        # The stream is busy first: work queued elsewhere would read zeros.
        means = torch.zeros_like(scene.means)
        torch.cuda._sleep(50_000_000)
        means.copy_(scene.means)
        actual = render(scene._replace(means=means))[0].colors
    stream.synchronize()
    assert torch.equal(actual, expected)


def test_cuda_tile_lists_equal_those_of_the_cpu():
    scene = scene_on_cuda(5000)
    projected = detached(ops.project_splats(*scene))
    on_cuda = ops.intersect_tiles(*projected, scene.width, scene.height)
    means2d, conics, depths, extents = (x.cpu() for x in projected)
    on_cpu = ops.intersect_tiles(means2d, conics, depths, extents, scene.width, scene.height)
    # Rounding may put a border pixel's tile on either side.
    assert abs(len(on_cuda.splat_ids) - len(on_cpu.splat_ids)) <= 5


def test_tensors_on_different_devices_are_refused_on_cuda():
    scene = scene_on_cuda(5)
    with pytest.raises(ValueError, match=r"opacities: expected a tensor on cuda:0, got one on cpu"):
        torch.ops.splatkit.project_splats(*scene._replace(opacities=scene.opacities.cpu()))
