"""Surfaces far from everything that was measured are no surfaces."""

import numpy as np
import pytest
import torch

from splatkit.errors import DatasetError, SettingsError
from splatkit.export.surface.field_grid import FieldGrid, extract_mesh, forget_far_from
from splatkit.export.surface.make_surface import make_surface
from splatkit.export.surface.settings import SurfaceSettings


def sphere_grid():
    """A sphere of radius 1 about the origin, observed everywhere, on cells of 0.1."""
    axis = torch.arange(-15, 16)
    coordinates = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    values = (coordinates * 0.1).float().norm(dim=-1).sub(1).div(0.1)
    return FieldGrid(torch.full((3,), -15), 0.1, values, torch.ones_like(values, dtype=torch.bool))


def test_only_what_is_near_to_points_stays():
    grid = sphere_grid()
    directions = np.random.default_rng(0).standard_normal((4000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    upper = directions[directions[:, 2] > 0]
    assert len(extract_mesh(grid).faces) > 1000
    assert forget_far_from(grid, upper, 0.25) > 1000
    vertices = extract_mesh(grid).vertices
    assert len(vertices) > 500
    assert vertices[:, 2].min() == pytest.approx(-0.2, abs=0.15)
    assert vertices[:, 2].max() > 0.95
    assert forget_far_from(grid, upper, 0.25) == 0  # nothing is left to forget
    forget_far_from(grid, upper + 5, 0.25)
    assert len(extract_mesh(grid).faces) == 0


def test_the_distance_is_checked_and_needs_a_cloud():
    with pytest.raises(SettingsError, match="max_distance_from_points"):
        SurfaceSettings(max_distance_from_points=0.0)
    with pytest.raises(DatasetError, match="no cloud"):
        make_surface(None, SurfaceSettings(max_distance_from_points=1.0))  # type: ignore[arg-type]  # not looked at
