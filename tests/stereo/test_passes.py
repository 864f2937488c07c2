"""The order of passes, and planes carried from a coarse image to a finer one."""

import pytest
import torch

from splatkit.stereo.passes import plan_passes, refine_planes

SIDES = pytest.mark.parametrize("shortest_side", [1, 23, 47, 48, 90, 95, 96, 480, 4000])


@SIDES
def test_images_of_every_size_end_at_their_own_scale(shortest_side: int):
    passes = plan_passes(shortest_side)
    assert passes[-1].scale == 1
    assert passes[-1].geometric
    assert [stage.number for stage in passes] == list(range(len(passes)))
    assert len({stage.name for stage in passes}) == len(passes)
    assert [stage.geometric for stage in passes] == [False, True] * (len(passes) // 2)


@pytest.mark.parametrize(
    ("shortest_side", "scales"), [(47, [1]), (48, [2, 1]), (95, [2, 1]), (96, [4, 2, 1]), (4000, [4, 2, 1])]
)
def test_coarse_images_are_no_smaller_than_is_worth_a_pass(shortest_side: int, scales: list[int]):
    assert [stage.scale for stage in plan_passes(shortest_side) if not stage.geometric] == scales


@SIDES
def test_the_first_pass_sweeps_most_and_sweeps_of_a_scale_are_numbered_on(shortest_side: int):
    passes = plan_passes(shortest_side)
    sweeps = [len(stage.sweeps) for stage in passes if not stage.geometric]
    assert sweeps[0] == 4
    assert sweeps == sorted(sweeps, reverse=True)
    for photometric, geometric in zip(passes[::2], passes[1::2], strict=True):
        assert photometric.scale == geometric.scale
        assert photometric.first_sweep == 0
        assert geometric.first_sweep == len(photometric.sweeps)
        assert list(photometric.sweeps) == sorted(photometric.sweeps, reverse=True)  # ever stricter


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_refined_planes_have_the_same_depth_at_the_same_place(factor: int):
    """A plane's inverse depth is linear in the place, so the middle of a coarse pixel says that of every fine one."""
    plane = torch.tensor([0.003, -0.002, 0.25], dtype=torch.float64)
    planes = plane.expand(6, 8, 3).contiguous()
    height, width = 6 * factor, 8 * factor
    found = refine_planes(planes, factor, height, width)
    column, row = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
    inverse = found[..., 0] * column + found[..., 1] * row + found[..., 2]
    x, y = ((place + 0.5) / factor - 0.5 for place in (column.double(), row.double()))
    torch.testing.assert_close(inverse, plane[0] * x + plane[1] * y + plane[2], rtol=1e-12, atol=0)


def test_refined_pixels_take_the_plane_that_they_lie_in_and_beyond_the_border_the_last():
    planes = torch.zeros(2, 3, 3)
    planes[..., 2] = torch.arange(1, 7).reshape(2, 3)
    found = refine_planes(planes, 2, 5, 7)
    assert found.shape == (5, 7, 3)
    assert found.is_contiguous()
    expected = torch.tensor([[1, 1, 2, 2, 3, 3, 3]] * 2 + [[4, 4, 5, 5, 6, 6, 6]] * 3)
    torch.testing.assert_close(found[..., 2], expected.float())


def test_no_plane_stays_no_plane():
    assert not refine_planes(torch.zeros(3, 4, 3), 4, 12, 16).any()
