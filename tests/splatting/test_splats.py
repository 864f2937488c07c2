import pytest
import torch

from splatkit.splatting.kernel import ShapeSettings
from splatkit.splatting.splats import Splats, raw_names, splats_from_points


def seed(points, colors=None, max_splats=1000, sh_degree=3):
    colors = torch.full(points.shape, 0.25) if colors is None else colors
    return splats_from_points(points, colors, sh_degree, max_splats, torch.Generator().manual_seed(1))


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


def test_seed_has_the_colors_of_the_points_and_is_round_faint_and_gaussian():
    splats = seed(random_points(), torch.full((60, 3), 0.75))
    torch.testing.assert_close(splats.sh0 * 0.28209479177387814 + 0.5, torch.full((60, 3), 0.75))
    assert (splats.scales == splats.scales[:, :1]).all()
    assert (splats.opacities == 0.1).all()
    assert (splats.betas == 2).all()
    assert splats.sh_degree == 3


def test_scale_is_the_mean_distance_to_three_neighbors():
    line = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    torch.testing.assert_close(seed(line).scales[:, 0], torch.tensor([2.0, 4 / 3, 4 / 3, 2.0]))


def test_coinciding_and_stray_points_get_sensible_sizes():
    points = torch.cat([random_points(), torch.zeros(10, 3), torch.tensor([[1e6, 0, 0]])])
    scales = seed(points).scales
    typical = scales.median()
    assert scales.min() > typical / 200
    assert scales.max() < typical * 100


def test_single_point_is_a_splat():
    assert len(seed(torch.zeros(1, 3))) == 1


def test_points_that_are_not_finite_are_left_out_and_none_is_an_error():
    points = random_points()
    points[3, 1] = float("nan")
    assert len(seed(points)) == 59
    with pytest.raises(ValueError, match="at least one finite point"):
        seed(torch.full((2, 3), float("inf")))


def test_dense_cloud_is_thinned_the_same_way_each_time():
    first, second = seed(random_points(), max_splats=20), seed(random_points(), max_splats=20)
    assert len(first) == 20
    assert torch.equal(first.means, second.means)
    assert torch.equal(first.quats, second.quats)


def test_wrong_shapes_are_refused_by_name():
    splats = seed(random_points())
    with pytest.raises(ValueError, match="opacities: expected shape"):
        Splats(**{**vars(splats), "opacities": torch.zeros(3)})
    with pytest.raises(ValueError, match="shN: expected shape"):
        Splats(**{**vars(splats), "shN": torch.zeros(60, 5, 3)})
    with pytest.raises(ValueError, match="colors: expected shape"):
        seed(random_points(), torch.zeros(3, 3))


def test_select_takes_masks_and_indices():
    splats = seed(random_points())
    assert len(splats.select(splats.means[:, 0] > 0.5)) < 60
    assert torch.equal(splats.select(torch.tensor([4, 2])).means, splats.means[[4, 2]])
