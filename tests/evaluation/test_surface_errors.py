"""Errors of pixels arrive at the vertices of what the pixels show."""

import numpy as np

from splatkit.evaluation.mesh_rendering import MeshRenderer, SurfaceHits
from splatkit.evaluation.surface_errors import SurfaceErrors
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.mesh import Mesh

CAMERA = PosedCamera("origin", Camera("pinhole", 80, 60, 60.0, 60.0, 40.0, 30.0), np.eye(4))


def sheet(z: float, columns: int = 12) -> Mesh:
    """A grid of triangles before a camera at the origin, wider than it sees."""
    x, y = np.meshgrid(np.linspace(-1, 1, columns + 1), np.linspace(-1, 1, columns + 1))
    corner = (np.arange(columns)[:, None] * (columns + 1) + np.arange(columns)).reshape(-1)
    first = np.stack([corner, corner + 1, corner + columns + 2], -1)
    second = np.stack([corner, corner + columns + 2, corner + columns + 1], -1)
    vertices = np.stack([x.ravel() * z, y.ravel() * z, np.full(x.size, z)], -1)
    return Mesh(vertices, np.concatenate([first, second]))


def test_errors_are_where_the_pixels_are_and_nothing_is_where_none_look():
    near, far = sheet(1.0), sheet(2.0)
    both = Mesh(np.concatenate([near.vertices, far.vertices]), np.concatenate([near.faces, far.faces + 169]))
    errors = SurfaceErrors(both)
    squared = np.where(np.arange(80) < 40, 0.01, 0.04) * np.ones((60, 1))
    squared[:, 60:] = np.nan
    errors.add(MeshRenderer(both).first_hits(CAMERA), squared)
    found = errors.vertex_errors()
    assert np.isnan(found[169:]).all()  # behind the near one
    x, y = near.vertices[:, 0], near.vertices[:, 1]
    inside = np.abs(y) < 0.3
    np.testing.assert_allclose(found[:169][inside & (x > -0.5) & (x < -0.2)], 0.1, rtol=1e-5)
    np.testing.assert_allclose(found[:169][inside & (x > 0.18) & (x < 0.3)], 0.2, rtol=1e-5)
    assert np.isnan(found[:169][inside & (x > 0.6)]).all()


def test_views_count_by_their_pixels():
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]))
    errors = SurfaceErrors(mesh)
    weights = np.full((1, 3, 3), 1 / 3, np.float32)
    errors.add(SurfaceHits(np.array([[0, 0, -1]]), weights), np.array([[0.01, 0.01, 9.0]]))
    errors.add(SurfaceHits(np.array([[0, -1, -1]]), weights), np.array([[0.07, np.nan, 9.0]]))
    np.testing.assert_allclose(errors.vertex_errors(), np.sqrt(0.03), rtol=1e-6)


def test_vertices_between_the_rays_take_their_neighbors_error():
    mesh = sheet(1.0)
    errors = SurfaceErrors(mesh)
    hit = np.flatnonzero((mesh.faces != 84).all(1))  # no ray meets the faces around the vertex in the middle
    errors.add(SurfaceHits(hit[None], np.full((1, len(hit), 3), 1 / 3, np.float32)), np.full((1, len(hit)), 0.04))
    np.testing.assert_allclose(errors.vertex_errors(), 0.2, rtol=1e-6)
