"""The stages `capture lidar` and `static` on a generated walk with exact truth and on a real scan."""

import dataclasses
import json
import pickle
import re
import shutil
from html import unescape

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.lidar.motion import place_scan
from splatkit.capture.lidar.registration.alignment import Similarity
from splatkit.capture.lidar.scans import ScanSource
from splatkit.capture.lidar.settings import CaptureLidarSettings, CaptureStaticSettings
from splatkit.capture.lidar.stage import capture_lidar, capture_static
from splatkit.errors import DatasetError
from splatkit.geometry.se3 import compose, invert, transform_points
from splatkit.io.formats.trajectories import read_trajectory
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import read_point_cloud, write_point_cloud
from splatkit.io.scans import readers
from splatkit.io.transforms_json import read_transforms, write_transforms
from splatkit.pages.capture_lidar import write_lidar_report, write_static_report
from splatkit.synthetic.defects import Defects
from splatkit.synthetic.settings import SceneSettings
from splatkit.synthetic.stage import make_scene
from tests.io.scans.posed_scans import POSED_SCANS, write_posed_scans

TO_IMAGES = Similarity(0.37, Rotation.from_rotvec((0.4, -0.2, 0.7)).as_matrix(), np.array([3.0, -1.0, 0.5]))
OFFSET_S = 0.03


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """Twelve moments of two cameras, a scan at each of them and between; the LiDAR's clock is ahead."""
    folder = tmp_path_factory.mktemp("walk") / "walk"
    defects = Defects(time_offset_s=OFFSET_S)
    make_scene(SceneSettings("courtyard", folder, width=160, height=120, views=24, scans=24, defects=defects))
    return folder


@pytest.fixture(scope="module")
def images(walk, tmp_path_factory):
    """The photographs with poses and points in another world, as structure from motion gives them."""
    folder = tmp_path_factory.mktemp("images").resolve()
    shutil.copytree(walk / "images", folder / "images")
    read = read_transforms(walk)
    poses = TO_IMAGES.apply_to_poses(np.stack([frame.T_world_camera for frame in read.frames]))
    frames = tuple(
        dataclasses.replace(
            frame,
            posed=dataclasses.replace(frame.posed, T_world_camera=pose),
            image_path=folder / frame.file_path,
        )
        for frame, pose in zip(read.frames, poses, strict=True)
    )
    cloud = read_point_cloud(walk / "points.ply")
    moved = dataclasses.replace(cloud, points=TO_IMAGES.apply(cloud.points))
    write_point_cloud(folder / "points.ply", moved)
    ply = folder / "points.ply"
    write_transforms(folder / "transforms.json", dataclasses.replace(read, root=folder, frames=frames, ply_path=ply))
    return folder


def settings(walk, out, **more) -> CaptureLidarSettings:
    return CaptureLidarSettings(walk / "lidar", (walk / "truth/rig.json",), out=out, **{"stereo": "off", **more})


def timed(walk):
    return {"image_times": walk / "images.csv", "trajectory": walk / "trajectory.txt"}


def depth_errors(walk, out):
    errors = []
    for frame in read_transforms(out).frames:
        assert frame.depth_path is not None
        found = read_depth_map(frame.depth_path, frame.depth_sigma_path)
        name = frame.image_path.stem
        true = np.load(walk / f"truth/depth/{name}.npy")
        both = (found.depths > 0) & (true > 0)
        errors.append(np.stack([found.depths[both] - true[both], found.sigmas[both]]))
    return np.concatenate(errors, axis=1)


