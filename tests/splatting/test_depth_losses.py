"""Losses of measured depths: closed forms, and which splats lie where rays have passed."""

import math

import torch

from splatkit.splatting.depth_losses import free_depths, in_free_space, robust_depth_loss

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
