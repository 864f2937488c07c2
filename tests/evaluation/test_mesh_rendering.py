"""Views of textured meshes: the right texel at the right pixel, and scores that count what they say."""

import numpy as np
import pytest

from splatkit.evaluation.mesh_rendering import MeshRenderer, MeshView, score_view
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


def test_scores_are_over_usable_covered_pixels():
    image, coverage = np.full((4, 4, 3), 0.5, np.float32), np.ones((4, 4), np.float32)
    coverage[0] = 0
    photograph = np.full((4, 4, 3), 102, np.uint8)  # 0.4
    usable = np.ones((4, 4), bool)
    usable[:, 0] = False
    photograph[:, 0] = photograph[0] = 255  # does not count
    score = score_view(MeshView(image, coverage), photograph, usable)
    assert score.psnr == pytest.approx(20.0, abs=0.01)
    assert score.psnr_exposed > 100  # one factor explains all
    assert score.coverage == pytest.approx(9 / 12)
    assert score_view(MeshView(image, 0 * coverage), photograph, usable).coverage == 0
