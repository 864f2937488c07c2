"""Cameras and trajectories as other kinds of files: by pycolmap and by the formulas of each format, and round again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest
from scipy.spatial.transform import Rotation

from splatkit.cli import main
from splatkit.errors import DatasetError
from splatkit.export.files.conversion import convert
from splatkit.export.settings import ConvertSettings
from splatkit.io.formats.trajectories import Trajectory, read_kitti, read_trajectory, write_trajectory
from splatkit.io.transforms_json import read_transforms
from tests.capture.images.photogrammetry.written import (
    COUNT,
    LENS,
    POINTS,
    true_poses,
    write_alicevision,
    write_metashape,
    write_openmvg,
    write_realityscan,
)

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
EUROC = "#timestamp, p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], q_RS_z [], v_x [m s^-1]"


def to(source: Path, out: Path, **more: Any) -> tuple[str, ...]:
    """What was lost."""
    return convert(ConvertSettings(source, out, **more)).lost


def walk() -> Trajectory:
    poses = np.tile(np.eye(4), (20, 1, 1))
    poses[:, :3, :3] = Rotation.random(20, rng=np.random.default_rng(2)).as_matrix()
    poses[:, :3, 3] = np.random.default_rng(3).normal(size=(20, 3)) * 30
    return Trajectory(1.7e9 + np.arange(20) * 0.1, poses)


def test_tum_to_kitti_and_back_keeps_poses_and_says_that_times_are_lost(tmp_path):
    """Against NumPy's own reading; both ways together are off by the digits of TUM's file alone."""
    write_trajectory(tmp_path / "a.txt", walk())
    assert to(tmp_path / "a.txt", tmp_path / "a.kitti") == ("timestamps",)
    table = np.loadtxt(tmp_path / "a.kitti").reshape(-1, 3, 4)
    np.testing.assert_allclose(table, walk().poses[:, :3], atol=2e-6)
    lost = to(tmp_path / "a.kitti", tmp_path / "b.tum")
    assert lost == ("timestamps, which it has none of: poses are numbered, 1 s apart",)
    back = np.loadtxt(tmp_path / "b.tum")
    np.testing.assert_array_equal(back[:, 0], np.arange(20))
    np.testing.assert_allclose(back[:, 1:4], walk().poses[:, :3, 3], atol=2e-6)
    np.testing.assert_allclose(Rotation.from_quat(back[:, 4:]).as_matrix(), walk().poses[:, :3, :3], atol=1e-8)


def test_tables_keep_what_they_can_and_name_other_columns(tmp_path):
    trajectory = walk()
    quaternions = Rotation.from_matrix(trajectory.poses[:, :3, :3]).as_quat(scalar_first=True)
    lines = [EUROC]
    for time, pose, q in zip(trajectory.times, trajectory.poses, quaternions, strict=True):
        lines.append(",".join(map(repr, [round(time * 1e9), *pose[:3, 3].tolist(), *q.tolist(), 0.5])))
    (tmp_path / "state.csv").write_text("\n".join(lines))
    assert to(tmp_path / "state.csv", tmp_path / "b.csv") == ("the columns v_x",)
    back = read_trajectory(tmp_path / "b.csv")
    np.testing.assert_allclose(back.poses, trajectory.poses, atol=1e-12)
    np.testing.assert_allclose(back.times, trajectory.times, atol=1e-6)


@pytest.mark.parametrize(
    "line", ["1 0 0 0 0 1 0 0 0 0 2 0", "1 0 0 0 0 1 0 0 0 0 1", "1 0 0 nan 0 1 0 0 0 0 1 0", "", "a b"]
)
def test_damaged_files_of_kitti_are_one_error(line, tmp_path):
    path = tmp_path / "a.kitti"
    path.write_text(f"1 0 0 0 0 1 0 0 0 0 1 0\n{line}\n" if line else "\n")
    with pytest.raises(DatasetError, match=r"a\.kitti: (line 2: expected the 12 numbers|no pose)"):
        read_kitti(path)


def test_cameras_become_a_transforms_json_that_says_the_same(tmp_path):
    lost = to(write_metashape(tmp_path), tmp_path / "transforms.json")
    assert [line.split(" (")[0] for line in lost] == ["1 photograph of cameras.xml: without a pose"]
    content = json.loads((tmp_path / "transforms.json").read_text())
    assert content["georeference"]["crs"] == "EPSG:4978"
    middle = true_poses()[:, :3, 3].mean(0)
    for frame, pose in zip(content["frames"], true_poses(), strict=True):
        found = np.array(frame["transform_matrix"]) @ FLIP
        np.testing.assert_allclose(found[:3, :3], pose[:3, :3], atol=3e-6)
        np.testing.assert_allclose(found[:3, 3], pose[:3, 3] - middle, atol=3e-6)
    assert (content["k1"], content["p1"]) == (LENS.distortion[0], LENS.distortion[2])
    assert len(read_transforms(tmp_path).frames) == COUNT - 1


def test_cameras_become_a_colmap_model_and_come_back(tmp_path):
    """pycolmap sees points where the known cameras see them."""
    lost = to(write_alicevision(tmp_path), tmp_path / "model")
    assert [line.split(" (")[0] for line in lost] == ["1 photograph of cameras.sfm: without a pose"]
    model = pycolmap.Reconstruction(tmp_path / "model")
    assert sorted(tuple(point.xyz) for point in model.points3D.values()) == sorted(map(tuple, POINTS))
    images = {image.name: image for image in model.images.values()}
    for name, pose in zip(sorted(images), true_poses(), strict=True):
        local = (np.array(POINTS) - pose[:3, 3]) @ pose[:3, :3]
        seen = np.array([images[name].camera.img_from_cam(point) for point in local])
        np.testing.assert_allclose(seen, LENS.image(local), atol=1e-9)
        np.testing.assert_allclose(images[name].cam_from_world().matrix()[:, :3], pose[:3, :3].T, atol=1e-9)
    assert to(tmp_path / "model", tmp_path / "transforms.json", images=tmp_path / "images")[0] == "3 points"
    for frame, pose in zip(read_transforms(tmp_path).frames, true_poses(), strict=True):
        np.testing.assert_allclose(frame.T_world_camera, pose, atol=1e-9)


def test_cameras_become_a_trajectory(tmp_path, capsys):
    main(["convert", str(write_openmvg(tmp_path)), str(tmp_path / "cameras.tum")])
    said = capsys.readouterr().out
    assert "3 poses of cameras; not in it: lenses and names of photographs; 3 points; timestamps, which it" in said
    table = np.loadtxt(tmp_path / "cameras.tum")
    for row, pose in zip(table, true_poses(), strict=True):
        np.testing.assert_allclose(row[1:4], pose[:3, 3], atol=1e-6)
        np.testing.assert_allclose(Rotation.from_quat(row[4:]).as_matrix(), pose[:3, :3], atol=1e-8)


def test_cameras_of_a_survey_stay_where_they_are(tmp_path):
    """Far from their origin they are worked on in local coordinates, and written where they were."""
    shift = np.array([500_000.0, 5_200_000.0, 500.0])
    table = write_realityscan(tmp_path)
    head, columns, *rows = (line.split(",") for line in table.read_text().splitlines())
    for row in rows:
        row[1:4] = [repr(value) for value in (np.array(row[1:4], dtype=float) + shift).tolist()]
    table.write_text("\n".join(",".join(row) for row in [head, columns, *rows]))
    to(table, tmp_path / "cameras.tum")
    np.testing.assert_allclose(np.loadtxt(tmp_path / "cameras.tum")[:, 1:4], true_poses()[:, :3, 3] + shift, atol=1e-6)
    to(table, tmp_path / "model")
    images = pycolmap.Reconstruction(tmp_path / "model").images.values()
    centers = sorted(tuple(image.projection_center()) for image in images)
    np.testing.assert_allclose(centers, sorted(map(tuple, true_poses()[:, :3, 3] + shift)), atol=1e-6)
    to(table, tmp_path / "transforms.json")
    back = read_transforms(tmp_path)
    centers = np.stack([frame.T_world_camera[:3, 3] for frame in back.frames]) + back.origin
    np.testing.assert_allclose(centers, true_poses()[:, :3, 3] + shift, atol=1e-6)


def test_times_and_rigs_of_a_dataset_go_where_there_is_room(tmp_path):
    to(write_openmvg(tmp_path), tmp_path / "transforms.json")
    content = json.loads((tmp_path / "transforms.json").read_text())
    for index, frame in enumerate(content["frames"]):
        frame |= {"time": 5.0 + index, "rig_camera": str(index), "rig_frame": "0"}
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    lost = to(tmp_path / "transforms.json", tmp_path / "cameras.tum")
    assert lost == ("lenses and names of photographs", "which cameras are on one body")
    assert np.loadtxt(tmp_path / "cameras.tum")[:, 0].tolist() == [5.0, 6.0, 7.0]
    assert to(tmp_path / "transforms.json", tmp_path / "model") == ("timestamps",)
    assert len(pycolmap.Reconstruction(tmp_path / "model").rigs) == 1


def test_what_cannot_be_converted_is_one_line(tmp_path):
    cameras = write_openmvg(tmp_path)
    write_trajectory(tmp_path / "a.tum", walk())
    with pytest.raises(ValueError, match=r"a\.tum is a trajectory, without lenses; it becomes .tum, .kitti or .csv"):
        to(tmp_path / "a.tum", tmp_path / "transforms.json")
    with pytest.raises(ValueError, match=r"poses\.json: cameras are read by programs under the name transforms.json"):
        to(cameras, tmp_path / "poses.json")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(DatasetError, match=r"is not below .*elsewhere; write transforms.json to a folder that holds"):
        to(cameras, tmp_path / "elsewhere" / "transforms.json")
    with pytest.raises(FileExistsError, match="choose another name or pass --overwrite"):
        to(cameras, tmp_path / "a.tum")
