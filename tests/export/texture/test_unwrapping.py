"""Every triangle gets a place of its own, and always within a time that is known."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from splatkit.export.texture import unwrapping
from splatkit.export.texture.chart_surface import surface_for_charts
from splatkit.export.texture.charts import scale_charts
from splatkit.export.texture.projected_charts import project_charts
from splatkit.export.texture.texels import fill_gaps, rasterize_texels
from splatkit.export.texture.unwrapping import unwrap
from splatkit.io.mesh import Mesh


def knot(rings: int = 60, sides: int = 16) -> Mesh:
    """A tube along a trefoil knot: it lies over itself from every side."""
    t = np.linspace(0, 2 * np.pi, rings, endpoint=False)
    center = np.stack([np.sin(t) + 2 * np.sin(2 * t), np.cos(t) - 2 * np.cos(2 * t), -np.sin(3 * t)], -1)
    along = np.roll(center, -1, 0) - np.roll(center, 1, 0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, along)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
    vertices = center[:, None] + 0.4 * (np.cos(angle) * side[:, None] + np.sin(angle) * up[:, None])
    ring, step = np.mgrid[0:rings, 0:sides]
    a, b = ring * sides + step, ring * sides + (step + 1) % sides
    c, d = (a + sides) % (rings * sides), (b + sides) % (rings * sides)
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    return Mesh(vertices.reshape(-1, 3), faces)


def alike(mesh: Mesh) -> np.ndarray:
    """As many texels everywhere."""
    return np.ones(len(mesh.faces))


def uv_areas(uvs, faces) -> np.ndarray:
    a, b, c = (uvs[faces[:, i]].astype(np.float64) for i in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


@pytest.mark.parametrize("timeout_s", [60.0, 0.0])
def test_places_lie_inside_and_apart(timeout_s):
    mesh, size = knot(), 512
    found = unwrap(mesh, alike(mesh), size, timeout_s, 4.0)
    assert found.method == ("xatlas" if timeout_s else "projected charts")
    assert found.faces.shape == mesh.faces.shape
    assert found.uvs.min() >= 0
    assert found.uvs.max() <= 1
    areas = np.abs(uv_areas(found.uvs, found.faces))
    assert (areas > 0).all()
    # No texel belongs to two triangles: those that are found cover what all areas together say.
    covered = rasterize_texels(found.uvs, found.faces, size).inside().sum() / size**2
    assert covered == pytest.approx(areas.sum(), rel=0.03)
    assert covered > 0.15  # a tube's strips pack badly


def test_a_place_is_stretched_by_little():
    mesh = knot()
    uvs, faces = project_charts(mesh, alike(mesh), 1024)
    ratio = uv_areas(uvs, faces) / mesh.face_areas()
    assert (ratio > 0).all()
    assert ratio.max() / ratio.min() < 6  # in small charts, seen at up to 80 degrees
    assert (ratio.max() / ratio > 3.5).mean() < 0.05  # elsewhere at up to 70 degrees


def test_what_does_not_end_in_time_is_left_for_what_does():
    mesh = knot(200, 40)
    found = unwrap(mesh, alike(mesh), 512, 0.01, 4.0)
    assert found.method == "projected charts"
    assert [failure.split(" did")[0] for failure in found.failures] == ["xatlas", "packing by xatlas"]
    assert "within 0.007 s" in found.failures[0]


def test_charts_of_many_faces_are_projected_and_packed(monkeypatch):
    monkeypatch.setattr(unwrapping, "_MOST_FACES", 100)
    mesh = knot()
    found = unwrap(mesh, alike(mesh), 512, 60.0, 4.0)
    assert found.method == "projected charts, packed by xatlas"
    assert found.faces.shape == mesh.faces.shape
    areas = np.abs(uv_areas(found.uvs, found.faces))
    covered = rasterize_texels(found.uvs, found.faces, 512).inside().sum() / 512**2
    assert covered == pytest.approx(areas.sum(), rel=0.03)
    shelves = np.abs(uv_areas(*project_charts(mesh, alike(mesh), 512))).sum()
    assert areas.sum() > shelves


def test_a_crash_or_lack_of_memory_is_not_the_end():
    mesh = knot()
    found = unwrap(mesh, alike(mesh), 512, 60.0, 0.01)
    assert found.method == "projected charts"
    assert "failed" in found.failures[0]


def test_too_small_a_texture_says_so():
    with pytest.raises(ValueError, match="texture size: 8 px do not hold"):
        project_charts(knot(), alike(knot()), 8)


@pytest.mark.parametrize("timeout_s", [60.0, 0.0])
def test_each_part_has_the_texels_of_its_resolution(timeout_s):
    """A quarter of the tube is to be four times as fine, and one without area wants none."""
    mesh = knot()
    fine = mesh.vertices[mesh.faces].mean(1)[:, 0] > 1.5
    found = unwrap(mesh, np.where(fine, 4.0, 1.0), 1024, timeout_s, 4.0)
    assert found.method == ("xatlas" if timeout_s else "projected charts")
    density = uv_areas(found.uvs, found.faces) / mesh.face_areas()
    assert np.median(density[fine]) / np.median(density[~fine]) == pytest.approx(16, rel=0.1)
    inside = rasterize_texels(found.uvs, found.faces, 1024).inside().sum() / 1024**2
    assert inside == pytest.approx(np.abs(uv_areas(found.uvs, found.faces)).sum(), rel=0.03)  # none over another


def test_a_chart_is_scaled_to_its_texels():
    """Two squares of 1 m, drawn at scales of 1 and 2 px a meter, and a face of no area."""
    square = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], dtype=np.float64)
    flat = np.concatenate([square, 2 * square, np.zeros((1, 3, 2))])
    charts, areas = np.array([0, 0, 1, 1, 2]), np.array([0.5, 0.5, 0.5, 0.5, 0])
    scaled = scale_charts(flat, charts, areas, np.array([8.0, 8, 2, 2, 2]))
    np.testing.assert_allclose(scaled, np.concatenate([8 * square, 2 * square, np.zeros((1, 3, 2))]), rtol=1e-12)


def test_texels_beside_a_triangle_lie_in_its_plane():
    """Colors that are affine over a triangle go on outside of it, in the eight neighbors of each texel."""
    uvs, faces = np.array([[0.3, 0.3], [0.7, 0.35], [0.4, 0.8]]), np.array([[0, 1, 2]])
    found = rasterize_texels(uvs, faces, 64)
    places = found.interpolate(faces, uvs)
    row, column = np.divmod(found.index, 64)
    np.testing.assert_allclose(places, np.stack([column + 0.5, 63.5 - row], -1) / 64, atol=1e-5)
    known = np.zeros((66, 66), bool)
    known[row[found.inside()] + 1, column[found.inside()] + 1] = True
    around = np.any([known[i : i + 64, j : j + 64] for i in range(3) for j in range(3)], axis=0)
    np.testing.assert_array_equal(np.flatnonzero(around), found.index)


def test_degenerate_triangles_do_not_hurt():
    mesh = knot(20, 6)
    faces = np.concatenate([mesh.faces, [[0, 0, 1], [3, 3, 3]]])
    uvs, places = project_charts(Mesh(mesh.vertices, faces), np.ones(len(faces)), 256)
    assert np.isfinite(uvs).all()
    assert places.shape == faces.shape


def test_gaps_take_the_nearest_colors_and_known_ones_stay():
    rng = np.random.default_rng(0)
    known = rng.uniform(size=(37, 37)) < 0.02
    known[5, 7] = True
    image = np.where(known[..., None], [200.0, 40.0, 90.0], 0).astype(np.float32)
    filled = fill_gaps(image, known)
    np.testing.assert_allclose(filled, np.broadcast_to([200.0, 40, 90], filled.shape), rtol=1e-5)
    halves = np.zeros((64, 64, 3), np.float32)
    halves[:, :8], halves[:, -8:] = 10, 250
    mask = np.zeros((64, 64), bool)
    mask[:, :8] = mask[:, -8:] = True
    filled = fill_gaps(halves, mask)
    assert filled[:, 10].max() < 80
    assert filled[:, -11].min() > 180


def charts_of(uvs, faces) -> int:
    edges = faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(uvs),) * 2)
    return connected_components(graph, directed=False)[0]


def test_noise_does_not_make_charts():
    """A plane that all axes look at from the side, with noise of a third of an edge."""
    step, count = 0.1, 40
    x, y = np.meshgrid(np.arange(count), np.arange(count))
    heights = np.random.default_rng(0).normal(0, step / 3, count * count)
    corner = (x + count * y)[:-1, :-1].ravel()
    a, b, c, d = corner, corner + 1, corner + count, corner + count + 1
    faces = np.concatenate([np.stack([a, b, d], -1), np.stack([a, d, c], -1)])
    turned = np.linalg.qr(np.array([[1.0, 1, 1], [1, -1, 0], [0, 0, 1]]).T)[0][:, [1, 2, 0]]
    rough = Mesh(np.stack([x.ravel() * step, y.ravel() * step, heights], -1) @ turned.T, faces)
    even = surface_for_charts(rough)
    np.testing.assert_array_equal(even.faces, faces)
    found = unwrap(rough, alike(rough), 512, 0.0, 4.0)
    assert charts_of(found.uvs, found.faces) <= 14  # 4 to 9 over ten seeds of the noise
    assert charts_of(*project_charts(rough, alike(rough), 512)) > 130  # 187 to 233


def test_a_mesh_without_noise_is_charted_as_it_is():
    mesh = knot()
    assert surface_for_charts(mesh) is mesh


def test_charts_of_few_faces_join_what_sees_them():
    """A pyramid of 72 degrees stands on a plane of 200 faces: the plane's chart takes it, and would no steeper one."""
    for slope, charts in ((3.0, 1), (8.0, 5)):
        x, y = np.meshgrid(np.arange(11.0), np.arange(11.0))
        heights = np.where((x == 5) & (y == 5), slope, 0)
        corner = (np.arange(121).reshape(11, 11))[:-1, :-1].ravel()
        a, b, c, d = corner, corner + 1, corner + 11, corner + 12
        up = (x + y).ravel()[a] % 2 == 0
        first = np.where(up[:, None], np.stack([a, b, d], -1), np.stack([a, b, c], -1))
        second = np.where(up[:, None], np.stack([a, d, c], -1), np.stack([b, d, c], -1))
        mesh = Mesh(np.stack([x.ravel(), y.ravel(), heights.ravel()], -1), np.concatenate([first, second]))
        assert charts_of(*project_charts(mesh, alike(mesh), 512)) == charts
