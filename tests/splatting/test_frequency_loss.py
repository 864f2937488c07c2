import pytest
import torch

from splatkit.splatting import frequency_loss as module
from splatkit.splatting.frequency_loss import (
    FrequencyMasks,
    FrequencySettings,
    frequency_loss,
    frequency_mask,
    gaussian_blur,
)


def half_and_half(height=100, width=150):
    """Smooth on the left; stripes of 10 px on the right."""
    image = torch.full((height, width, 3), 0.5)
    columns = torch.arange(width)
    image[:, columns >= width // 2] += torch.where((columns[columns >= width // 2] // 5) % 2 == 0, 0.4, -0.4)[:, None]
    return image


def test_blur_is_the_dense_convolution_over_what_is_there():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(12, 9, generator=generator, dtype=torch.float64)
    sigma, radius = 1.3, 4
    y, x = torch.meshgrid(torch.arange(12), torch.arange(9), indexing="ij")
    expected = torch.zeros_like(image)
    for i in range(12):
        for j in range(9):
            weight = torch.exp(-((y - i) ** 2 + (x - j) ** 2) / (2 * sigma**2))
            weight = weight * ((y - i).abs() <= radius) * ((x - j).abs() <= radius)
            expected[i, j] = (weight * image).sum() / weight.sum()
    torch.testing.assert_close(gaussian_blur(image, sigma), expected)


def test_early_masks_leave_bright_bands_out_and_late_masks_take_them():
    image = half_and_half()
    early, late = frequency_mask(image, 0.05), frequency_mask(image, 0.95)
    assert early.shape == (100, 150, 1)
    assert early[:, :60].float().mean() > 0.9
    assert late[:, :60].float().mean() < early[:, :60].float().mean()
    assert (frequency_mask(image, 0.95) != frequency_mask(image, 0.05)).float().mean() > 0.3


@pytest.mark.parametrize("progress", [0.0, 0.49, 0.5, 1.0])
@pytest.mark.parametrize("size", [(11, 11), (480, 20), (40, 56)])
def test_photograph_without_structure_selects_everything(progress, size):
    assert frequency_mask(torch.full((*size, 3), 0.3), progress).all()


def test_masks_are_kept_as_long_as_the_width(monkeypatch):
    made = []

    def counted(image, progress):
        made.append(progress)
        return frequency_mask(image, progress)

    monkeypatch.setattr(module, "frequency_mask", counted)
    masks = FrequencyMasks(FrequencySettings(mode="area", levels=4))
    image = half_and_half()
    for progress in (0.0, 0.1, 0.2, 0.3, 1.0):
        masks.mask(0, image, progress)
        masks.mask(1, image, progress)
    assert made == [0.125, 0.125, 0.375, 0.375, 0.875, 0.875]
    masks.mask(0, image[:50], 1.0)  # another size
    assert len(made) == 7


def test_area_counts_selected_pixels_and_paper_all():
    rendered, target = torch.zeros(4, 5, 3), torch.full((4, 5, 3), 0.2)
    selected = torch.zeros(4, 5, 1)
    selected[:, :2] = 1
    assert float(frequency_loss(rendered, target, selected, "area")) == pytest.approx(0.2)
    assert float(frequency_loss(rendered, target, selected, "paper")) == pytest.approx(0.2 * 2 / 5)


def test_masked_pixels_and_empty_selections_give_no_gradient():
    rendered = torch.rand(4, 5, 3, requires_grad=True)
    target = torch.rand(4, 5, 3)
    mask = torch.ones(4, 5, 1)
    mask[0] = 0
    (frequency_loss(rendered, target, torch.ones(4, 5, 1), "area", mask)).backward()
    assert rendered.grad is not None
    assert rendered.grad[0].abs().max() == 0
    assert rendered.grad[1:].abs().min() > 0
    assert frequency_loss(rendered, target, torch.zeros(4, 5, 1), "area").item() == 0.0
