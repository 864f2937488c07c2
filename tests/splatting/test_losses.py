import pytest
import torch

from splatkit.splatting.losses import photometric_loss


def images(height=61, width=107):
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(height, width, 3, generator=generator)
    return a, (a + 0.2 * torch.rand(height, width, 3, generator=generator)).clamp(0, 1)


def test_equal_images_have_no_loss():
    a, _ = images()
    assert photometric_loss(a, a).item() == pytest.approx(0.0, abs=1e-6)


def test_mask_of_ones_changes_nothing():
    a, b = images()
    assert photometric_loss(a, b, torch.ones(61, 107, 1)).item() == pytest.approx(photometric_loss(a, b).item())


def test_masked_pixels_give_no_gradient_and_do_not_dilute_the_loss():
    a, b = images()
    mask = torch.zeros(61, 107, 1)
    mask[:, :50] = 1
    rendered = a.clone().requires_grad_()
    loss = photometric_loss(rendered, b, mask)
    loss.backward()
    assert rendered.grad[:, 50:].abs().max() == 0
    assert rendered.grad[:, :50].abs().max() > 0
    assert loss.item() == pytest.approx(photometric_loss(a[:, :50], b[:, :50]).item(), rel=0.1)


def test_masked_pixels_of_the_photograph_do_not_matter():
    a, b = images()
    mask = torch.zeros(61, 107, 1)
    mask[:, :50] = 1
    gradients = []
    for spoiled in (b, torch.cat([b[:, :50], 1 - b[:, 50:]], 1)):
        rendered = a.clone().requires_grad_()
        photometric_loss(rendered, spoiled, mask).backward()
        gradients.append(rendered.grad)
    assert torch.equal(*gradients)
