import pytest
import torch

from splatkit.reference import photometric as reference
from splatkit.splatting.losses import photometric_loss


def images(height=61, width=107):
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(height, width, 3, generator=generator, dtype=torch.float64)
    return a, (a + 0.2 * torch.rand(height, width, 3, generator=generator, dtype=torch.float64)).clamp(0, 1)


def test_loss_weighs_ssim_by_a_fifth():
    a, b = images()
    _, l1, ssim = reference.photometric_loss(a, b, 0.5)
    assert photometric_loss(a, b).item() == pytest.approx((0.8 * l1 + 0.2 * (1 - ssim)).item())


def test_masked_pixels_give_no_gradient_and_do_not_dilute_the_loss():
    a, b = images()
    mask = torch.zeros(61, 107, 1, dtype=torch.float64)
    mask[:, :50] = 1
    rendered = a.clone().requires_grad_()
    loss = photometric_loss(rendered, b, mask)
    loss.backward()
    assert rendered.grad is not None
    assert rendered.grad[:, 50:].abs().max() == 0
    assert rendered.grad[:, :50].abs().max() > 0
    assert loss.item() == pytest.approx(photometric_loss(a[:, :50], b[:, :50]).item(), rel=0.1)
