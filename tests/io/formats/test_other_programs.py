"""Open3D and trimesh open what is written, say nothing about it, and find the same mesh in it."""

import logging
from typing import Any

import numpy as np
import open3d as o3d
import pytest
import trimesh

from splatkit.io.mesh import Mesh, Texture
from splatkit.io.meshes import write_mesh


def textured_ball() -> Mesh:
    """With all that a mesh can have; each half has a part of the texture for itself."""
    ball = o3d.geometry.TriangleMesh.create_sphere(1.0, 12)
    vertices, faces = np.asarray(ball.vertices), np.asarray(ball.triangles).astype(np.int64)
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, vertices.shape).astype(np.uint8)
    sigmas = rng.uniform(1e-3, 1e-2, len(vertices)).astype(np.float32)
    sigmas[::7] = np.nan
    flat = 0.05 + 0.2 * (vertices[:, 1:] + 1)
    left = vertices[faces].mean(1)[:, 0] < 0
    uvs = np.concatenate([flat, flat + np.array([0.5, 0])])
    image = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    texture = Texture(image, uvs, faces + len(vertices) * left[:, None], ".png")
    return Mesh(vertices, faces, colors, vertices, texture, sigmas)


@pytest.fixture
def quiet(capfd, caplog):
    """Fails where a library warns, by its log or on the terminal."""
    with caplog.at_level(logging.WARNING):
        yield
    assert caplog.get_records("call") == []
    out, err = capfd.readouterr()
    assert "warning" not in (out + err).lower()


def corners_split() -> int:
    """How many pairs of a vertex and a place in the texture there are."""
    mesh = textured_ball()
    assert mesh.texture is not None
    pairs = np.stack([mesh.faces.reshape(-1), mesh.texture.faces.reshape(-1)], -1)
    return len(np.unique(pairs, axis=0))


def places_of_corners(loaded: np.ndarray) -> bool:
    """Whether places [F * 3, 2] in the texture are ours, counted from either of its edges."""
    texture = textured_ball().texture
    assert texture is not None
    ours = texture.uvs[texture.faces].reshape(-1, 2)
    return any(np.allclose(loaded, each, atol=1e-6) for each in (ours, ours * [1, -1] + [0, 1]))


def z_up(vertices: np.ndarray, suffix: str) -> np.ndarray:
    return np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], -1) if suffix == ".glb" else vertices


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb"])
def test_open3d(tmp_path, suffix, quiet):
    mesh, path = textured_ball(), tmp_path / f"a{suffix}"
    write_mesh(path, mesh, ("units: m",))
    loaded = o3d.io.read_triangle_mesh(str(path), enable_post_processing=True)
    vertices, faces = np.asarray(loaded.vertices), np.asarray(loaded.triangles)
    assert len(vertices) == (len(mesh.vertices) if suffix == ".ply" else corners_split())
    assert len(faces) == len(mesh.faces)
    np.testing.assert_allclose(z_up(vertices, suffix)[faces], mesh.vertices[mesh.faces], atol=1e-5)
    if suffix == ".ply":
        assert mesh.vertex_colors is not None
        np.testing.assert_allclose(np.asarray(loaded.vertex_colors) * 255, mesh.vertex_colors, atol=0.01)
    else:
        assert places_of_corners(np.asarray(loaded.triangle_uvs))
        assert [np.asarray(texture).shape for texture in loaded.textures] == [(64, 64, 3)]


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb"])
def test_trimesh(tmp_path, suffix, quiet):
    mesh, path = textured_ball(), tmp_path / f"a{suffix}"
    write_mesh(path, mesh, ("units: m",))
    loaded: Any = trimesh.load_mesh(path, process=False)
    assert len(loaded.vertices) == (len(mesh.vertices) if suffix == ".ply" else corners_split())
    assert len(loaded.faces) == len(mesh.faces)
    np.testing.assert_allclose(z_up(loaded.vertices, suffix)[loaded.faces], mesh.vertices[mesh.faces], atol=1e-5)
    if suffix == ".ply":
        assert mesh.vertex_colors is not None
        np.testing.assert_array_equal(loaded.visual.vertex_colors[:, :3], mesh.vertex_colors)
    else:
        assert places_of_corners(loaded.visual.uv[loaded.faces].reshape(-1, 2))


def test_sigmas_are_vertex_attributes_to_others(tmp_path, quiet):
    mesh = textured_ball()
    assert mesh.vertex_sigmas is not None
    expected = np.where(np.isnan(mesh.vertex_sigmas), -1, mesh.vertex_sigmas)
    write_mesh(tmp_path / "a.glb", mesh)
    loaded: Any = trimesh.load_mesh(tmp_path / "a.glb", process=False)
    found = np.asarray(loaded.vertex_attributes["_SIGMA"]).reshape(-1)
    np.testing.assert_array_equal(found[loaded.faces], expected[mesh.faces])
    write_mesh(tmp_path / "a.ply", mesh)
    raw: Any = trimesh.load_mesh(tmp_path / "a.ply", process=False).metadata["_ply_raw"]
    np.testing.assert_array_equal(raw["vertex"]["data"]["sigma"], expected)
