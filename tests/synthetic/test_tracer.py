"""The truth of generated scenes agrees with itself: depth with other views, with normals and with the mesh."""

import dataclasses

import numpy as np
import open3d as o3d
import pytest

from splatkit.synthetic.cameras import orbit_cameras
from splatkit.synthetic.description import Light, SceneObject, Texture, find_scene, read_scene
from splatkit.synthetic.tracer import Tracer, background_colors


@pytest.fixture(scope="module")
def description():
    return read_scene(find_scene("studio"))


@pytest.fixture(scope="module")
def tracer(description):
    return Tracer(description, seed=0)


@pytest.fixture(scope="module")
def cameras(description):
    return orbit_cameras(description.cameras, 96, 72, 12, phase=0.3)


@pytest.fixture(scope="module")
def views(tracer, cameras):
    rng = np.random.default_rng(0)
    return [tracer.render(camera, 2, rng) for camera in cameras]


def surface_points(camera, depths):
    """World points [M, 3] under the pixel centers that hit something, and the mask [H, W] of these."""
    rows, columns = np.mgrid[0 : camera.camera.height, 0 : camera.camera.width] + 0.5
    pixels = np.stack([columns, rows], axis=-1)[depths > 0]
    origins, directions = camera.rays(pixels)
    return origins + directions * depths[depths > 0][:, None], depths > 0


def is_edge(depths):
    """Pixels whose 3x3 neighborhood is no smooth surface: their depth says nothing about points in between."""
    padded = np.pad(depths, 1, mode="edge")
    shifts = [padded[r : r + depths.shape[0], c : c + depths.shape[1]] for r in range(3) for c in range(3)]
    return np.ptp(shifts, axis=0) > 0.05


def test_depth_reprojects_into_the_other_views(cameras, views):
    for i, j in ((0, 1), (3, 5), (7, 6)):
        points, _ = surface_points(cameras[i], views[i].depths)
        pixels, depths = cameras[j].image(points)
        inside = (depths > 0) & (pixels >= 0).all(-1) & (pixels < (96, 72)).all(-1)
        columns, rows = pixels[inside].astype(int).T
        smooth = ~is_edge(views[j].depths)[rows, columns]
        seen = views[j].depths[rows, columns][smooth]
        residual = depths[inside][smooth] - seen
        # A point may hide behind what view j sees, never float in front of it: half a pixel on a slope is 2 cm.
        assert residual.min() > -0.025
        assert (np.abs(residual) < 0.025).mean() > 0.7


def test_points_under_the_depth_lie_on_the_mesh(tracer, cameras, views):
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(*map(o3d.core.Tensor.from_numpy, (tracer.mesh.vertices, tracer.mesh.faces.astype(np.uint32))))
    for camera, view in zip(cameras, views, strict=True):
        points, _ = surface_points(camera, view.depths)
        distances = scene.compute_distance(o3d.core.Tensor.from_numpy(points.astype(np.float32))).numpy()
        assert np.median(distances) < 1e-6
        assert distances.max() < 1e-4  # m; the distance query works in float32


def test_normals_are_those_of_the_depth(cameras, views):
    for camera, view in zip(cameras[:4], views, strict=False):
        points, mask = surface_points(camera, view.depths)
        grid = np.full((72, 96, 3), np.nan)
        grid[mask] = points
        across, down = np.diff(grid, axis=1)[:-1], np.diff(grid, axis=0)[:, :-1]
        normals = np.cross(down, across)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        agreement = (normals * view.normals[:-1, :-1]).sum(-1)
        smooth = ~is_edge(view.depths)[:-1, :-1] & np.isfinite(agreement)
        assert np.median(agreement[smooth]) > 0.99999
        assert (agreement[smooth] > 0.98).mean() > 0.8


def test_normals_have_unit_length_and_face_the_camera(cameras, views):
    for camera, view in zip(cameras, views, strict=True):
        points, mask = surface_points(camera, view.depths)
        normals = view.normals[mask]
        np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-6)
        assert ((camera.center - points) * normals).sum(-1).min() > -1e-3
        assert (view.normals[~mask] == 0).all()


def test_background_shows_where_nothing_covers(description, views):
    for view in views:
        np.testing.assert_allclose(view.colors[view.alphas == 0], [description.background] * (view.alphas == 0).sum())
        assert 0.2 < view.alphas.mean() < 0.9


def test_an_opaque_backdrop_changes_from_below_to_the_zenith(description):
    scene = dataclasses.replace(description, background=(0.2, 0.4, 0.6), zenith=(1.0, 0.8, 0.6))
    directions = np.array([[0, 0, -2.0], [3, 0, 0], [0, 0, 0.5], [1, 0, -1]])
    share = (1 - np.sqrt(0.5)) / 2
    expected = [[0.2, 0.4, 0.6], [0.6, 0.6, 0.6], [1.0, 0.8, 0.6], [0.2 + 0.8 * share, 0.4 + 0.4 * share, 0.6]]
    np.testing.assert_allclose(background_colors(scene, directions), expected, atol=1e-6)


def test_colors_converge_with_supersampling(tracer, cameras):
    reference = tracer.render(cameras[0], 12, np.random.default_rng(1)).colors
    errors = [
        np.sqrt(((tracer.render(cameras[0], n, np.random.default_rng(2)).colors - reference) ** 2).mean())
        for n in (1, 2, 4)
    ]
    assert errors[1] < 0.65 * errors[0]  # better than the 1/n of plain random sampling would be 0.5
    assert errors[2] < 0.65 * errors[1]


def test_light_and_shadow_are_those_of_the_formula(description):
    """A ball in the lamp's way over a plate: ambient light below it, ambient and diffuse light beside it."""
    gray = Texture("solid", ((0.5, 0.5, 0.5), (0.0, 0.0, 0.0)), grain=0.0)
    plate = SceneObject("plate", "box", gray, position=(0.0, 0.0, -0.5), size=(4.0, 4.0, 1.0))
    ball = SceneObject("ball", "sphere", gray, position=(0.0, 0.0, 1.0), radius=0.2)
    light = Light(direction=(0.0, 0.0, 2.0), diffuse=0.6, ambient=0.4)
    tracer = Tracer(dataclasses.replace(description, objects=(plate, ball), light=light), seed=0)
    points = np.array([[0.0, 0.0, 0.0], [0.19, 0.0, 0.0], [0.21, 0.0, 0.0], [1.0, 1.0, 0.0]])
    colors = tracer.colors_at(points, np.array([2.0, 0.0, 0.5]))
    np.testing.assert_allclose(colors[:, 0], [0.2, 0.2, 0.5, 0.5], atol=1e-6)


def test_a_camera_looks_at_its_target(description):
    for camera in orbit_cameras(description.cameras, 40, 30, 7, phase=1.0):
        pixels, depths = camera.image(np.array([description.cameras.target]))
        np.testing.assert_allclose(pixels, [[20, 15]], atol=1e-9)
        assert depths > 1
        np.testing.assert_allclose(
            camera.rays(pixels)[1] * depths + camera.center, [description.cameras.target], atol=1e-9
        )
        assert camera.T_world_camera[2, 1] < 0  # image rows run downward in the world
