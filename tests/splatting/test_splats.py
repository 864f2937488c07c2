import pytest
import torch

from splatkit.splatting.kernels.table import ShapeSettings
from splatkit.splatting.seeding import splats_from_points
from splatkit.splatting.splats import Splats, raw_names


def seed(points):
    return splats_from_points(points, torch.full(points.shape, 0.25), 3, 1000, torch.Generator().manual_seed(1))


def random_points(n=60):
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("coupling", ["pivot", "mass"])
def test_raw_parameters_and_values_are_inverse(coupling):
    shape = ShapeSettings(coupling=coupling)
    splats = seed(random_points())
    splats = Splats(**{**vars(splats), "betas": torch.linspace(1.1, 7.9, 60)})
    raw = splats.to_raw(shape)
    assert set(raw) == set(raw_names(shape))
    back = Splats.from_raw(raw, shape)
    for name, value in vars(splats).items():
        torch.testing.assert_close(getattr(back, name), value)


def test_wrong_shapes_are_refused_by_name():
    splats = seed(random_points())
    with pytest.raises(ValueError, match="opacities: expected shape"):
        Splats(**{**vars(splats), "opacities": torch.zeros(3)})
    with pytest.raises(ValueError, match="shN: expected shape"):
        Splats(**{**vars(splats), "shN": torch.zeros(60, 5, 3)})


def test_select_takes_masks_and_indices():
    splats = seed(random_points())
    assert len(splats.select(splats.means[:, 0] > 0.5)) < 60
    assert torch.equal(splats.select(torch.tensor([4, 2])).means, splats.means[[4, 2]])
