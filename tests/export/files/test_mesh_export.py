"""The export folder: complete, readable, and never half-written."""

import json

import numpy as np
import pytest

from splatkit.errors import EmptyMeshError
from splatkit.export.files.frames import ExportFrame
from splatkit.export.files.mesh_export import describe_mesh, write_mesh_export
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh
from splatkit.io.splats import SplatArrays, read_splats


def tetrahedron():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    return Mesh(vertices, faces, np.full((4, 3), 99, np.uint8))


def one_splat():
    ones = np.ones((1, 3), np.float32)
    scalar = np.full(1, 0.5, np.float32)
    return SplatArrays(
        ones, np.ones((1, 4), np.float32), ones, scalar, scalar * 6, ones, np.zeros((1, 0, 3), np.float32)
    )


def test_the_folder_holds_all_formats_and_the_record(tmp_path):
    out = tmp_path / "out"
    write_mesh_export(out, tetrahedron(), frame=ExportFrame(units="m"), record={"seed": 3}, splats=one_splat())
    assert sorted(path.name for path in out.iterdir()) == [
        "export.json",
        "mesh.glb",
        "mesh.obj",
        "mesh.ply",
        "splats.ply",
    ]
    for suffix in (".ply", ".obj", ".glb"):
        np.testing.assert_allclose(read_mesh(out / f"mesh{suffix}").vertices, tetrahedron().vertices)
    assert read_splats(out / "splats.ply").betas.tolist() == [3.0]
    record = json.loads((out / "export.json").read_text())
    assert (record["seed"], record["units"], record["splats"]["count"]) == (3, "m", 1)
    assert b"comment units: m" in (out / "mesh.ply").read_bytes()


def test_topology_is_reported():
    closed = describe_mesh(tetrahedron())
    assert (closed["watertight"], closed["boundary_edges"], closed["non_manifold_edges"]) == (True, 0, 0)
    assert closed["area"] == pytest.approx(1.5 + np.sqrt(3) / 2)
    opened = describe_mesh(Mesh(tetrahedron().vertices, tetrahedron().faces[:3]))
    assert (opened["watertight"], opened["boundary_edges"]) == (False, 3)
    doubled = describe_mesh(Mesh(tetrahedron().vertices, np.concatenate([tetrahedron().faces, [[0, 1, 2]]])))
    assert doubled["non_manifold_edges"] == 3


def test_nothing_is_left_of_a_failed_export(tmp_path):
    splats = one_splat()
    splats.means[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        write_mesh_export(tmp_path / "out", tetrahedron(), frame=ExportFrame(units="m"), record={}, splats=splats)
    empty = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    with pytest.raises(EmptyMeshError):
        write_mesh_export(tmp_path / "out", empty, frame=ExportFrame(units="m"), record={})
    assert list(tmp_path.iterdir()) == []
