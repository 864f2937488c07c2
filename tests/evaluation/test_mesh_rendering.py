"""Views of textured meshes: the right texel at the right pixel."""

import numpy as np
import pytest

from splatkit.evaluation.mesh_rendering import MeshRenderer
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import compose
from splatkit.io.mesh import Mesh, Texture

CAMERA = PosedCamera("origin", Camera("pinhole", 40, 40, 40.0, 40.0, 20.0, 20.0), np.eye(4))


def square(textured: bool) -> Mesh:
    """One meter wide, a meter before a camera at the origin; the picture's quarters differ."""
    vertices = np.array([[-0.5, 0.5, 1], [0.5, 0.5, 1], [0.5, -0.5, 1], [-0.5, -0.5, 1]])  # y down: lower left first
    faces = np.array([[0, 2, 1], [0, 3, 2]])
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)
    image = np.zeros((40, 40, 3), np.uint8)
    image[20:, :20], image[20:, 20:], image[:20, 20:], image[:20, :20] = colors
    uvs = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    return Mesh(vertices, faces, colors, None, Texture(image, uvs, faces) if textured else None)


def test_each_pixel_shows_its_texel():
    view = MeshRenderer(square(True)).render(CAMERA)
    assert view.coverage.min() == 1
    texture = square(True).texture
    assert texture is not None
    inner = np.ones((40, 40), bool)
    inner[19:21], inner[:, 19:21] = False, False  # where colors are mixed
    np.testing.assert_allclose(view.image[inner] * 255, texture.image[inner], atol=0.01)


def test_vertex_colors_are_interpolated_and_what_is_not_there_is_black():
    moved = PosedCamera("moved", CAMERA.camera, compose(np.eye(3), np.array([0, 0, -1.0])))
    view = MeshRenderer(square(False)).render(moved)
    assert view.coverage.sum() == pytest.approx(400)  # half as wide and high from twice as far
    assert view.image[0, 0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(view.image[29, 10] * 255, [255, 0, 0], atol=20)
    np.testing.assert_allclose(
        MeshRenderer(Mesh(square(False).vertices, square(False).faces)).render(moved).image[20, 20], 0.7
    )


def test_first_hits_are_faces_and_places_in_them():
    mesh = square(False)
    moved = PosedCamera("moved", CAMERA.camera, compose(np.eye(3), np.array([0, 0, -1.0])))
    hits = MeshRenderer(mesh).first_hits(moved)
    shown = hits.faces >= 0
    assert shown.sum() == 400
    assert np.unique(hits.faces).tolist() == [-1, 0, 1]
    places = np.einsum("hwc,hwcd->hwd", hits.weights, mesh.vertices[mesh.faces[hits.faces]])
    rows, columns = np.nonzero(shown)
    np.testing.assert_allclose(places[shown][:, 0], (columns + 0.5 - 20) / 20, atol=1e-5)
    np.testing.assert_allclose(places[shown][:, 1], (rows + 0.5 - 20) / 20, atol=1e-5)
    assert (hits.weights[~shown] == 0).all()
