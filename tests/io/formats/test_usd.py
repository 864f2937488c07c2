"""USDZ files in the eyes of usd-core's own reader and checker."""

import importlib.util
import zipfile

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import require_writer, write_mesh
from tests.io.formats.test_textured_meshes import COLORS, patched

pxr = pytest.importorskip("pxr", reason="usd-core is not installed")


def opened(path):
    """The mesh's prim and its stage; who loses the stage loses the prim."""
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(str(path))
    return UsdGeom.Mesh(stage.GetPrimAtPath("/scan/mesh")), stage


def test_shape_and_places_in_the_texture_come_back(tmp_path):
    from pxr import UsdGeom, UsdShade

    mesh = patched()
    write_mesh(tmp_path / "a.usdz", mesh, ("units: m", "frame: input"))
    shape, stage = opened(tmp_path / "a.usdz")
    points = np.array(shape.GetPointsAttr().Get())
    np.testing.assert_allclose(points, mesh.vertices[:, [0, 2, 1]] * [1, 1, -1], atol=1e-7)  # x, z, -y
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert np.array(shape.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3).tolist() == mesh.faces.tolist()
    assert shape.GetSubdivisionSchemeAttr().Get() == "none"
    places = UsdGeom.PrimvarsAPI(shape).GetPrimvar("st")
    assert mesh.texture is not None
    assert places.GetInterpolation() == "faceVarying"
    expected = mesh.texture.uvs[mesh.texture.faces.reshape(-1)]
    np.testing.assert_allclose(np.array(places.ComputeFlattened()), expected, atol=1e-7)
    assert np.array(shape.GetNormalsAttr().Get()).tolist() == [[0, 0, 1]] * 4  # -y of the project
    material, _ = UsdShade.MaterialBindingAPI(shape.GetPrim()).ComputeBoundMaterial()
    assert material.GetPath() == "/scan/material"
    assert stage.GetMetadata("comment") == "units: m\nframe: input"


def test_the_package_is_what_the_specification_asks_for(tmp_path):
    write_mesh(tmp_path / "a.usdz", patched())
    with zipfile.ZipFile(tmp_path / "a.usdz") as package:
        entries = package.infolist()
        assert [entry.filename for entry in entries] == ["mesh.usdc", "texture.png"]
        assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
        for entry in entries:
            content = (tmp_path / "a.usdz").read_bytes().index(package.read(entry)[:64], entry.header_offset)
            assert content % 64 == 0  # so that it can be mapped into memory
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.usdz"]


@pytest.mark.parametrize("kind", ["textured", "colored", "bare"])
def test_all_validators_of_usd_are_content(tmp_path, kind):
    from pxr import Usd

    validation = pytest.importorskip("pxr.UsdValidation", reason="this usd-core has no validators")
    mesh = patched()
    if kind != "textured":
        mesh = Mesh(mesh.vertices, mesh.faces, COLORS if kind == "colored" else None)
    write_mesh(tmp_path / "a.usdz", mesh)
    validators = validation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) >= 20
    found = validation.ValidationContext(validators).Validate(Usd.Stage.Open(str(tmp_path / "a.usdz")))
    assert [error.GetErrorAsString() for error in found] == []


def test_colors_are_linear_and_sigmas_stay(tmp_path):
    from pxr import UsdGeom

    sigmas = np.array([0.1, np.nan, 0.25, 0.5], np.float32)
    mesh = patched()
    write_mesh(tmp_path / "a.usdz", Mesh(mesh.vertices, mesh.faces, COLORS, vertex_sigmas=sigmas))
    shape, _stage = opened(tmp_path / "a.usdz")
    primvars = UsdGeom.PrimvarsAPI(shape)
    colors = np.array(primvars.GetPrimvar("displayColor").Get())
    np.testing.assert_allclose(colors[1], ((COLORS[1] / 255 + 0.055) / 1.055) ** 2.4, atol=1e-6)
    assert np.array(primvars.GetPrimvar("sigma").Get()).tolist() == pytest.approx([0.1, -1, 0.25, 0.5])


def test_coordinates_of_a_survey_stay_exact(tmp_path):
    from pxr import Usd, UsdGeom

    mesh = patched()
    far = np.array([691_000.25, 5_334_000.5, 520.125])
    write_mesh(tmp_path / "a.usdz", Mesh(mesh.vertices + far, mesh.faces))
    shape, _stage = opened(tmp_path / "a.usdz")
    matrix = UsdGeom.XformCache(Usd.TimeCode.Default()).GetLocalToWorldTransform(shape.GetPrim())
    placed = np.array([matrix.Transform(tuple(map(float, point))) for point in shape.GetPointsAttr().Get()])
    expected = (mesh.vertices + far)[:, [0, 2, 1]] * [1, 1, -1]
    np.testing.assert_allclose(placed, expected, rtol=0, atol=1e-6)


def test_without_usd_core_it_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"mesh.usdz: USD is written by usd-core; install it by pip install"):
        require_writer(tmp_path / "mesh.usdz")
    require_writer(tmp_path / "mesh.glb")


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    from pxr import UsdUtils

    write_mesh(tmp_path / "a.usdz", patched())
    before = (tmp_path / "a.usdz").read_bytes()
    monkeypatch.setattr(UsdUtils, "CreateNewUsdzPackage", lambda *arguments: False)
    with pytest.raises(DatasetError, match=r"a\.usdz: usd-core could not pack it"):
        write_mesh(tmp_path / "a.usdz", patched())
    assert (tmp_path / "a.usdz").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.usdz"]
