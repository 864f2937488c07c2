"""Texels where photographs resolve them, and true colors where charts meet."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from splatkit.evaluation.mesh_rendering import MeshRenderer
from splatkit.export.texture import texels as texels_module
from splatkit.export.texture import texturing
from splatkit.export.texture.resolution import face_resolutions
from splatkit.export.texture.settings import TextureSettings
from splatkit.export.texture.texturing import color_mesh
from splatkit.export.texture.visibility import MeshDepths
from splatkit.geometry.camera import Camera
from splatkit.io.images import write_image
from splatkit.io.mesh import Mesh
from splatkit.runs.views import RunView
from tests.export.texture.boards import board, look_down, ramp_errors, ramps

CAMERA = Camera("pinhole", 160, 120, 80.0, 80.0, 80.0, 60.0)
SETTINGS = TextureSettings(texture_size=256, unwrap_timeout_s=0)


def together(*meshes: Mesh) -> Mesh:
    counts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    return Mesh(vertices, np.concatenate([mesh.faces + first for mesh, first in zip(meshes, counts, strict=False)]))


def view(x: float, y: float, height: float) -> RunView:
    return RunView(Path("unread.png"), look_down(CAMERA, x, y, height), CAMERA)


def test_a_face_has_the_texels_of_the_photograph_that_shows_it_best():
    """80 px over 1.5 m and over 6 m; the power of two that is next to each."""
    near, far, unseen = board(ramps, 0.0, 0.5), board(ramps, -4.5, 8.0), board(ramps, 9.0, 8.0)
    mesh = together(near, far, unseen)
    views = [view(0.1, 0.0, 1.5), view(0.0, 0.1, 3.0)]
    found = face_resolutions(mesh, MeshDepths(mesh), views)
    np.testing.assert_array_equal(found, [64, 64, 16, 16, 0.5, 0.5])
    # Where none looks 2 along a face are enough; but for a large one, above, it is a sixteenth of the coarsest that is
    # seen, 11 px a meter at the rim of the far one.
    smaller = together(near, far, board(ramps, 9.0, 0.7))
    np.testing.assert_array_equal(face_resolutions(smaller, MeshDepths(smaller), views)[4:], [2, 2])


def cube(half: float) -> Mesh:
    corners = np.array([[x, y, z] for x in (-half, half) for y in (-half, half) for z in (-half, half)])
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    return Mesh(corners, np.array([[q[a], q[b], q[c]] for q in quads for a, b, c in ((0, 1, 2), (0, 2, 3))]))


def test_a_large_face_keeps_its_texels_whatever_is_around():
    """Of a cube only the top is seen, and both of its halves have more neighbors that are not."""
    mesh = cube(0.5)
    found = face_resolutions(mesh, MeshDepths(mesh), [view(0.0, 0.0, 2.0)])
    np.testing.assert_array_equal(found[10:], [64, 64])  # 80 px over 1.5 m
    assert (found[:10] <= 4).all()


def test_what_no_photograph_sees_is_alike():
    mesh = replace(board(ramps), texture=None)
    np.testing.assert_array_equal(face_resolutions(mesh, MeshDepths(mesh), [view(0.0, 0.0, -1.0)]), [1, 1])


def photographs(folder: Path, truth: Mesh, places: list[tuple[float, float, float]]) -> list[RunView]:
    out = []
    for index, place in enumerate(places):
        posed, path = look_down(CAMERA, *place), folder / f"{index}.png"
        write_image(path, MeshRenderer(truth).render(posed).image)
        out.append(RunView(path, posed, CAMERA))
    return out


def waves(row, column):
    return 127.5 + 100 * np.stack([np.sin(column / 4), np.sin(row / 4), np.sin((row + column) / 6)], -1)


def test_what_is_near_stays_sharp_beside_much_that_is_far(tmp_path, monkeypatch):
    truth = board(waves)
    far = board(ramps, 3.0, 30.0)  # behind the camera, and 900 times as large
    views = photographs(tmp_path, truth, [(-0.2, 0.1, 1.3), (0.2, -0.1, 1.3)])
    mesh, points = together(truth, far), np.random.default_rng(0).uniform(-0.6, 0.6, (2000, 2))
    rays = np.column_stack([points, np.full(2000, 0.25), np.tile([0.0, 0, -1], (2000, 1))]).astype(np.float32)
    true = MeshRenderer(truth).colors_along(rays)[0]

    def error() -> float:
        return float(np.abs(MeshRenderer(color_mesh(mesh, views, SETTINGS).mesh).colors_along(rays)[0] - true).mean())

    found = error()
    monkeypatch.setattr(texturing, "face_resolutions", lambda mesh, depths, views: np.ones(len(mesh.faces)))
    assert found < 0.06
    assert error() > 3 * found


def test_colors_are_true_where_charts_meet(tmp_path, monkeypatch):
    """Two charts of unlike resolution share the diagonal of the board."""
    truth = board(ramps)
    views = photographs(tmp_path, truth, [(-0.2, 0.1, 1.3), (0.2, -0.1, 1.3)])
    along = np.linspace(-0.6, 0.6, 400)
    aside = np.random.default_rng(0).uniform(-0.01, 0.01, (400, 1)) * [1, -1]
    monkeypatch.setattr(texturing, "face_resolutions", lambda mesh, depths, views: np.array([1.0, 2.0]))
    bare, small = replace(truth, texture=None), replace(SETTINGS, texture_size=64)
    found = ramp_errors(color_mesh(bare, views, small).mesh, np.stack([along, along], -1) + aside)
    monkeypatch.setattr(texels_module, "_FARTHEST", 0.0)  # none beside triangles
    before = ramp_errors(color_mesh(bare, views, small).mesh, np.stack([along, along], -1) + aside)
    assert found.max() < 3
    assert before.max() > 2 * found.max()


@pytest.mark.parametrize("size", [16, 64])
def test_a_texture_without_gaps_has_nothing_beside_triangles(size):
    whole = board(ramps)
    assert whole.texture is not None
    found = texels_module.rasterize_texels(whole.texture.uvs, whole.texture.faces, size)
    assert len(found.index) == size**2
    assert found.inside().all()
