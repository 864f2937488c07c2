"""Image metrics against closed forms and the library whose convention they name."""

import pytest
import torch
from pytorch_msssim import ssim as their_ssim

from splatkit.evaluation.image import psnr, ssim


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(2, 24, 32, 3, generator=generator, dtype=torch.float64)
    noise = 0.1 * torch.randn(2, 24, 32, 3, generator=generator, dtype=torch.float64)
    return (target + noise).clamp(0, 1), target


def test_psnr_of_a_constant_error_is_its_logarithm():
    target = torch.full((2, 4, 5, 3), 0.5, dtype=torch.float64)
    image = target + torch.tensor([0.1, 0.01], dtype=torch.float64)[:, None, None, None]
    torch.testing.assert_close(psnr(image, target), torch.tensor([20.0, 40.0], dtype=torch.float64))


def test_psnr_clamps_what_no_screen_can_show():
    assert psnr(torch.full((3, 3, 3), 1.7), torch.ones(3, 3, 3)) == float("inf")


def test_ssim_of_an_image_with_itself_is_one(images):
    torch.testing.assert_close(ssim(images[1], images[1]), torch.ones(2, dtype=torch.float64))


def test_ssim_of_constant_images_is_the_luminance_term():
    a, b = 0.3, 0.7
    image, target = (torch.full((16, 16, 1), value, dtype=torch.float64) for value in (a, b))
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert ssim(image, target).item() == pytest.approx(expected, abs=1e-9)


def test_ssim_of_a_scaled_pattern_is_the_formula():
    """y = s x around mean 0.5 and a window-sized image: one window, whose moments are known."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(11, 11, 1, generator=generator, dtype=torch.float64) * 0.5
    y = 0.5 * x
    offsets = torch.arange(11, dtype=torch.float64) - 5
    weights = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights = weights / weights.sum()
    mean = (weights * x[..., 0]).sum()
    variance = (weights * (x[..., 0] - mean) ** 2).sum()
    expected = (mean**2 + 1e-4) / (1.25 * mean**2 + 1e-4) * (variance + 9e-4) / (1.25 * variance + 9e-4)
    torch.testing.assert_close(ssim(x, y), expected)


def test_ssim_agrees_with_pytorch_msssim(images):
    image, target = images
    theirs = their_ssim(
        image.permute(0, 3, 1, 2).float(), target.permute(0, 3, 1, 2).float(), data_range=1.0, size_average=False
    )
    torch.testing.assert_close(ssim(image, target).float(), theirs, atol=1e-5, rtol=0)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="expected equal shapes"):
        psnr(torch.zeros(4, 5, 3), torch.zeros(5, 4, 3))
    with pytest.raises(TypeError, match="uint8"):
        psnr(torch.zeros(4, 5, 3, dtype=torch.uint8), torch.zeros(4, 5, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim(torch.zeros(10, 20, 3), torch.zeros(10, 20, 3))
