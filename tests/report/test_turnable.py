"""Pages to turn hold all that they show, and ask for nothing outside of themselves."""

import base64
import io
import re

import numpy as np
import pytest
import trimesh

from splatkit.io.formats.gltf import glb_head, split_glb
from splatkit.io.mesh import Mesh, Texture
from splatkit.io.meshes import write_mesh
from splatkit.report.html import HtmlReport
from splatkit.report.turnable import turnable_glb, turnable_mesh, turnable_points

FAR = np.array([500_000.0, 4_000_000.0, 100.0])  # of a survey


def ball(subdivisions: int = 3) -> Mesh:
    found = trimesh.creation.icosphere(subdivisions)
    vertices = np.asarray(found.vertices) + FAR
    colors = np.where(found.vertices[:, 2:] > 0, [250, 10, 10], [10, 10, 250]).astype(np.uint8)
    return Mesh(vertices, np.asarray(found.faces, np.int64), colors)


def scene_of(page: str) -> trimesh.Scene:
    (encoded,) = re.findall(r'base64_data="([A-Za-z0-9+/=]+)"', page)
    scene = trimesh.load(io.BytesIO(base64.b64decode(encoded)), file_type="glb", force="scene", process=False)
    assert isinstance(scene, trimesh.Scene)
    return scene


def test_a_mesh_stands_upright_before_the_camera_in_its_colors():
    scene = scene_of(turnable_mesh(ball(), azimuth_deg=90.0))
    (shown,) = scene.geometry.values()
    assert np.abs(shown.vertices).max() < 1.1  # in single precision a survey's coordinates would jitter
    top = shown.visual.vertex_attributes["color"][np.argmax(shown.vertices[:, 1])]  # y is up in glTF
    assert top[:3].tolist() == [250, 10, 10]
    pose = scene.camera_transform
    eye = pose[:3, 3]
    np.testing.assert_allclose(-pose[:3, 2], -eye / np.linalg.norm(eye), atol=1e-6)  # looks at the middle
    assert pose[1, 1] > 0.5  # upright
    assert eye[2] < -1  # azimuth 90 degrees is y, which is -z there
    assert np.linalg.norm(eye) > 2


def test_large_meshes_are_decimated_and_keep_their_colors():
    (shown,) = scene_of(turnable_mesh(ball(5), max_faces=2000)).geometry.values()
    assert 1000 < len(shown.faces) <= 2000
    upper = shown.visual.vertex_attributes["color"][shown.vertices[:, 1] > 0.1]
    assert (upper[:, 0] > 200).all()


def test_of_many_points_evenly_chosen_ones_are_shown():
    points = np.random.default_rng(0).normal(size=(400_000, 3)) + FAR
    colors = np.full((400_000, 3), 77, np.uint8)
    (shown,) = scene_of(turnable_points(points, colors)).geometry.values()
    assert 60_000 < len(shown.vertices) <= 100_000
    assert (np.asarray(shown.colors)[:, :3] == 77).all()


def test_cameras_are_drawn_where_they_stand_and_look():
    points = np.random.default_rng(0).normal(size=(5000, 3)) + FAR
    pose = np.eye(4)
    pose[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]  # looks along y
    pose[:3, 3] = FAR + np.array([0, -8, 0])
    black = np.zeros((5000, 3), np.uint8)
    (shown,) = scene_of(turnable_points(points, black, pose[None])).geometry.values()
    drawn = np.asarray(shown.vertices)[np.asarray(shown.colors)[:, 0] == 228]
    assert len(drawn) == 8 * 24
    spread = np.ptp(drawn, axis=0)
    assert spread[2] == pytest.approx(spread[0] / 1.2, rel=0.01)  # y is -z in glTF; the base is 1.2 heights wide
    assert (drawn[:, 2] > 3).all()  # beside the points, which with it are centered
    many = np.repeat(pose[None], 1000, axis=0)
    (shown,) = scene_of(turnable_points(points, black, many)).geometry.values()
    assert (np.asarray(shown.colors)[:, 0] == 228).sum() == 250 * 8 * 24


def test_the_same_mesh_gives_the_same_page():
    assert turnable_mesh(ball()) == turnable_mesh(ball())


@pytest.mark.parametrize("points", [False, True])
def test_nothing_is_fetched(points: bool):
    mesh = ball()
    black = np.zeros(mesh.vertices.shape, np.uint8)
    page = turnable_points(mesh.vertices, black) if points else turnable_mesh(mesh)
    assert len(page) < 3e6
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)", page) == []
    outside = re.findall(r"https?://[^\"'\s)]+", page)
    assert {address.split("/")[2] for address in outside} <= {"www.w3.org", "github.com"}  # a namespace, a comment


@pytest.mark.parametrize("colored", [True, False])
def test_colors_are_shown_as_they_are_and_bare_shapes_are_lit(colored: bool):
    mesh = ball() if colored else Mesh(ball().vertices, ball().faces)
    (encoded,) = re.findall(r'base64_data="([A-Za-z0-9+/=]+)"', turnable_mesh(mesh))
    assert (b"KHR_materials_unlit" in base64.b64decode(encoded)) == colored


def test_a_report_keeps_a_page_apart():
    report = HtmlReport("title", "subtitle")
    report.section("turn")
    report.page('<p title="a">&</p>')
    assert '<iframe sandbox="allow-scripts" srcdoc="&lt;p title=&quot;a&quot;&gt;&amp;&lt;/p&gt;">' in report.render()


def test_a_glb_is_shown_as_it_is_but_for_a_camera_of_its_own(tmp_path):
    mesh = ball()
    uvs = np.random.default_rng(0).random((len(mesh.vertices), 2))
    image = np.random.default_rng(1).integers(0, 255, (16, 16, 3), np.uint8)
    write_mesh(tmp_path / "ball.glb", Mesh(mesh.vertices, mesh.faces, texture=Texture(image, uvs, mesh.faces, ".png")))
    content = (tmp_path / "ball.glb").read_bytes()
    page = turnable_glb(content, mesh.vertices, azimuth_deg=90.0)
    assert page.count("renderer.outputEncoding=THREE.sRGBEncoding;") == 1
    scene = scene_of(page)
    (shown,) = scene.geometry.values()
    np.testing.assert_array_equal(np.asarray(shown.visual.material.baseColorTexture.convert("RGB")), image)
    low, high = scene.bounds
    np.testing.assert_allclose([low, high], [[-1, -1, -1], [1, 1, 1]], atol=0.01)  # about the middle
    eye = scene.camera_transform[:3, 3]
    assert eye[2] < -1
    document, data = split_glb(content)
    assert glb_head(document, len(data)) + data == content
    assert [document["nodes"][index]["mesh"] for index in document["scenes"][0]["nodes"]] == [0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ply\n", "not a .glb of glTF 2.0"),
        (glb_head({"asset": {}}, 100) + b"\0" * 40, "cut off: 100 bytes of data are stated, 40 are there"),
    ],
)
def test_what_is_no_glb_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        split_glb(content)
