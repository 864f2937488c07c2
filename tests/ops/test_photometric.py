"""The fused loss against its definition, on every backend."""

import pytest
import torch

from splatkit import ops
from splatkit.reference import photometric as reference
from tests.splat_scenes import Backend, skip_unless_in


@pytest.mark.parametrize(("height", "width", "channels"), [(11, 11, 1), (12, 40, 3), (37, 600, 3), (64, 29, 2)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_loss_and_gradient_match_the_definition(
    backend: Backend, height: int, width: int, channels: int, dtype: torch.dtype
):
    skip_unless_in(backend, dtype)
    generator = torch.Generator().manual_seed(height)
    target = torch.rand(height, width, channels, dtype=torch.float64, generator=generator)
    rendered = (target + 0.2 * torch.randn(target.shape, dtype=torch.float64, generator=generator)).requires_grad_()
    expected = reference.photometric_loss(rendered, target, 0.3)
    expected[0].backward()
    leaf = rendered.detach().to(backend.device, dtype).requires_grad_()
    actual = ops.photometric_loss(leaf, target.to(leaf), 0.3)
    (2 * actual[0]).backward()
    tolerance = 1e-12 if dtype == torch.float64 else 2e-6
    for a, e in zip(actual, expected, strict=True):
        assert a.item() == pytest.approx(e.item(), abs=tolerance)
    assert rendered.grad is not None
    assert leaf.grad is not None
    scale = rendered.grad.abs().max()
    assert ((leaf.grad.cpu().double() / 2 - rendered.grad).abs() / scale).max() < 50 * tolerance


def test_equal_images_have_no_loss():
    image = torch.rand(20, 30, 3, generator=torch.Generator().manual_seed(0))
    loss, l1, ssim = ops.photometric_loss(image, image.clone(), 0.2)
    assert l1 == 0
    assert ssim.item() == pytest.approx(1, abs=1e-6)
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_images_smaller_than_the_window_are_refused():
    with pytest.raises(ValueError, match="at least 11 px"):
        ops.photometric_loss(torch.zeros(10, 30, 3), torch.zeros(10, 30, 3), 0.2)


# torch's own checker looks at .grad of tensors that are not leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_op_passes_opcheck():
    images = torch.rand(2, 16, 20, 3, generator=torch.Generator().manual_seed(0))
    torch.library.opcheck(torch.ops.splatkit.photometric_loss, (images[0].clone().requires_grad_(), images[1], 0.2))
