"""Points as text: headings are taken at their word, columns without are told by their values or refused."""

from typing import Any

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.point_clouds import read_point_cloud

N = "0.6 0 0.8"  # a normal
CASES: dict[str, tuple[str, str, dict[str, list[Any]]]] = {
    "three columns": ("a.xyz", "1 2 3\n4 5 6\n", {}),
    "intensity": ("a.asc", "1 2 3 40\n4 5 6 50\n", {"intensity": [40, 50]}),
    "colors": ("a.xyz", "1 2 3 10 20 30\n4 5 6 255 0 1\n", {"colors": [[10, 20, 30], [255, 0, 1]]}),
    "normals": ("a.xyz", f"1 2 3 {N}\n4 5 6 0 0 -1\n", {"normals": [[0.6, 0, 0.8], [0, 0, -1]]}),
    "colors and normals": (
        "a.txt",
        f"1,2,3,1,2,3,{N.replace(' ', ',')}\n4,5,6,255,0,1,0,0,1\n",
        {"colors": [[1, 2, 3], [255, 0, 1]], "normals": [[0.6, 0, 0.8], [0, 0, 1]]},
    ),
    "pts": (
        "a.pts",
        "2\n1 2 3 -1024 10 20 30\n4 5 6 7 255 0 1\n",
        {"intensity": [-1024, 7], "colors": [[10, 20, 30], [255, 0, 1]]},
    ),
    "headings of CloudCompare": (
        "a.txt",
        "//X Y Z R G B Intensity\n2\n1 2 3 10 20 30 5\n4 5 6 255 0 1 6\n",
        {"intensity": [5, 6], "colors": [[10, 20, 30], [255, 0, 1]]},
    ),
    "headings of Livox Viewer": (
        "a.csv",
        "Version,Timestamp,X,Y,Z,Reflectivity,Tag\n5,100,1.0,2.0,3.0,40,0\n5,200,4.0,5.0,6.0,50,0\n",
        {"intensity": [40, 50]},
    ),
    "decimal commas": ("a.csv", "1,0;2,0;3,0\n4,0;5,0;6,0\n", {}),
    "a byte order mark": ("a.xyz", "\ufeff1 2 3\n4 5 6\n", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_columns_are(tmp_path, case):
    name, text, expected = CASES[case]
    (tmp_path / name).write_text(text, encoding="utf-8")
    cloud = read_point_cloud(tmp_path / name)
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3], [4, 5, 6]])
    for column in ("intensity", "colors", "normals"):
        found = getattr(cloud, column)
        if column in expected:
            np.testing.assert_allclose(found, expected[column], rtol=1e-6)
        else:
            assert found is None, column


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.xyz",
            "1 2 3 10 20 30 40\n4 5 6 50 60 70 80\n",
            "what its 7 columns are is not clear; give it a first line",
        ),
        ("a.xyz", "1 2 3 0.1 0.2 0.3\n4 5 6 0.1 0.2 0.3\n", "what its 6 columns are is not clear"),
        ("a.xyz", "1 2\n3 4\n", "what its 2 columns are is not clear"),
        ("a.csv", "east,north,up\n1,2,3\n", "its headings name no x, y and z, but east, north, up"),
        ("a.pts", "3\n1 2 3\n4 5 6\n", "its first line counts 3 points, 2 are there"),
        ("a.xyz", "1 2 3\n4 5\n", "damaged, or not a table of numbers"),
        ("a.xyz", "1 2 3\n4 five 6\n", "damaged, or not a table of numbers"),
        ("a.xyz", "", "no line of it holds a point"),
        ("a.xyz", "0 0 0\n0 0 0\n", "no point is left"),
    ],
)
def test_what_is_not_clear_or_damaged_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=r"a\.") as refusal:
        read_point_cloud(tmp_path / name)
    assert str(refusal.value).startswith(str(tmp_path / name))
    assert message in str(refusal.value)
