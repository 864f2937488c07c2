"""Files of other programs become files of others; what the new kind has no room for is said."""

import laspy
import numpy as np
import pytest

from splatkit.cli import main
from splatkit.errors import DatasetError
from splatkit.export.files.conversion import convert
from splatkit.export.settings import ConvertSettings
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh, write_mesh
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud, write_point_cloud
from splatkit.io.splat_formats.formats import read_splat_file
from splatkit.io.splats import write_splats
from tests.io.test_splats import random_splats

COLORS = np.array([[0, 10, 20], [255, 0, 0], [9, 9, 9]], np.uint8)
TRIANGLE = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 1]]), np.array([[0, 1, 2]]), COLORS)
PTX = "1\n1\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n1 0 0 0\n0 1 0 0\n0 0 1 0\n{x} 0 0 1\n1 2 3 0.5\n"


@pytest.mark.parametrize("ending", [".sog", ".spz", ".compressed.ply", ".glb", ".splat", "/lod-meta.json"])
def test_splats_become_other_files_and_come_back(tmp_path, ending):
    write_splats(tmp_path / "a.ply", random_splats(50, 3))
    there = convert(ConvertSettings(tmp_path / "a.ply", tmp_path / f"b{ending}"))
    back = convert(ConvertSettings(tmp_path / f"b{ending}", tmp_path / "c.ply"))
    assert there.what == back.what == "50 splats"
    assert back.lost == ()
    means = read_splat_file(tmp_path / "c.ply").means
    reach = 0.01 * np.abs(random_splats(50, 3).means).max()
    np.testing.assert_allclose(np.sort(means, 0), np.sort(random_splats(50, 3).means, 0), rtol=0, atol=reach)


def test_a_mesh_keeps_its_colors_where_they_have_room(tmp_path):
    write_mesh(tmp_path / "a.ply", TRIANGLE)
    assert convert(ConvertSettings(tmp_path / "a.ply", tmp_path / "b.glb")).lost == ()
    assert convert(ConvertSettings(tmp_path / "b.glb", tmp_path / "c.ply")).lost == ("a texture, if it has one",)
    read = read_mesh(tmp_path / "c.ply")
    np.testing.assert_allclose(read.vertices, TRIANGLE.vertices, atol=1e-6)
    np.testing.assert_allclose(np.asarray(read.vertex_colors).astype(int), COLORS, atol=1)
    bare = convert(ConvertSettings(tmp_path / "a.ply", tmp_path / "d.stl"))
    assert (bare.what, bare.lost) == ("3 vertices, 1 faces", ("the colors of its vertices",))


def test_scans_with_poses_become_one_cloud(tmp_path, capsys):
    (tmp_path / "a.ptx").write_text(PTX.format(x=0) + PTX.format(x=10) + PTX.format(x=0).replace("1 2 3", "0 0 0"))
    main(["convert", str(tmp_path / "a.ptx"), str(tmp_path / "b.ply")])
    said = capsys.readouterr().out
    assert "b.ply: 2 points of 2 scans; not in it: a.ptx scan 2: no ray came back" in said
    cloud = read_point_cloud(tmp_path / "b.ply")
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3], [11, 2, 3]])
    np.testing.assert_array_equal(np.asarray(cloud.intensity), [0.5, 0.5])


def test_what_cannot_be_converted_is_one_line(tmp_path):
    (tmp_path / "notes.md").write_text("x")
    write_point_cloud(tmp_path / "a.ply", PointCloud(np.ones((3, 3))))
    with pytest.raises(DatasetError, match=r"notes\.md: not a file that can be converted; expected splats"):
        convert(ConvertSettings(tmp_path / "notes.md", tmp_path / "b.ply"))
    with pytest.raises(FileNotFoundError, match=r"none\.ply: no such file"):
        convert(ConvertSettings(tmp_path / "none.ply", tmp_path / "b.ply"))
    with pytest.raises(ValueError, match=r"b\.obj: point clouds are written as \.ply"):
        convert(ConvertSettings(tmp_path / "a.ply", tmp_path / "b.obj"))
    with pytest.raises(FileExistsError, match=r"a\.ply exists; choose another name or pass --overwrite"):
        convert(ConvertSettings(tmp_path / "a.ply", tmp_path / "a.ply"))
    write_splats(tmp_path / "s.ply", random_splats(5, 0))
    with pytest.raises(ValueError, match=r"b\.obj: splats are written as"):
        convert(ConvertSettings(tmp_path / "s.ply", tmp_path / "b.obj"))


def test_meshes_become_usdz_and_usdz_is_not_read(tmp_path):
    pytest.importorskip("pxr", reason="usd-core is not installed")
    write_mesh(tmp_path / "a.ply", TRIANGLE)
    done = convert(ConvertSettings(tmp_path / "a.ply", tmp_path / "a.usdz"))
    assert (done.what, done.lost) == ("3 vertices, 1 faces", ())
    with pytest.raises(DatasetError, match=r"a\.usdz: not a file that can be converted"):
        convert(ConvertSettings(tmp_path / "a.usdz", tmp_path / "b.ply"))


@pytest.mark.parametrize(
    ("number", "text", "name"),
    [
        (2112, 'PROJCS["WGS 84 / UTM zone 32N",GEOGCS["WGS 84"]]', "WGS 84 / UTM zone 32N"),
        (34737, "ETRS89 / UTM 32N|ETRS89|", "ETRS89 / UTM 32N"),
        (
            34735,
            np.array([1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 25832], "<u2").tobytes().decode("latin-1"),
            "EPSG:25832",
        ),
    ],
)
def test_the_coordinate_system_of_surveyors_is_named(number, text, name, tmp_path):
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.vlrs.append(laspy.VLR("LASF_Projection", number, "made", text.encode("latin-1")))
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = np.array([500000.0, 500001.0]), np.array([5.2e6, 5.2e6]), np.array([500.0, 501.0])
    cloud.write(tmp_path / "a.las")
    assert f"the coordinate system {name}" in convert(ConvertSettings(tmp_path / "a.las", tmp_path / "a.ply")).lost