def test_photographs_of_another_world_become_a_metric_dataset(walk, images, tmp_path):
    out = tmp_path / "dataset"
    captured = capture_lidar(settings(walk, out, dataset=images, **timed(walk)), report=write_lidar_report)
    assert captured.verdict().startswith("24 photographs")
    record = json.loads((out / "capture.json").read_text())
    figures = record["figures"]
    assert figures["alignment"]["scale"] * TO_IMAGES.scale == pytest.approx(1.0, abs=2e-3)
    assert figures["time_offset_s"] == pytest.approx(OFFSET_S, abs=2e-3)
    assert record["scale"] == "metric"
    assert len(record["sources"]) == 24 + 24 + 3
    dataset, stated = read_transforms(out), read_transforms(walk)
    truth = {frame.image_path.name: frame.T_world_camera for frame in stated.frames}
    for frame in dataset.frames:
        assert np.linalg.norm(frame.T_world_camera[:3, 3] - truth[frame.image_path.name][:3, 3]) < 0.03
    assert dict(dataset.splits) == dict(stated.splits)
    assert [camera.name for camera in dataset.rig] == ["left", "right"]
    assert {frame.rig_camera for frame in dataset.frames} == {"left", "right"}
    assert dataset.applied_transform is not None
    np.testing.assert_allclose(dataset.applied_transform, figures["alignment"]["T_world_images"])
    errors, sigmas = depth_errors(walk, out)
    assert errors.size > 20_000
    assert np.median(np.abs(errors)) < 0.04
    assert np.mean(np.abs(errors) < 3 * sigmas) > 0.93
    seed = read_point_cloud(out / "points.ply")
    assert seed.colors is not None
    assert seed.normals is not None
    assert len(seed.points) > 50_000
    page = unescape((out / "report.html").read_text())
    assert "LiDAR points on photographs" in page
    assert re.findall(r"""(?:src|href) *= *["']?https?:""", page) == []  # nothing is fetched
    with pytest.raises(FileExistsError, match="already exists"):
        capture_lidar(settings(walk, out, dataset=images, **timed(walk)))


def test_photographs_without_poses_get_them_from_the_trajectory(walk, tmp_path):
    rig = json.loads((walk / "truth/rig.json").read_text())
    K = read_transforms(walk).frames[0].camera.K
    K[:2, 2] -= 0.5
    for camera in rig["cameras"]:
        camera |= {"K": K.tolist(), "width": 160, "height": 120}
    (tmp_path / "rig.json").write_text(json.dumps(rig))
    out = tmp_path / "out"
    known = settings(walk, out, images=(walk / "images",), time_offset=OFFSET_S, points=20_000, **timed(walk))
    capture_lidar(dataclasses.replace(known, calibration=(tmp_path / "rig.json",)))
    truth = {frame.image_path.name: frame.T_world_camera for frame in read_transforms(walk).frames}
    dataset = read_transforms(out)
    for frame in dataset.frames:
        np.testing.assert_allclose(frame.T_world_camera, truth[frame.image_path.name], atol=2e-3)
    assert dataset.ply_path is not None
    assert len(read_point_cloud(dataset.ply_path).points) <= 20_000
    assert np.median(np.abs(depth_errors(walk, out)[0])) < 0.04


def test_without_a_trajectory_scans_near_photographs_give_the_scale(walk, images, tmp_path):
    out = tmp_path / "out"
    capture_lidar(settings(walk, out, dataset=images, image_times=walk / "images.csv", time_offset=OFFSET_S))
    figures = json.loads((out / "capture.json").read_text())["figures"]
    assert figures["alignment"]["method"] == "depth ratios"
    assert figures["alignment"]["scale"] * TO_IMAGES.scale == pytest.approx(1.0, abs=0.02)
    assert np.median(np.abs(depth_errors(walk, out)[0])) < 0.15  # a tenth of a second on a straight line


def stand_still(walk, number):
    """Points [N, 3] of a scan as if the rig had stood still where it began, and T_world_lidar there."""
    path = read_trajectory(walk / "trajectory.txt")
    scan = list(ScanSource(walk / "lidar").read())[number]
    placed = place_scan(scan, path)
    assert placed is not None
    T_world_lidar = path.at(placed.times[:1])[0]
    return transform_points(invert(T_world_lidar), placed.cloud.points), T_world_lidar


@pytest.fixture(scope="module")
def standing(walk, tmp_path_factory):
    """The scan that begins when the images of moment 3 were taken, and T_lidar_world there."""
    folder = tmp_path_factory.mktemp("standing")
    points, T_world_lidar = stand_still(walk, 7)
    write_point_cloud(folder / "scan.ply", PointCloud(points))
    return folder / "scan.ply", invert(T_world_lidar)


