"""The thread pool: same bits for any number of threads, and no hang in a forked child."""

import os

import pytest
import torch

from splatkit import ops
from splatkit.splatting.rendering import render_splats
from tests.splat_scenes import make_splat_scene


def render_with_gradients() -> list[torch.Tensor]:
    scene = make_splat_scene(5000, dtype=torch.float32)._replace(width=200, height=150)
    scene = scene._replace(Ks=scene.Ks * torch.tensor([[4.0], [4.0], [1.0]]))
    s = scene
    leaves = [x.requires_grad_() for x in (s.means, s.quats, s.scales, s.opacities, s.betas, s.viewmats, s.Ks)]
    colors = torch.rand(5000, 16, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    probe = torch.zeros(2, 5000, 2, requires_grad=True)
    rendering = render_splats(
        s.means,
        s.quats,
        s.scales,
        s.opacities,
        s.betas,
        colors,
        s.viewmats,
        s.Ks,
        s.width,
        s.height,
        sh_degree=3,
        near=s.near,
        absgrad_probe=probe,
    )
    (rendering.colors.square().sum() + rendering.depths.sum()).backward()
    gradients = [leaf.grad for leaf in (*leaves, colors, probe) if leaf.grad is not None]
    assert len(gradients) == 9
    return [rendering.colors, rendering.depths, *gradients]


@pytest.fixture
def restore_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("restore_threads")
def test_same_bits_for_1_2_and_16_threads():
    torch.set_num_threads(1)
    expected = render_with_gradients()
    for threads in (2, 16):
        torch.set_num_threads(threads)
        for actual, one in zip(render_with_gradients(), expected, strict=True):
            assert torch.equal(actual, one)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.usefixtures("restore_threads")
def test_a_forked_child_can_render_after_its_parent_did():
    torch.set_num_threads(2)
    scene = make_splat_scene(2000, dtype=torch.float32)
    expected = ops.project_splats(*scene)
    child = os.fork()
    if child == 0:
        same = all(torch.equal(a, b) for a, b in zip(ops.project_splats(*scene), expected, strict=True))
        os._exit(0 if same else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
