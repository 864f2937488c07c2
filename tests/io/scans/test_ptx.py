"""PTX files line by line as Cyclone writes them."""

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.scans.reader import LeftOut
from splatkit.io.scans.readers import count_scans, read_scans

HEAD = "{columns}\n{rows}\n10 20 1.5\n0 1 0\n-1 0 0\n0 0 1\n0 1 0 0\n-1 0 0 0\n0 0 1 0\n10 20 1.5 1\n"
POINTS = ["1 2 3 0.25 10 20 30", "0 0 0 0.5 0 0 0", "4 5 6 0.75 255 0 1", "0 0 0 0.500000 0 0 0"]


def write(path, *scans):
    """Each of columns, rows and lines."""
    path.write_text("".join(HEAD.format(columns=c, rows=r) + "".join(f"{x}\n" for x in lines) for c, r, lines in scans))


def test_scans_come_in_the_scanner_s_frame_with_their_poses(tmp_path):
    write(tmp_path / "a.ptx", (2, 2, POINTS), (1, 2, ["1 2 3 0.5", "7 8 9 1"]))
    first, second = read_scans(tmp_path)
    assert (first.name, second.name, count_scans(tmp_path)) == ("a.ptx scan 0", "a.ptx scan 1", 2)
    np.testing.assert_array_equal(first.cloud.points, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(np.asarray(first.cloud.intensity), [0.25, 0.75])
    np.testing.assert_array_equal(np.asarray(first.cloud.colors), [[10, 20, 30], [255, 0, 1]])
    assert first.cloud.dropped == 2
    assert second.cloud.colors is None
    # the file's matrix takes rows: its first row is where the scanner's x axis points in the world
    assert first.T_world_lidar is not None
    np.testing.assert_array_equal(
        first.T_world_lidar, np.array([[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 1.5], [0, 0, 0, 1]])
    )
    assert first.is_static


def test_a_scan_of_which_nothing_came_back_is_left_out(tmp_path):
    write(tmp_path / "a.ptx", (1, 1, ["0 0 0 0.5"]), (0, 0, []), (1, 1, ["1 1 1 0.5"]))
    left_out = list[LeftOut]()
    assert [scan.name for scan in read_scans(tmp_path, note=left_out.append)] == ["a.ptx scan 2"]
    assert left_out == [LeftOut(f"a.ptx scan {number}", "no ray came back") for number in (0, 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "scan 0: not a PTX file, or damaged or cut short: expected two counts, a position, three axes"),
        ("2\n2\n1 2 3\n", "scan 0: not a PTX file, or damaged or cut short"),
        (HEAD.format(columns=-1, rows=2), "scan 0: not a PTX file"),
        (HEAD.format(columns=9999, rows=9999), "scan 0: cut short: 9999 x 9999 points do not fit into the file"),
        (HEAD.format(columns=1, rows=3) + "1 2 3 1\n1 2 3 1\n", "scan 0: cut short: 2 of 3 points are there"),
        (HEAD.format(columns=1, rows=2) + "1 2 3 1\n1 2 x 1\n", "scan 0: damaged"),
        (HEAD.format(columns=1, rows=1) + "1 2\n", "scan 0: expected 3, 4, 6 or 7 numbers in a line, got '1 2'"),
        (HEAD.replace("-1 0 0 0", "-2 0 0 0").format(columns=1, rows=1) + "1 2 3 1\n", "not a rigid 4 x 4 transform"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, text, message):
    (tmp_path / "a.ptx").write_text(text)
    with pytest.raises(DatasetError, match=r"a\.ptx") as refusal:
        list(read_scans(tmp_path))
    assert message in str(refusal.value)
