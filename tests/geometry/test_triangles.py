"""Points drawn on meshes."""

import numpy as np
import pytest
import torch

from splatkit.geometry.triangles import sample_triangles
from splatkit.io.mesh import Mesh


def test_sampling_is_uniform_by_area():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [8, 0, 0], [5, 1, 0]], dtype=np.float64)
    points = sample_triangles(
        Mesh(vertices, np.array([[0, 1, 2], [3, 4, 5]])), 100_000, torch.Generator().manual_seed(0)
    )
    small = points[:, 0] < 2
    assert small.double().mean() == pytest.approx(0.25, abs=0.005)
    torch.testing.assert_close(points[small].mean(0), torch.tensor([1, 1, 0]).double() / 3, atol=0.01, rtol=0)


def test_points_lie_on_the_triangle():
    vertices = np.array([[0.0, 0, 1], [2, 0, 1], [0, 3, 1]])
    points = sample_triangles(Mesh(vertices, np.array([[0, 1, 2]])), 1000, torch.Generator().manual_seed(0))
    assert (points[:, 2] == 1).all()
    assert points.min() >= 0
    assert (points[:, 0] / 2 + points[:, 1] / 3).max() <= 1 + 1e-12


def test_triangles_without_area_are_never_drawn():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]])
    mesh = Mesh(vertices, np.array([[3, 3, 3], [0, 1, 2], [3, 3, 3]]))
    assert sample_triangles(mesh, 1000, torch.Generator().manual_seed(0)).max() <= 1
