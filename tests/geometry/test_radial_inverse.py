"""Inverses of functions that grow, up to a fold and far away."""

import numpy as np
import pytest
import torch

from splatkit.geometry.radial_inverse import inverse_table, solve

FUNCTIONS = {
    "straight": (lambda u: (u, 0 * u + 1), 3.0),
    "fold": (lambda u: (u - u**3 / 3, 1 - u * u), 1.0),
    "steep": (lambda u: (u + u**7, 1 + 7 * u**6), 500.0),
    "flat": (lambda u: (u / (1 + u), 1 / (1 + u) ** 2), 50.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_met_up_to_the_limit(name: str):
    function, limit = FUNCTIONS[name]
    expected = np.concatenate([np.linspace(0, min(limit, 4.0), 1000), limit * (1 - np.geomspace(1e-9, 0.1, 20))])
    targets = function(expected)[0]
    table = inverse_table(lambda u: function(u)[0], limit)
    found, exists = solve(targets, function, table)
    assert exists.all()
    np.testing.assert_allclose(function(found)[0], targets, rtol=1e-13, atol=1e-15)
    assert not solve(targets[-1:] * 0 + table.last * 1.001, function, table)[1].any()
    in_torch, _ = solve(torch.from_numpy(targets).float(), function, table)
    np.testing.assert_allclose(function(in_torch.double().numpy())[0], targets, rtol=1e-5, atol=1e-6)


def test_the_derivative_is_one_over_the_slope():
    function, limit = FUNCTIONS["fold"]
    targets = torch.linspace(0, 0.6, 20, dtype=torch.float64, requires_grad=True)
    found, _ = solve(targets, function, inverse_table(lambda u: function(u)[0], limit))
    (gradient,) = torch.autograd.grad(found.sum(), targets)
    torch.testing.assert_close(gradient, 1 / function(found.detach())[1])
