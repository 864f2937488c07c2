import pytest
import torch
from pytorch_msssim import ssim as peer_ssim

from splatkit.splatting.losses import photometric_loss, ssim


def images(height=61, width=107):
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(height, width, 3, generator=generator, dtype=torch.float64)
    return a, (a + 0.2 * torch.rand(height, width, 3, generator=generator, dtype=torch.float64)).clamp(0, 1)


@pytest.mark.parametrize("size", [(11, 11), (12, 200), (61, 107)])
def test_ssim_is_the_one_of_the_published_implementation(size):
    a, b = images(*size)
    expected = peer_ssim(a.permute(2, 0, 1)[None], b.permute(2, 0, 1)[None], data_range=1.0)
    torch.testing.assert_close(ssim(a, b), expected, atol=1e-6, rtol=0)  # their window is float32


def test_equal_images_have_ssim_one_and_no_loss():
    a, _ = images()
    assert ssim(a, a).item() == pytest.approx(1.0)
    assert photometric_loss(a, a).item() == pytest.approx(0.0, abs=1e-12)


def test_gradient_matches_finite_differences():
    a, b = images(13, 60)
    assert torch.autograd.gradcheck(
        lambda x: ssim(x, b[..., :1]), (a[..., :1].clone().requires_grad_(),), fast_mode=True
    )


def test_masked_pixels_give_no_gradient_and_do_not_dilute_the_loss():
    a, b = images()
    mask = torch.zeros(61, 107, 1, dtype=torch.float64)
    mask[:, :50] = 1
    rendered = a.clone().requires_grad_()
    loss = photometric_loss(rendered, b, mask)
    loss.backward()
    assert rendered.grad[:, 50:].abs().max() == 0
    assert rendered.grad[:, :50].abs().max() > 0
    assert loss.item() == pytest.approx(photometric_loss(a[:, :50], b[:, :50]).item(), rel=0.1)


def test_small_or_unequal_images_are_refused():
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim(torch.zeros(10, 30, 3), torch.zeros(10, 30, 3))
    with pytest.raises(ValueError, match="of one shape"):
        ssim(torch.zeros(20, 30, 3), torch.zeros(20, 31, 3))
