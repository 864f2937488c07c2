"""OBJ files as programs write them: objects, negative indices, polygons, colors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.errors import DatasetError
from splatkit.io.meshes import read_mesh

CORNERS = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


@settings(max_examples=25, deadline=None)
@given(
    boxes=st.integers(1, 3),
    relative=st.booleans(),
    corner=st.sampled_from(["{}", "{}/{}", "{}//{}", "{}/{}/{}"]),
    all_vertices_first=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    continued=st.booleans(),
    more=st.sampled_from(["", " 1.0", " 0.2 0.4 1.0"]),
)
def test_boxes_come_back(tmp_path_factory, boxes, relative, corner, all_vertices_first, line_end, continued, more):
    """Source: trimesh #2364."""
    path = tmp_path_factory.mktemp("obj") / "a.obj"
    vertex_lines = [
        [f"o box{k}", *("v {:g} {:g} {:g}".format(*v) + more for v in CORNERS * [1, 2, 1] + [2 * k, 0, 0])]
        for k in range(boxes)
    ]
    face_lines = []
    for k in range(boxes):
        known = 8 * (boxes if all_vertices_first else k + 1)
        named = [[8 * k + i + 1 - (known + 1 if relative else 0) for i in quad] for quad in QUADS]
        gap = " \\" + line_end + " " if continued else " "
        face_lines.append(["f " + gap.join(corner.format(i, i, i) for i in quad) + "  # side" for quad in named])
    parts = (
        [*vertex_lines, *face_lines]
        if all_vertices_first
        else [x for k in range(boxes) for x in (vertex_lines[k], face_lines[k])]
    )
    path.write_text(line_end.join(line for part in parts for line in part), newline="")
    mesh = read_mesh(path)
    assert mesh.faces.shape == (12 * boxes, 3)
    assert mesh.face_areas().sum() == pytest.approx(10 * boxes)
    used = mesh.vertices[np.unique(mesh.faces)]
    np.testing.assert_array_equal([used.min(0), used.max(0)], [[0, 0, 0], [2 * boxes - 1, 2, 1]])
    if len(more) > 5:
        assert mesh.vertex_colors is not None
        assert mesh.vertex_colors[0].tolist() == [51, 102, 255]
    else:
        assert mesh.vertex_colors is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("f 1 2 9", "a face names vertex 9, there are 3"),
        ("f 0 1 2", "line 4: expected indices from 1"),
        ("f 1 2 -4", "back to -3"),
        ("v 1 2", "expected v X Y Z"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path, line, message):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n" + line + "\n")
    with pytest.raises(DatasetError, match=rf"a\.obj: .*{message}"):
        read_mesh(tmp_path / "a.obj")
