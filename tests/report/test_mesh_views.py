"""Pictures of meshes show their size, their colors and their inside."""

import numpy as np
import pytest

from splatkit.io.mesh import Mesh
from splatkit.report.mesh_views import render_mesh_views
from splatkit.synthetic.solids import make_box, make_sphere


@pytest.fixture
def ball():
    solid = make_sphere(2.0)
    return Mesh(solid.vertices + np.array([10, 0, 0]), solid.faces)


def test_a_ball_is_a_disc_in_the_middle(ball):
    for image in render_mesh_views(ball, None, views=3, size=(80, 60)):
        covered = (image < 250).any(-1)
        rows, columns = np.nonzero(covered)
        assert abs(rows.mean() - 29.5) < 0.6
        assert abs(columns.mean() - 39.5) < 0.6
        assert 0.85 * 60 < np.ptp(rows) < 60  # it fills the shorter side and fits


def test_vertex_colors_are_shown(ball):
    colors = np.tile(np.array([[255, 0, 0]], np.uint8), (len(ball.vertices), 1))
    image = render_mesh_views(ball, colors, views=1, size=(40, 30))[0]
    assert image[15, 20, 0] > 150
    assert image[15, 20, 1] == image[15, 20, 2] == 0


def test_sides_differ_by_what_they_show(ball):
    colors = np.where(ball.vertices[:, :1] > 10, [[255, 0, 0]], [[0, 255, 0]]).astype(np.uint8)
    front, back = render_mesh_views(ball, colors, views=2, size=(40, 30))
    assert front[15, 20, 0] > front[15, 20, 1]
    assert back[15, 20, 0] < back[15, 20, 1]


def test_flipped_triangles_show_their_inside(ball):
    shown, flipped = (
        render_mesh_views(Mesh(ball.vertices, faces), None, views=1, size=(40, 30))[0].astype(int)
        for faces in (ball.faces, ball.faces[:, ::-1])
    )
    assert flipped[15, 20].sum() < shown[15, 20].sum() - 100


def test_edges_are_dark_lines_and_the_rest_is_as_without():
    box = make_box((1.0, 1.0, 1.0))
    mesh = Mesh(box.vertices, box.faces)
    (plain,), (drawn,) = (render_mesh_views(mesh, None, [20.0], size=(120, 90), edges=e) for e in (False, True))
    changed = (plain != drawn).any(-1)
    assert 0.02 < changed.mean() < 0.15
    assert drawn[changed].mean() < plain[changed].mean() - 20


def test_another_mesh_may_fix_the_frame(ball):
    small = Mesh((ball.vertices - [10, 0, 0]) / 2 + [10, 0, 0], ball.faces)
    (image,) = render_mesh_views(small, None, [0.0], size=(80, 60), frame=ball)
    rows = np.nonzero((image < 250).any(-1))[0]
    assert 0.4 * 60 < np.ptp(rows) < 0.5 * 60