def test_one_scan_gives_photographs_around_it_their_scale(walk, images, standing, tmp_path):
    scan, T_lidar_world = standing
    out = tmp_path / "out"
    anchors = ("left_0003.png", "right_0003.png")
    calibration = (walk / "truth/rig.json",)
    capture_static(CaptureStaticSettings(scan, calibration, dataset=images, anchor=anchors, out=out))
    figures = json.loads((out / "capture.json").read_text())["figures"]
    assert figures["alignment"]["scale"] * TO_IMAGES.scale == pytest.approx(1.0, abs=5e-3)
    truth = {frame.image_path.name: frame.T_world_camera for frame in read_transforms(walk).frames}
    for frame in read_transforms(out).frames:
        expected = T_lidar_world @ truth[frame.image_path.name]
        assert np.linalg.norm(frame.T_world_camera[:3, 3] - expected[:3, 3]) < 0.06


def write_site(path, scans, T_world_lidar):
    """Points [N, 3] of each scan with its pose, as tests write them or as another program does."""
    if path.suffix == ".posed":
        write_posed_scans(path, list(scans), T_world_lidar)
        return
    pye57 = pytest.importorskip("pye57", reason="pye57 is not installed: pip install 'splatkit[e57]'")
    with pye57.E57(str(path), mode="w") as file:
        for points, pose in zip(scans, T_world_lidar, strict=True):
            columns = {f"cartesian{axis}": points[:, i] for i, axis in enumerate("XYZ")}
            quat = np.roll(Rotation.from_matrix(pose[:3, :3]).as_quat(), 1)  # w first
            file.write_scan_raw(columns, rotation=quat, translation=pose[:3, 3])


@pytest.mark.parametrize(
    ("name", "shift"),
    [("site.posed", (0.0, 0.0, 0.0)), ("site.posed", (500000.0, 5400000.0, 120.0)), ("site.e57", (500000.0, 0.0, 120))],
)
def test_three_scans_with_poses_make_one_world(walk, images, tmp_path, monkeypatch, name, shift):
    """A survey's world (UTM) is worked on in local coordinates. Source: nerfstudio #3255."""
    monkeypatch.setattr(readers, "READERS", (*readers.READERS, POSED_SCANS))
    points, poses = zip(*(stand_still(walk, number) for number in (7, 11, 15)), strict=True)
    write_site(tmp_path / name, points, compose(np.eye(3), np.array(shift)) @ np.stack(poses))
    out, anchors = tmp_path / "out", ("left_0003.png", "right_0003.png")  # taken where the first scan was
    known = CaptureStaticSettings(tmp_path / name, (walk / "truth/rig.json",), dataset=images, anchor=anchors)
    captured = capture_static(dataclasses.replace(known, out=out), report=write_static_report)
    assert captured.scene.counts["measured"] == sum(map(len, points)) - sum(
        int((np.linalg.norm(part, axis=1) < 0.5).sum()) for part in points
    )
    record = json.loads((out / "capture.json").read_text())
    assert record["frame"].endswith("the world of the scans' poses")
    truth = {frame.image_path.name: frame.T_world_camera for frame in read_transforms(walk).frames}
    written = read_transforms(out)
    assert any(written.origin) == any(shift)
    for frame in written.frames:  # in the walk's world, which the poses are in
        place = frame.T_world_camera[:3, 3] + np.array(written.origin) - np.array(shift)
        assert np.linalg.norm(place - truth[frame.image_path.name][:3, 3]) < 0.06
    assert np.median(np.abs(depth_errors(walk, out)[0])) < 0.06


def test_several_scans_without_poses_are_refused(walk, images, tmp_path):
    points, _ = stand_still(walk, 7)
    for name in ("a.ply", "b.ply"):
        write_point_cloud(tmp_path / name, PointCloud(points))
    known = CaptureStaticSettings(tmp_path, (walk / "truth/rig.json",), dataset=images, anchor=("left_0003.png",))
    with pytest.raises(DatasetError, match="holds several scans and not the pose of each"):
        capture_static(dataclasses.replace(known, out=tmp_path / "out"))


def nuscenes(data_dir, folder):
    """The rig of the sample as a plain file, and its photographs in one folder."""
    source = data_dir / "nuscenes_sample"
    record = pickle.loads(next(source.glob("*.pkl")).read_bytes())["data_list"][0]
    cameras = []
    (folder / "images").mkdir()
    for name, camera in record["images"].items():
        K = np.array(camera["cam2img"])[:3, :3]
        pose = np.array(camera["lidar2cam"])
        cameras.append({"name": name, "T_camera_lidar": pose.tolist(), "K": K.tolist(), "width": 1600, "height": 900})
        shutil.copy(source / camera["img_path"], folder / "images")
    (folder / "rig.json").write_text(json.dumps({"cameras": cameras}))
    return next(source.glob("*.pcd.bin")), record


