"""First splats: sizes, colors and orientations as their points have them, and thinning that keeps what is sparse."""

import itertools

import pytest
import torch

from splatkit.geometry.rotation import quat_to_rotmat
from splatkit.splatting.seeding import splats_from_points, thin_on_grid


def seed(points, colors=None, max_splats=1000, sh_degree=3, normals=None):
    colors = torch.full(points.shape, 0.25) if colors is None else colors
    generator = torch.Generator().manual_seed(1)
    return splats_from_points(points, colors, sh_degree, max_splats, generator, normals=normals)


def random_points(n=60):
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(0))


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
    assert 15 < len(first) <= 20
    assert torch.equal(first.means, second.means)
    assert torch.equal(first.quats, second.quats)


def test_points_with_normals_become_disks_across_them_and_the_others_stay_round():
    normals = torch.randn(60, 3, generator=torch.Generator().manual_seed(2))
    normals[5], normals[6], normals[7] = torch.tensor([0.0, 0, -2]), torch.zeros(3), torch.full((3,), float("nan"))
    splats, round_ones = seed(random_points(), normals=normals), seed(random_points())
    flat = torch.ones(60, dtype=torch.bool)
    flat[6:8] = False
    axes = quat_to_rotmat(splats.quats)[:, :, 2]
    expected = torch.nn.functional.normalize(normals[flat], dim=1)
    torch.testing.assert_close((axes[flat] * expected).sum(1).abs(), torch.ones(58))
    torch.testing.assert_close(splats.scales[flat], round_ones.scales[flat] * torch.tensor([0.7, 0.7, 0.07]))
    assert torch.equal(splats.scales[~flat], round_ones.scales[~flat])
    torch.testing.assert_close(splats.quats.norm(dim=1), torch.ones(60))


def test_thinning_keeps_the_far_and_sparse_and_mixes_the_colors_of_the_near_and_dense():
    """A corner with 5000 points and a line with 50: at random the line would keep about two of 200 points."""
    generator = torch.Generator().manual_seed(0)
    dense = torch.rand(5000, 3, generator=generator)
    line = torch.stack([torch.linspace(3, 30, 50), torch.zeros(50), torch.zeros(50)], 1)
    points = torch.cat([dense, line])
    colors = (torch.arange(5050) % 2)[:, None].float().expand(-1, 3)
    kept, shades = thin_on_grid(points, colors, 200)
    assert 150 < len(kept) <= 200
    assert torch.equal(kept, kept.unique())
    assert (kept >= 5000).sum() > 20
    near = shades[kept < 5000]
    assert near.mean() == pytest.approx(0.5, abs=0.08)  # 0.473 to 0.518 over twelve seeds
    assert near.std() < 0.25  # 0.197 to 0.217; of single points it would be 0.5


def test_coinciding_points_are_thinned_to_one():
    assert len(seed(torch.ones(50, 3), max_splats=10)) == 1


def test_colors_and_normals_of_other_shapes_are_refused_by_name():
    with pytest.raises(ValueError, match="colors: expected shape"):
        seed(random_points(), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="normals: expected shape"):
        seed(random_points(), normals=torch.zeros(3, 3))


def test_cells_grow_with_what_a_pixel_sees():
    """A wall to the side of a camera, as dense near as far: twice as far a point may have four times the area."""
    generator = torch.Generator().manual_seed(0)
    wall = torch.rand(20_000, 3, generator=generator) * torch.tensor([31.0, 0.0, 4.0]) + torch.tensor([1.0, 1.0, 0.0])
    kept, _ = thin_on_grid(wall, wall, 500, footprints=(wall - torch.tensor([0.0, 0.0, 2.0])).norm(dim=1) / 300)
    x = wall[kept, 0]
    counts = [((x >= low) & (x < 2 * low)).sum() / low for low in (2, 4, 8)]
    assert 300 < len(kept) <= 500
    for near, far in itertools.pairwise(counts):
        assert 2.5 < near / far < 6.5
