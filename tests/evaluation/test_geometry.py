"""Surface distances on constructed answers."""

import numpy as np
import open3d as o3d
import pytest
import torch

from splatkit.evaluation.geometry import compare_surfaces, point_to_surface, visible_sample
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.mesh import Mesh


def plane(z, extent=1.0):
    vertices = np.array([[0, 0, z], [extent, 0, z], [extent, extent, z], [0, extent, z]], dtype=np.float64)
    return Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]]))


def sphere(radius):
    ball = o3d.geometry.TriangleMesh.create_sphere(radius, 80)
    return Mesh(np.asarray(ball.vertices), np.asarray(ball.triangles))


def test_parallel_planes_are_their_distance_apart():
    result = compare_surfaces(plane(0.25), plane(0.0), tau=0.2, samples=1000)
    for value in (result.accuracy_mean, result.accuracy_median, result.completeness_mean, result.chamfer):
        assert value == pytest.approx(0.25, abs=1e-6)
    assert (result.precision, result.recall, result.f_score) == (0, 0, 0)
    assert compare_surfaces(plane(0.25), plane(0.0), tau=0.3, samples=1000).f_score == 1


def test_concentric_spheres_are_the_difference_of_radii_apart():
    result = compare_surfaces(sphere(1.1), sphere(1.0), tau=0.2, samples=5000)
    assert result.accuracy_mean == pytest.approx(0.1, abs=1e-3)  # the spheres have facets
    assert result.completeness_mean == pytest.approx(0.1, abs=1e-3)


def test_a_missing_half_costs_completeness_only():
    """Truth: a unit square; reconstruction: its quarter. The truth lies outside by known distances."""
    result = compare_surfaces(plane(0.0, 0.5), plane(0.0), tau=1e-3, samples=200_000)
    assert result.accuracy_mean == pytest.approx(0, abs=1e-6)
    assert result.precision == 1
    assert result.recall == pytest.approx(0.25, abs=0.005)
    # Two strips at mean distance 1/4, and a corner square of side 1/2 at mean 0.5 * 0.7652 (mean distance to a corner).
    expected = 0.5 * 0.25 + 0.25 * 0.5 * 0.76520
    assert result.completeness_mean == pytest.approx(expected, abs=2e-3)


def test_a_surface_compared_with_itself_is_at_zero():
    result = compare_surfaces(sphere(1.0), sphere(1.0), tau=1e-4, samples=2000)
    assert result.chamfer < 1e-6
    assert result.f_score == 1


def test_points_are_measured_to_triangles_not_to_vertices():
    points = torch.tensor([[0.4, 0.3, 0.7], [2.0, 0.5, 0.0]])
    torch.testing.assert_close(point_to_surface(points, plane(0.0)), torch.tensor([0.7, 1.0]).double())


def cameras_above(count, width=100) -> list[PosedCamera]:
    """Cameras at z = 3 that look down at a square around (0.5, 0.5)."""
    pose = np.array([[1.0, 0, 0, 0.5], [0, -1, 0, 0.5], [0, 0, -1, 3], [0, 0, 0, 1]])
    return [PosedCamera("above", Camera("pinhole", width, 100, 100.0, 100.0, 50.0, 50.0), pose)] * count


def test_only_what_cameras_see_is_sampled():
    upper, lower = plane(1.0, 0.5), plane(0.0)
    both = Mesh(np.concatenate([upper.vertices, lower.vertices]), np.concatenate([upper.faces, lower.faces + 4]))
    points = visible_sample(both, cameras_above(3), samples=20_000)
    hidden = (points[:, 2] < 0.5) & (points[:, :2] < 0.24).all(-1)  # below the upper square, seen along the rays
    assert (points[:, 2] > 0.5).any()
    assert (points[:, 2] < 0.5).any()
    assert not hidden.any()


def test_points_seen_by_too_few_cameras_or_outside_the_image_are_left_out():
    assert len(visible_sample(plane(0.0), cameras_above(2), samples=100)) == 0
    assert len(visible_sample(plane(0.0), cameras_above(2), min_views=2, samples=100)) == 100
    left = visible_sample(plane(0.0), cameras_above(3, width=50), samples=1000)
    assert 400 < len(left) < 600
    assert left[:, 0].max() < 0.5


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="tau"):
        compare_surfaces(plane(0.0), plane(0.0), tau=0)
    with pytest.raises(ValueError, match="at least one triangle"):
        compare_surfaces(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), plane(0.0), tau=1)