def test_six_cameras_of_a_car_and_one_scan(data_dir, tmp_path):
    scan, record = nuscenes(data_dir, tmp_path)
    out = tmp_path / "out"
    known = CaptureStaticSettings(scan, (tmp_path / "rig.json",), (tmp_path / "images",), min_range=2.5, out=out)
    assert capture_static(known, report=write_static_report).verdict().startswith("6 photographs")
    dataset = read_transforms(out)
    assert {frame.rig_camera for frame in dataset.frames} == set(record["images"])
    for frame in dataset.frames:
        assert frame.depth_path is not None
        depths = read_depth_map(frame.depth_path).depths
        assert (depths > 0).sum() > 1500
        # Boxes that people drew around things in this camera: points on them lie at their depth.
        assert 2.5 < np.median(depths[depths > 0]) < 40
    checked = 0
    for name, boxes in record["cam_instances"].items():
        (frame,) = [frame for frame in dataset.frames if frame.rig_camera == name]
        assert frame.depth_path is not None
        depths = read_depth_map(frame.depth_path).depths
        for box in boxes:
            left, top, right, bottom = (int(value) for value in box["bbox"])
            inside = depths[max(top, 0) : bottom, max(left, 0) : right]
            center, extent = box["center_2d"], max(box["bbox_3d"][3:6])
            if right - left > 40 and (inside > 0).sum() > 10:
                nearest = np.quantile(inside[inside > 0], 0.2)
                checked += 1
                assert nearest < box["depth"] + extent, (name, center)
    assert checked >= 3


def test_an_interrupt_leaves_nothing_behind(walk, images, tmp_path, monkeypatch):
    from splatkit.capture.lidar import depth, depth_pass

    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return depth.project_depth(*arguments)

    monkeypatch.setattr(depth_pass, "project_depth", interrupted)
    with pytest.raises(KeyboardInterrupt):
        capture_lidar(settings(walk, tmp_path / "out", dataset=images, **timed(walk)))
    assert len(calls) == 3
    assert list(tmp_path.iterdir()) == []


def test_listed_images_that_do_not_exist_are_warned_of(walk, images, tmp_path):
    copy = shutil.copytree(images, tmp_path / "copy")
    (copy / "images/left_0005.png").unlink()
    out = tmp_path / "out"
    captured = capture_lidar(settings(walk, out, dataset=copy, **timed(walk)), report=write_lidar_report)
    (warning,) = captured.warnings
    figures = json.loads((out / "capture.json").read_text())["figures"]
    assert (figures["left_out_scans"], figures["passed_over"]) == ({}, {})
    assert warning.startswith("1 listed images do not exist and are left out")
    assert json.loads((out / "capture.json").read_text())["warnings"] == [warning]
    assert f"Warning: {warning}" in (out / "report.html").read_text()


def test_scans_and_files_that_are_left_out_are_counted_and_named(walk, images, tmp_path):
    scans = shutil.copytree(walk / "lidar", tmp_path / "lidar")
    late = read_point_cloud(next(scans.glob("*.ply")))
    assert late.time is not None
    write_point_cloud(scans / "scan_9999.ply", dataclasses.replace(late, time=late.time + 1e4))
    (scans / "site.dxf").touch()
    out = tmp_path / "out"
    known = settings(walk, out, dataset=images, **timed(walk))
    captured = capture_lidar(dataclasses.replace(known, scans=scans))
    record = json.loads((out / "capture.json").read_text())
    assert record["figures"]["left_out_scans"] == {"scan_9999.ply": "the trajectory does not reach it"}
    assert record["figures"]["passed_over"] == {"site.dxf": "a file of another kind"}
    assert (
        list(captured.warnings)
        == record["warnings"]
        == [
            "1 scans are left out: scan_9999.ply (the trajectory does not reach it)",
            "1 inputs beside are not used: site.dxf (a file of another kind)",
        ]
    )
