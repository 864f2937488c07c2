"""Trajectories are read as they were written, in between poses follow, and damaged files are named."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from splatkit.errors import DatasetError
from splatkit.io.formats.trajectories import Trajectory, read_trajectory, write_trajectory


def random_trajectory(count=12, seed=0):
    rng = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, random_state=rng).as_matrix()
    poses[:, :3, 3] = rng.normal(scale=20, size=(count, 3))
    return Trajectory(1.7e9 + np.sort(rng.uniform(0, 30, count)).round(6), poses)


def test_what_is_written_is_read(tmp_path):
    written = random_trajectory()
    write_trajectory(tmp_path / "poses.txt", written)
    read = read_trajectory(tmp_path / "poses.txt")
    np.testing.assert_allclose(read.times, written.times, atol=1e-6)  # float64 since 1970 has no finer ones
    np.testing.assert_allclose(read.poses, written.poses, atol=1e-6)


def test_lines_in_any_order_with_comments_are_read(tmp_path):
    (tmp_path / "poses.txt").write_text("# x\n\n2 1 2 3 0 0 0 1\n1, 4, 5, 6, 0, 0, 1, 0\n")
    read = read_trajectory(tmp_path / "poses.txt")
    np.testing.assert_array_equal(read.times, [1, 2])
    np.testing.assert_array_equal(read.poses[:, :3, 3], [[4, 5, 6], [1, 2, 3]])
    np.testing.assert_allclose(read.poses[0, :3, :3], np.diag([-1, -1, 1]))


def test_poses_in_between_move_and_turn_at_a_constant_rate():
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, :3, :3] = Rotation.from_rotvec([0, 0, 1.2]).as_matrix()
    poses[1, :3, 3] = [4, 0, 2]
    between = Trajectory(np.array([0.0, 2.0]), poses).at(np.array([0.0, 0.5, 2.0]))
    np.testing.assert_allclose(between[:, :3, 3], np.array([[0, 0, 0], [1, 0, 0.5], [4, 0, 2]]))
    turns = Rotation.from_matrix(between[:, :3, :3]).as_rotvec()
    np.testing.assert_allclose(turns, np.array([[0, 0, 0], [0, 0, 0.3], [0, 0, 1.2]]), atol=1e-12)


def test_times_outside_are_refused():
    with pytest.raises(ValueError, match="times: expected"):
        random_trajectory().at(np.array([0.0]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no pose"),
        ("1 2 3 4 0 0 1", "line 1: expected time x y z qx qy qz qw, got 7 numbers"),
        ("1 2 3 4 0 0 0 1\n2 a 3 4 0 0 0 1", "line 2: expected numbers"),
        ("1 2 3 nan 0 0 0 1", "line 1: a number is not finite"),
        ("1 2 3 4 0 0 0 0", "the quaternion has length 0"),
        ("1 2 3 4 0 0 0 1\n1 2 3 4 0 0 0 1", "the time 1 has more than one pose"),
    ],
)
def test_damaged_files_are_named(tmp_path, content, message):
    (tmp_path / "poses.txt").write_text(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_trajectory(tmp_path / "poses.txt")
    assert "poses.txt" in str(caught.value)
    with pytest.raises(FileNotFoundError):
        read_trajectory(tmp_path / "missing.txt")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.txt"
    path.write_bytes(content)
    with contextlib.suppress(DatasetError):
        assert len(read_trajectory(path).times) > 0


ORDERS = {
    "# time x y z qx qy qz qw": (0, 1, 2, 3, 4, 5, 6, 7),
    "timestamp tx ty tz qx qy qz qw": (0, 1, 2, 3, 4, 5, 6, 7),
    "#timestamp [ns],p_RS_R_x [m],p_RS_R_y [m],p_RS_R_z [m],q_RS_w [],q_RS_x [],q_RS_y [],q_RS_z []": (
        *(0, 1, 2, 3),
        *(7, 4, 5, 6),
    ),
    "%time,field.pose.position.x,field.pose.position.y,field.pose.position.z,field.pose.orientation.x,"
    "field.pose.orientation.y,field.pose.orientation.z,field.pose.orientation.w": (0, 1, 2, 3, 4, 5, 6, 7),
    "t;qw;qx;qy;qz;x;y;z": (0, 7, 4, 5, 6, 1, 2, 3),
    "": (0, 1, 2, 3, 4, 5, 6, 7),
}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    heading=st.sampled_from(list(ORDERS)),
    unit=st.sampled_from([1, 10**3, 10**6, 10**9]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    further=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_headings_and_units_are_read(heading, unit, encoding, further, seed, tmp_path_factory):
    written = random_trajectory(seed=seed)
    unit = 10**9 if "[ns]" in heading else unit
    further = further if heading and not heading.startswith("# time") else 0
    mark = next((sign for sign in (",", ";") if sign in heading), " ")
    names = mark.join([heading, *(f"v_{axis}" for axis in "xyz"[:further])])
    lines = ["# Fahrt durch Köln", names]
    quaternions = Rotation.from_matrix(written.poses[:, :3, :3]).as_quat()
    for time, place, turn in zip(written.times, written.poses[:, :3, 3], quaternions, strict=True):
        stamp = f"{time:.6f}" if unit == 1 else f"{round(time * 1e6) * unit // 10**6}"
        values = [stamp, *(f"{value:.9f}" for value in (*place, *turn))]
        lines.append(mark.join([values[place] for place in ORDERS[heading]] + ["0.5"] * further))
    path = tmp_path_factory.getbasetemp() / "headed.txt"
    path.write_bytes("\n".join(lines).encode(encoding))
    read = read_trajectory(path)
    np.testing.assert_allclose(read.times, written.times, rtol=0, atol=1.1e-3 if unit == 1000 else 1e-6)
    np.testing.assert_allclose(read.poses, written.poses, atol=1e-6)


def test_the_first_pose_is_there_for_a_time_that_was_rounded():
    path = random_trajectory()
    near = path.times[[0, -1]] + [-1e-6, 1e-6]
    assert path.covers(near).all()
    np.testing.assert_allclose(path.at(near), path.poses[[0, -1]], atol=1e-14)
    assert not path.covers(path.times[[0, -1]] + [-1e-3, 1e-3]).any()
