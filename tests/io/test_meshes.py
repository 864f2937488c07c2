"""Meshes survive each format, in the frame that the format demands."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.errors import DatasetError
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh, write_mesh


def tetrahedron():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    colors = np.array([[0, 64, 255], [200, 0, 0], [128, 128, 128], [30, 90, 170]], np.uint8)
    normals = vertices - vertices.mean(0)
    return Mesh(vertices, faces, colors, normals / np.linalg.norm(normals, axis=1, keepdims=True))


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb"])
@pytest.mark.parametrize("with_normals", [False, True])
def test_what_is_written_is_read_back(tmp_path, suffix, with_normals):
    mesh = tetrahedron()
    mesh = mesh if with_normals else Mesh(mesh.vertices, mesh.faces, mesh.vertex_colors)
    path = tmp_path / f"a{suffix}"
    write_mesh(path, mesh, comments=("units: m",))
    read = read_mesh(path)
    np.testing.assert_allclose(read.vertices, mesh.vertices, atol=1e-6)
    np.testing.assert_array_equal(read.faces, mesh.faces)
    assert read.vertex_colors is not None
    assert mesh.vertex_colors is not None
    np.testing.assert_array_equal(read.vertex_colors, mesh.vertex_colors)


def test_a_mesh_without_colors_has_none(tmp_path):
    mesh = tetrahedron()
    for suffix in (".ply", ".obj", ".glb"):
        write_mesh(tmp_path / f"a{suffix}", Mesh(mesh.vertices, mesh.faces))
        assert read_mesh(tmp_path / f"a{suffix}").vertex_colors is None


@pytest.mark.parametrize("suffix", [".ply", ".glb"])
def test_sigmas_are_read_back_and_the_unknown_stay_unknown(tmp_path, suffix):
    sigmas = np.array([0.001, np.nan, 0.25, 0.0], np.float32)
    write_mesh(tmp_path / f"a{suffix}", replace(tetrahedron(), vertex_sigmas=sigmas))
    read = read_mesh(tmp_path / f"a{suffix}")
    assert read.vertex_sigmas is not None
    np.testing.assert_array_equal(read.vertex_sigmas, sigmas)
    assert read.vertex_colors is not None
    write_mesh(tmp_path / f"b{suffix}", tetrahedron())
    assert read_mesh(tmp_path / f"b{suffix}").vertex_sigmas is None


@pytest.mark.parametrize("suffix", [".obj", ".stl"])
def test_formats_without_a_place_for_sigmas_leave_them_out(tmp_path, suffix):
    write_mesh(tmp_path / f"a{suffix}", tetrahedron())
    (tmp_path / f"a{suffix}").rename(tmp_path / "without")
    write_mesh(tmp_path / f"a{suffix}", replace(tetrahedron(), vertex_sigmas=np.ones(4, np.float32)))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / "without").read_bytes()


def test_sigmas_of_a_text_ply_are_read(tmp_path):
    head = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    head += "property float sigma\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
    (tmp_path / "a.ply").write_text(head + "0 0 0 0.5\n1 0 0 nan\n0 1 0 -1\n3 0 1 2\n")
    found = read_mesh(tmp_path / "a.ply").vertex_sigmas
    assert found is not None
    np.testing.assert_array_equal(found, np.array([0.5, np.nan, np.nan]))


def test_glb_is_y_up(tmp_path):
    write_mesh(tmp_path / "a.glb", tetrahedron())
    loaded = trimesh.load_mesh(tmp_path / "a.glb", process=False)
    np.testing.assert_allclose(loaded.bounds, [[0, 0, -2], [1, 3, 0]], atol=1e-6)
    assert loaded.volume == pytest.approx(1.0)  # 1 * 2 * 3 / 6, positive: the triangles still face outward


def test_areas_and_normals_of_faces():
    mesh = tetrahedron()
    np.testing.assert_allclose(mesh.face_areas(), [1.0, 1.5, 3.0, 3.5])
    np.testing.assert_allclose(mesh.face_normals()[:3], [[0, 0, -1], [0, -1, 0], [-1, 0, 0]], atol=1e-12)


def test_unusable_files_say_why(tmp_path):
    with pytest.raises(ValueError, match=r"\.ply, \.obj, \.glb, \.stl"):
        write_mesh(tmp_path / "a.dae", tetrahedron())
    with pytest.raises(FileNotFoundError, match="no such mesh"):
        read_mesh(tmp_path / "a.ply")
    for suffix in (".ply", ".glb"):
        (tmp_path / f"a{suffix}").write_bytes(b"garbage")
        with pytest.raises(DatasetError, match=r"not a readable mesh|no triangles"):
            read_mesh(tmp_path / f"a{suffix}")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    boxes=st.integers(1, 4),
    relative=st.booleans(),
    further=st.sampled_from(["", "/{0}", "//{0}", "/{0}/{0}"]),
    seed=st.integers(0, 99),
)
def test_objects_with_relative_indices_are_what_absolute_ones_are(boxes, relative, further, seed, tmp_path_factory):
    """Source: trimesh #2364: -1 is the last vertex of the file so far, whatever object it belongs to."""
    rng = np.random.default_rng(seed)
    lines, corners = [], []
    for number in range(boxes):
        lines.append(f"o part{number}")
        points = rng.normal(size=(4, 3)).round(4)
        for point in points:
            lines += ["v {} {} {}".format(*point), "vt 0 0", "vn 0 0 1"]
        for face in ((0, 1, 2), (1, 3, 2)):
            shown = [index - 4 if relative else 4 * number + index + 1 for index in face]
            lines.append("f " + " ".join(f"{index}{further.format(index)}" for index in shown))
            corners.append(points[list(face)])
    path = tmp_path_factory.getbasetemp() / "objects.obj"
    path.write_text("\n".join(lines))
    read = read_mesh(path)
    found = sorted(read.vertices[read.faces].round(4).tolist())
    assert found == sorted(np.array(corners).tolist())
