"""Losses of measured depths and normals: closed forms, gradients, and which splats lie where rays have passed."""

import math

import pytest
import torch

from splatkit.splatting.depth_losses import (
    DepthSettings,
    before_nothing,
    floor_share_for,
    free_depths,
    in_free_space,
    normal_loss,
    robust_depth_loss,
    shortest_axes,
)

FLOOR = 0.01


def loss(rendered, depth, sigma=0.0):
    return robust_depth_loss(torch.tensor([rendered]), torch.tensor([depth]), torch.tensor([sigma]), FLOOR)


def test_residuals_count_in_deviations_and_uncertain_ones_count_less():
    assert math.isclose(loss(5.05, 5.0), math.log(2), rel_tol=1e-4)  # one floor away
    assert math.isclose(loss(4.95, 5.0), math.log(2), rel_tol=1e-4)
    deviation = math.hypot(0.05, 0.12)
    assert math.isclose(loss(5.0 + deviation, 5.0, 0.12), 0.05 / deviation * math.log(2), rel_tol=1e-4)
    assert loss(5.0, 5.0) == 0


def test_gradients_of_wrong_measurements_fade_with_their_distance():
    rendered = torch.tensor([5.01, 6.0, 50.0], requires_grad=True)
    robust_depth_loss(rendered, torch.full((3,), 5.0), torch.zeros(3), FLOOR).backward()
    torch.testing.assert_close(rendered.grad, 1 / 3 / (0.05 + torch.tensor([0.01, 1.0, 45.0])), rtol=1e-4, atol=0)


def test_loss_is_the_same_in_all_units():
    meters, feet = loss(5.3, 5.0, 0.02), loss(5.3 * 3.28, 5.0 * 3.28, 0.02 * 3.28)
    torch.testing.assert_close(meters, feet)


def test_only_splats_before_all_measurements_around_their_center_are_in_free_space():
    # Row 1 of a 4 x 6 image: a near measurement at column 1, far ones at columns 2 and 4.
    free = free_depths(torch.tensor([7, 8, 10], dtype=torch.int32), torch.tensor([3.0, 8.0, 9.0]), 6, 4)
    assert free[1].tolist() == [3.0, 3.0, 3.0, 8.0, 9.0, 9.0]
    assert (free[3] == 0).all()
    centers = torch.tensor([[1.5, 1.5], [1.5, 1.5], [3.5, 0.5], [3.5, 3.5], [9.0, 1.0], [4.5, 1.5]])
    far_ends = torch.tensor([2.5, 3.5, 7.0, 1.0, 1.0, -1.0])
    # Before the near one; behind it; before the far ones; nothing measured; outside; behind the camera.
    assert in_free_space(centers, far_ends, free).tolist() == [True, False, True, False, False, False]


def test_of_several_measurements_of_a_pixel_the_nearest_bounds_free_space():
    free = free_depths(torch.tensor([5, 5], dtype=torch.int32), torch.tensor([4.0, 2.0]), 3, 3)
    assert free[1, 2] == 2.0


def test_normal_loss_in_closed_form():
    normals, certainties = torch.tensor([[0.0, 0, -1]]), torch.tensor([0.4])
    for angle in (0.0, 0.3, math.pi - 0.3):  # an axis has two ends
        axis = torch.tensor([[math.sin(angle), 0.0, math.cos(angle)]])
        expected = 0.4 * math.sin(angle)
        assert math.isclose(normal_loss(axis, normals, certainties), expected, rel_tol=1e-3, abs_tol=1e-4)


def test_gradient_of_the_normal_loss():
    generator = torch.Generator().manual_seed(1)
    quats = torch.randn(5, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    normals = torch.nn.functional.normalize(torch.randn(5, 3, generator=generator, dtype=torch.float64), dim=1)
    scales = torch.tensor([[0.3, 0.1, 0.2]], dtype=torch.float64).expand(5, 3)
    weights = torch.linspace(0.2, 1, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda q: normal_loss(shortest_axes(q, scales), normals, weights), quats)


def test_shortest_axes_are_those_of_the_rotation():
    quats = torch.tensor([[1.0, 0, 0, 0], [math.sqrt(0.5), math.sqrt(0.5), 0, 0]])  # none, and 90 degrees about x
    axes = shortest_axes(quats, torch.tensor([[1.0, 2, 0.1], [1, 2, 0.1]]))
    torch.testing.assert_close(axes, torch.tensor([[0.0, 0, 1], [0, -1, 0]]), atol=1e-6, rtol=0)


def test_before_nothing_the_least_sure_pixel_around_a_center_counts():
    confidences = torch.zeros(5, 6)
    confidences[:4, :4] = 0.9
    confidences[1, 1] = 0.6
    centers = torch.tensor([[1.5, 1.5], [0.5, 0.5], [3.5, 2.5], [9.0, 1.0], [2.5, 3.5]])
    assert before_nothing(centers, confidences).tolist() == pytest.approx([0.6, 0.6, 0, 0, 0])


def test_floor_is_what_is_set_or_follows_the_typical_deviation_within_bounds():
    assert floor_share_for(DepthSettings(floor_share=0.03), 1e-4) == 0.03
    assert floor_share_for(DepthSettings(), 4e-4) == pytest.approx(0.002)
    assert floor_share_for(DepthSettings(), 1e-6) == 0.001
    assert floor_share_for(DepthSettings(), 0.07) == 0.01
    assert floor_share_for(DepthSettings(), None) == 0.01
