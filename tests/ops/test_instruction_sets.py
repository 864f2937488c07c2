"""The hot loops are compiled once per instruction set. What they compute must not depend on which one a machine has."""

from typing import Any

import torch

from splatkit import ops
from splatkit.ops import native
from tests.helpers import relative_error
from tests.splat_scenes import make_splat_scene

# Of an image in [0, 1]: rounding of float32 sums, fused or not. A pixel whose alpha lies on the cut-off may fall on
# either side; it differs by up to 1/255.
IMAGE_TOLERANCE = 2e-6
GRADIENT_TOLERANCE = 2e-4  # relative norm; the cut-off again


def test_instruction_sets_agree():
    scene = make_splat_scene(300, seed=3, dtype=torch.float32)
    projected = ops.project_splats(*scene)
    lists = ops.intersect_tiles(*projected, scene.width, scene.height)
    generator = torch.Generator().manual_seed(0)
    colors = torch.rand(2, 300, 4, generator=generator)
    v_image = torch.randn(2, scene.height, scene.width, 4, generator=generator)

    def results() -> tuple[torch.Tensor, list[torch.Tensor]]:
        leaves = [x.clone().requires_grad_() for x in (*projected[:2], colors, scene.opacities, scene.betas)]
        arguments: Any = (leaves[0], leaves[1], *projected[2:], *leaves[2:], lists, scene.width, scene.height)
        image, _ = ops.rasterize_splats(*arguments)
        return image.detach(), list(torch.autograd.grad(image, leaves, v_image))

    before = native().instruction_set()
    try:
        found = [results() for name in ("baseline", "avx2", "avx512") if native().use_instruction_set(name)]
    finally:
        native().use_instruction_set(before)
    for image, gradients in found[1:]:
        difference = (image - found[0][0]).abs().amax(-1)
        assert (difference > IMAGE_TOLERANCE).double().mean() < 1e-3
        assert difference.max() < 1.5 / 255
        for actual, expected in zip(gradients, found[0][1], strict=True):
            assert relative_error(actual, expected) < GRADIENT_TOLERANCE


def test_threads_do_not_change_a_bit():
    scene = make_splat_scene(4000, dtype=torch.float32)._replace(width=300, height=200)
    colors = torch.rand(2, 4000, 3, generator=torch.Generator().manual_seed(0))

    def results() -> list[torch.Tensor]:
        leaves = [x.clone().requires_grad_() for x in (scene.means, scene.quats, scene.opacities, scene.betas)]
        use = scene._replace(means=leaves[0], quats=leaves[1], opacities=leaves[2], betas=leaves[3])
        projected = ops.project_splats(*use)
        lists = ops.intersect_tiles(*projected, use.width, use.height)
        image, _ = ops.rasterize_splats(*projected, colors, use.opacities, use.betas, lists, use.width, use.height)
        return [*lists, image.detach(), *torch.autograd.grad(image.square().sum(), leaves)]

    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2, 16):
            torch.set_num_threads(count)
            with ops.native_threads_only():
                found.append(results())
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(other, found[0], strict=True))
