"""An object on a table, of which size, volume and surface are known by its formula."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from splatkit.errors import RefusedError
from splatkit.evaluation.geometry import point_to_surface
from splatkit.export.objects.cutting import _with_vertices_apart, cut_object, describe_object, object_verdict
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.mesh import Mesh

SIZE = np.array([0.4, 0.3, 0.5])


def cameras(count=12, degrees=360.0, outward=False):
    """On a ring around the z axis, looking at (0, 0, 0.2), or away from it."""
    lens = Camera.from_K("pinhole", np.array([[200.0, 0, 100], [0, 200, 75], [0, 0, 1]]), 200, 150)
    out = []
    for k in range(count):
        angle = np.radians(degrees) * k / count
        center = np.array([2 * np.cos(angle), 2 * np.sin(angle), 1.0])
        forward = (np.array([0, 0, 0.2]) - center) * (-1 if outward else 1)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0, 1])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3] = np.column_stack([right, np.cross(forward, right), forward, center])
        out.append(PosedCamera(f"{k}", lens, pose))
    return out


def box(size, middle, missing_top=0):
    """Sides and top of a box that stands on z = 0, in small faces; a few of those on top may be missing."""
    solid = trimesh.creation.box(size).subdivide().subdivide().subdivide()
    faces = solid.faces[solid.face_normals[:, 2] > -0.5]
    top = np.flatnonzero(solid.face_normals[solid.face_normals[:, 2] > -0.5][:, 2] > 0.5)
    kept = np.ones(len(faces), bool)
    kept[top[:missing_top]] = False
    return solid.vertices + np.array([*middle, size[2] / 2]), faces[kept]


def scene(noise=0.0):
    """A table with faces on it under what stands there, too, and a small box beside the object."""
    x, y = np.meshgrid(np.linspace(-1, 1, 81), np.linspace(-1, 1, 81))
    corner = np.arange(81 * 81).reshape(81, 81)[:-1, :-1].ravel()
    table = np.concatenate(
        [np.stack([corner, corner + 1, corner + 82], 1), np.stack([corner, corner + 82, corner + 81], 1)]
    )
    parts = [(np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1), table)]
    parts += [box(SIZE, (0.0, 0.0), missing_top=1), box((0.1, 0.1, 0.1), (0.6, 0.3))]
    starts = np.cumsum([0, *(len(v) for v, _ in parts)])
    vertices = np.concatenate([v for v, _ in parts])
    vertices = vertices + np.random.default_rng(0).normal(0, 1, vertices.shape) * noise
    return Mesh(vertices, np.concatenate([f + start for (_, f), start in zip(parts, starts, strict=False)]))


def as_trimesh(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_the_object_comes_alone_closed_and_true_to_size(noise):
    found = cut_object(scene(noise), cameras())
    solid = as_trimesh(found.mesh)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    # Noise of 1 mm moves each side by its mean over some 40 vertices or more, and the box by three of the largest.
    assert solid.volume == pytest.approx(SIZE.prod(), rel=0.01 if noise else 1e-6)
    np.testing.assert_allclose(solid.extents, SIZE, atol=1e-6 + 8 * noise)
    true = trimesh.creation.box(SIZE).apply_translation([0, 0, SIZE[2] / 2])
    away = point_to_surface(torch.from_numpy(solid.vertices), Mesh(true.vertices, true.faces))
    assert away.max() < 1e-6 + 5 * noise  # no floor is left
    assert found.record["watertight"]
    assert found.record["pieces_dropped"] == 1
    assert found.record["cap_area"] == pytest.approx(SIZE[0] * SIZE[1], rel=0.02)
    assert found.record["closed"]["holes"] == 1
    assert abs(found.record["support"]["normal"][2]) > 0.9999


def test_a_ring_gets_an_open_cap():
    """A tube that stands on end keeps its opening: volume and area are those of a tube."""
    tube = trimesh.creation.annulus(0.2, 0.3, 0.4, sections=64).subdivide().subdivide()
    table = scene()
    kept = tube.face_normals[:, 2] > -0.5
    plane = table.faces[: 2 * 80 * 80]
    vertices = np.concatenate([table.vertices[: 81 * 81], tube.vertices + np.array([0, 0, 0.2])])
    both = Mesh(vertices, np.concatenate([plane, tube.faces[kept] + 81 * 81]))
    solid = as_trimesh(cut_object(both, cameras()).mesh)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(tube.volume, rel=1e-5)
    assert solid.area == pytest.approx(tube.area, rel=1e-5)


def test_what_is_said_names_the_scale():
    found = cut_object(scene(), cameras())
    metric = describe_object(found.mesh, "m") | found.record
    assert object_verdict(metric) == "object: 0.4 x 0.3 x 0.5 m, volume 0.06, watertight"
    own = describe_object(replace(found.mesh, vertices=2 * found.mesh.vertices), "scene units") | found.record
    assert object_verdict(own) == "object: 0.8 x 0.6 x 1 scene units (no metric scale), volume 0.48, watertight"


@pytest.mark.parametrize(
    ("views", "reason"),
    [
        (cameras(outward=True), "do not look at one thing"),
        (cameras(degrees=120.0), "of 360 degrees"),
    ],
)
def test_without_views_from_around_it_is_refused(views, reason):
    with pytest.raises(RefusedError, match=f"object: .*{reason}"):
        cut_object(scene(), views)


def test_without_a_support_it_is_refused():
    ball = trimesh.creation.icosphere(3, 0.2).apply_translation([0, 0, 0.2])
    with pytest.raises(RefusedError, match="no plane that an object could stand on"):
        cut_object(Mesh(ball.vertices, ball.faces), cameras())


def test_pieces_that_touch_do_not_become_one_where_vertices_are_merged():
    """Two tetrahedra with one edge in common, as a file of coordinates alone has them."""
    one = np.array([[0.0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 1, 0]])
    vertices = np.concatenate([one, one * [-1, -1, 1]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    both = np.concatenate([faces, faces + 4])
    found = _with_vertices_apart(Mesh(vertices, both))
    read = trimesh.Trimesh(found.vertices.astype(np.float32), found.faces)  # merges equal vertices
    assert read.is_watertight
    assert not trimesh.Trimesh(vertices, both).is_watertight
    assert np.abs(found.vertices - vertices).max() <= 0.01
