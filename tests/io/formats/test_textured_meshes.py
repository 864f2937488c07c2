"""Textures arrive where they belong, in the eyes of other programs."""

import io
import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import open3d as o3d
import pytest
import trimesh
from PIL import Image

from splatkit.io.mesh import Mesh, Texture
from splatkit.io.meshes import write_mesh

COLORS = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90], [11, 22, 33]], np.uint8)


def patched() -> Mesh:
    """Two triangles of a square that lie apart in the texture, each in a color of its own, one with a green corner."""
    vertices = np.array([[0.0, 0, 0], [2, 0, 0], [2, 0, 1], [0, 0, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (200, 30, 30), (30, 30, 200)
    image[:16, 32:] = (30, 200, 30)  # the upper edge of the right half: v near 1
    uvs = np.array([[0.05, 0.05], [0.45, 0.05], [0.45, 0.95], [0.55, 0.05], [0.95, 0.95], [0.55, 0.95]])
    normals = np.tile([0.0, -1.0, 0.0], (4, 1))
    return Mesh(vertices, faces, COLORS, normals, Texture(image, uvs, np.array([[0, 1, 2], [3, 4, 5]]), ".png"))


def probe(loaded: Any, point) -> np.ndarray:
    """The color that trimesh finds at a point of the surface."""
    closest, _, face = trimesh.proximity.closest_point_naive(loaded, [point])
    corners = loaded.triangles[face]
    weights = trimesh.triangles.points_to_barycentric(corners, closest)[0]
    uv = weights @ loaded.visual.uv[loaded.faces[face[0]]]
    material = loaded.visual.material
    image = material.baseColorTexture if hasattr(material, "baseColorTexture") else material.image
    return np.asarray(trimesh.visual.color.uv_to_color([uv], image)[0])[:3]


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_colors_at_points_of_the_surface(tmp_path, suffix):
    write_mesh(tmp_path / f"a{suffix}", patched(), ("units: m",))
    loaded = trimesh.load_mesh(tmp_path / f"a{suffix}", process=False)
    turned = suffix == ".glb"  # y up
    for point, color in (
        ((1.6, 0, 0.3), (200, 30, 30)),  # of the first triangle
        ((0.3, 0, 0.4), (30, 30, 200)),  # of the second, near corner 0
        ((0.3, 0, 0.95), (30, 200, 30)),  # near corners 2 and 3, whose v is 0.95
    ):
        x, y, z = point
        assert probe(loaded, (x, z, -y) if turned else point).tolist() == list(color)
    assert loaded.face_normals[0] == pytest.approx([0, 0, 1] if turned else [0, -1, 0])


def read_glb(path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    magic, version, total = struct.unpack_from("<4sII", data)
    assert (magic, version, total) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    assert struct.unpack_from("<I4s", data, 20 + length)[1] == b"BIN\0"
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def test_a_glb_says_what_the_specification_asks(tmp_path):
    write_mesh(tmp_path / "a.glb", patched())
    document, binary = read_glb(tmp_path / "a.glb")
    (primitive,) = document["meshes"][0]["primitives"]
    assert "COLOR_0" not in primitive["attributes"]  # it would be multiplied with the texture
    material = document["materials"][primitive["material"]]
    assert "KHR_materials_unlit" in material["extensions"]
    assert document["extensionsUsed"] == ["KHR_materials_unlit"]
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    image = Image.open(io.BytesIO(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]))
    assert image.size == (64, 64)
    assert document["images"][0]["mimeType"] == "image/png"
    for each in document["bufferViews"]:
        assert each["byteOffset"] % 4 == 0
        assert each["byteOffset"] + each["byteLength"] <= document["buffers"][0]["byteLength"] <= len(binary)
    counts = {document["accessors"][index]["count"] for index in primitive["attributes"].values()}
    assert counts == {6}  # corners 0 and 2 lie at two places of the texture
    positions = document["accessors"][primitive["attributes"]["POSITION"]]
    assert (positions["min"], positions["max"]) == ([0, 0, 0], [2, 1, 0])


def test_both_sides_of_a_seam_have_the_sigma_of_their_vertex(tmp_path):
    mesh = replace(patched(), vertex_sigmas=np.array([0.1, 0.2, 0.3, np.nan], np.float32))
    write_mesh(tmp_path / "a.glb", mesh)
    document, binary = read_glb(tmp_path / "a.glb")
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["_SIGMA"]]
    start = document["bufferViews"][accessor["bufferView"]]["byteOffset"]
    found = np.frombuffer(binary, "<f4", accessor["count"], start)
    np.testing.assert_array_equal(found, np.array([0.1, 0.1, 0.2, 0.3, 0.3, -1], np.float32))


def test_an_obj_leads_to_its_material_and_image(tmp_path):
    write_mesh(tmp_path / "a.obj", patched(), ("units: m",))
    loaded = o3d.io.read_triangle_mesh(str(tmp_path / "a.obj"), enable_post_processing=True)
    assert len(loaded.textures) == 1
    assert np.asarray(loaded.textures[0]).shape == (64, 64, 3)
    uvs = np.asarray(loaded.triangle_uvs).reshape(2, 3, 2)
    expected = patched().texture
    assert expected is not None
    ours = expected.uvs[expected.faces]
    assert np.allclose(uvs, ours, atol=1e-6) or np.allclose(np.stack([uvs[..., 0], 1 - uvs[..., 1]], -1), ours)
    text = (tmp_path / "a.obj").read_text()
    assert "mtllib a.mtl" in text
    assert "usemtl surface" in text
    assert "map_Kd a.png" in (tmp_path / "a.mtl").read_text()


def test_a_ply_keeps_closed_surfaces_closed_and_vertex_colors(tmp_path):
    write_mesh(tmp_path / "a.ply", patched())
    loaded: Any = trimesh.load_mesh(tmp_path / "a.ply", process=False)
    assert len(loaded.vertices) == 4
    np.testing.assert_array_equal(loaded.visual.vertex_colors[:, :3], COLORS)
    other = o3d.io.read_triangle_mesh(str(tmp_path / "a.ply"))
    np.testing.assert_allclose(np.asarray(other.vertex_colors) * 255, COLORS, atol=0.01)


def test_an_stl_is_the_bare_shape(tmp_path):
    write_mesh(tmp_path / "a.stl", patched(), ("splatkit", "units: m"))
    assert (tmp_path / "a.stl").read_bytes().startswith(b"splatkit; units: m ")
    loaded = trimesh.load_mesh(tmp_path / "a.stl")
    assert loaded.area == pytest.approx(2.0)
    np.testing.assert_allclose(loaded.face_normals, [[0, -1, 0]] * 2)
    other = o3d.io.read_triangle_mesh(str(tmp_path / "a.stl"))
    assert len(other.triangles) == 2


def test_jpeg_textures_keep_fine_colors(tmp_path):
    mesh = patched()
    assert mesh.texture is not None
    column = np.arange(64)
    stripes = np.where((column % 2 == 0)[None, :, None], (255, 0, 0), (0, 0, 255)) * np.ones((64, 1, 1))
    texture = Texture(stripes.astype(np.uint8), mesh.texture.uvs, mesh.texture.faces)
    write_mesh(tmp_path / "a.obj", Mesh(mesh.vertices, mesh.faces, texture=texture))
    written = np.asarray(Image.open(tmp_path / "a.jpg")).astype(int)
    assert np.abs(written - stripes).mean() < 8  # 4:2:0 would mix neighbors: 100
