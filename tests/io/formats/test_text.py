"""Nothing fails because of a letter: heads of all text formats, read and written, in whatever encoding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.errors import DatasetError
from splatkit.io.formats.camera_files import read_intrinsics
from splatkit.io.formats.text import decode_text
from splatkit.io.json_files import read_json
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import MESH_SUFFIXES, read_mesh, write_mesh
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud, write_point_cloud
from splatkit.io.splats import read_splats, write_splats
from tests.io.test_splats import random_splats

POINTS = np.random.default_rng(0).normal(size=(100, 3)).astype("<f4")
WORDS = ["Kölner Straße", "点云/扫描", "Съёмка", "測量", "x\ny"]


def ply_bytes(comment, end, encoding):
    lines = ["ply", "format binary_little_endian 1.0", comment, f"element vertex {len(POINTS)}"]
    lines += [*(f"property float {axis}" for axis in "xyz"), "end_header", ""]
    return end.join(lines).encode(encoding, "replace") + POINTS.tobytes()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    word=st.sampled_from(WORDS[:4]) | st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20),
    keyword=st.sampled_from(["comment", "obj_info"]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "latin-1", "gbk", "shift_jis", "cp1252"]),
)
def test_points_under_a_head_of_any_encoding_are_read(word, keyword, end, encoding, tmp_path_factory):
    """Source: python-plyfile #12: a head with a path in the letters of its country."""
    path = tmp_path_factory.getbasetemp() / "head.ply"
    path.write_bytes(ply_bytes(f"{keyword} D:/{word}", end, encoding))
    np.testing.assert_array_equal(read_point_cloud(path).points, POINTS)
    head = f"# {word}\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 100\nHEIGHT 1\nDATA binary\n"
    path = path.with_suffix(".pcd")
    path.write_bytes(head.replace("\n", end).encode(encoding, "replace") + POINTS.tobytes())
    np.testing.assert_array_equal(read_point_cloud(path).points, POINTS)


def test_columns_with_names_of_other_letters_remain_different(tmp_path):
    head = "ply\nformat ascii 1.0\nelement vertex 1\n"
    head += "".join(f"property float {name}\n" for name in ("x", "y", "z", "scalar_Höhe", "scalar_Hähe", "intensity"))
    (tmp_path / "a.ply").write_bytes((head + "end_header\n1 2 3 4 5 6\n").encode("latin-1"))
    intensity = read_point_cloud(tmp_path / "a.ply").intensity
    assert intensity is not None
    assert intensity.tolist() == [6]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
def test_meshes_are_written_and_read_under_any_letters(tmp_path, suffix, word):
    mesh = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    path = tmp_path / f"Straße{suffix}"
    write_mesh(path, mesh, (f"frame: {word}", "units: m " * 20))
    assert len(read_mesh(path).faces) == 1
    content = path.read_bytes()
    if suffix in (".ply", ".obj"):
        assert " ".join(word.split()).encode() in content
    if suffix == ".ply":
        content = content.replace(f"frame: {' '.join(word.split())}".encode(), "Köln".encode("latin-1"))
        path.write_bytes(content)
        assert len(read_mesh(path).faces) == 1


@pytest.mark.parametrize("word", WORDS)
def test_clouds_and_splats_are_written_and_read_under_any_letters(tmp_path, word):
    write_point_cloud(tmp_path / "a.ply", PointCloud(POINTS), (word,))
    np.testing.assert_array_equal(read_point_cloud(tmp_path / "a.ply").points, POINTS)
    splats = random_splats()
    write_splats(tmp_path / "b.ply", splats, (word,))
    np.testing.assert_array_equal(read_splats(tmp_path / "b.ply").means, splats.means)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_yaml_and_json_are_read_in_any_encoding(tmp_path, encoding):
    text = "# für Köln\ncamera_name: Küche\nK: [9, 0, 4, 0, 9, 3, 0, 0, 1]\nD: []\nwidth: 8\nheight: 6\n"
    (tmp_path / "a.yaml").write_bytes(text.encode(encoding))
    assert read_intrinsics(tmp_path / "a.yaml").fx == 9
    (tmp_path / "a.json").write_bytes('{"name": "Küche"}'.encode(encoding))
    assert read_json(tmp_path / "a.json") == {"name": "Küche"}


def test_bytes_that_are_no_text_are_still_told_apart(tmp_path):
    assert decode_text(b"\xff\xfea") != ""
    (tmp_path / "a.ply").write_bytes(b"ply\n\xff\xfe")
    with pytest.raises(DatasetError, match=r"a\.ply"):
        read_point_cloud(tmp_path / "a.ply")
