"""The dataset of a walk agrees with its truth, and each defect does what it says and nothing else."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatkit.io.formats.trajectories import read_trajectory
from splatkit.io.images import read_image_float
from splatkit.io.meshes import read_mesh
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.scans.readers import list_scan_files
from splatkit.io.transforms_json import read_transforms
from splatkit.synthetic.defects import Defects, LidarFaults
from splatkit.synthetic.description import find_scene, read_scene
from splatkit.synthetic.disturbances import disturbed_poses, exposed, wrong_extrinsics
from splatkit.synthetic.walk_dataset import generate_walk

EXACT = LidarFaults(range_noise_m=0, dropout=0, divergence_rad=0)
WRONG = Defects(
    pose_noise_deg=0.5, pose_noise_m=0.02, exposure_stops=0.3, extrinsic_deg=2.0, extrinsic_m=0.05, time_offset_s=0.04
)


def generate(folder, seed=0, defects=None, views=20):
    folder.mkdir()
    description = read_scene(find_scene("courtyard"))
    assert description.walk is not None
    lidar = dataclasses.replace(description.walk.lidar, columns=90)
    description = dataclasses.replace(description, walk=dataclasses.replace(description.walk, lidar=lidar))
    generate_walk(description, folder, 48, 36, views, scans=2, seed=seed, faults=EXACT, defects=defects)
    return folder


def digests(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def courtyard(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("walks") / "courtyard")


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("walks") / "wrong", defects=WRONG)


def true_cameras(folder):
    return {entry["name"]: entry for entry in json.loads((folder / "truth/cameras.json").read_text())["images"]}


def extrinsics(path):
    record = json.loads(path.read_text())
    return {camera["name"]: np.array(camera["T_camera_lidar"]) for camera in record["cameras"]}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(courtyard, tmp_path):
    again, other = digests(generate(tmp_path / "again")), digests(generate(tmp_path / "other", seed=1, views=12))
    assert again == digests(courtyard)
    for name in ("images/left_0001.png", "lidar/scan_0001.ply", "points.ply", "trajectory.txt", "truth/mesh.ply"):
        assert again[name] != other[name]


def test_it_is_a_dataset_with_every_eighth_moment_held_out(courtyard):
    transforms = read_transforms(courtyard)
    assert len(transforms.frames) == 20
    assert transforms.missing == ()
    held_out = ("images/left_0000.png", "images/left_0008.png", "images/right_0000.png", "images/right_0008.png")
    assert transforms.splits["test"] == transforms.splits["val"] == held_out
    assert len(transforms.splits["train"]) == 16
    truth = true_cameras(courtyard)
    rows = (courtyard / "images.csv").read_text().splitlines()
    times = {row.split(",")[0]: float(row.split(",")[1]) for row in rows[1:]}
    for frame in transforms.frames:
        entry = truth[frame.image_path.stem]
        np.testing.assert_allclose(frame.T_world_camera, entry["T_world_camera"], atol=1e-12)
        assert times[frame.file_path] == pytest.approx(entry["time_s"], abs=1e-6)
        assert read_image_float(frame.image_path).shape == (36, 48, 3)


def test_trajectory_rig_and_cameras_fit_together(courtyard):
    trajectory, rig = read_trajectory(courtyard / "truth/trajectory.txt"), extrinsics(courtyard / "truth/rig.json")
    for name, entry in true_cameras(courtyard).items():
        T_world_lidar = trajectory.at(np.array([entry["time_s"]]))[0]
        expected = T_world_lidar @ np.linalg.inv(rig[name.split("_")[0]])
        np.testing.assert_allclose(entry["T_world_camera"], expected, atol=1e-4)
    for name in ("trajectory.txt", "rig.json"):  # without defects what is stated is true
        stated, true = (courtyard / name).read_text(), (courtyard / "truth" / name).read_text()
        assert stated == true or json.loads(stated) == {k: v for k, v in json.loads(true).items() if "offset" not in k}


def hit_depths(mesh, origin, directions):
    """First hits of rays [N, 3] with every triangle, Moeller and Trumbore's way in float64: [N], inf where none."""
    a, b, c = mesh.vertices.astype(np.float64)[mesh.faces].transpose(1, 0, 2)
    out = []
    for direction in directions:
        p = np.cross(direction, c - a)
        det = np.einsum("fd,fd->f", b - a, p)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.einsum("fd,fd->f", origin - a, p) / det
            q = np.cross(origin - a, b - a)
            v, t = q @ direction / det, np.einsum("fd,fd->f", c - a, q) / det
        out.append(t[(u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)].min(initial=np.inf))
    return np.array(out)


def test_depth_is_that_of_an_independent_ray_caster(courtyard):
    mesh, rng = read_mesh(courtyard / "truth/mesh.ply"), np.random.default_rng(0)
    frame = read_transforms(courtyard).frames[3]
    depths = np.load(courtyard / f"truth/depth/{frame.image_path.stem}.npy")
    rows, columns = rng.integers(36, size=40), rng.integers(48, size=40)
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(40)], axis=-1)
    pose = frame.T_world_camera
    directions = pixels @ np.linalg.inv(frame.camera.K).T @ pose[:3, :3].T
    expected = hit_depths(mesh, pose[:3, 3], directions)
    found = depths[rows, columns]
    np.testing.assert_array_equal(found == 0, np.isinf(expected))
    seen = found > 0
    assert 10 < seen.sum() < 40  # some of the sky, some of the scene
    np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-5)


def test_scans_lie_on_the_depth_of_the_images(courtyard):
    """LiDAR to world by the trajectory, world to image by the poses: frames and times have to be right."""
    trajectory, transforms = read_trajectory(courtyard / "trajectory.txt"), read_transforms(courtyard)
    clouds = [read_point_cloud(path) for path in list_scan_files(courtyard / "lidar")]
    assert len(clouds) == 2
    points = []
    for cloud in clouds:
        assert cloud.time is not None
        poses = trajectory.at(cloud.time)
        points.append(np.einsum("nij,nj->ni", poses[:, :3, :3], cloud.points) + poses[:, :3, 3])
    world, close = np.concatenate(points), 0
    for frame in transforms.frames:
        pose = frame.T_world_camera
        local = (world - pose[:3, 3]) @ pose[:3, :3]
        image = local @ frame.camera.K.T
        pixels = image[:, :2] / image[:, 2:]
        inside = (local[:, 2] > 0.3) & (pixels >= 0).all(1) & (pixels < (48, 36)).all(1)
        columns, rows = pixels[inside].astype(int).T
        depths = np.load(courtyard / f"truth/depth/{frame.image_path.stem}.npy")[rows, columns]
        close += (np.abs(depths / local[inside, 2] - 1) < 0.03).sum()
        in_front = (depths > 0) & (local[inside, 2] < 0.8 * depths)
        assert in_front.mean() < 0.1  # at edges, where a pixel's center sees what lies behind
    assert close > 3000


def test_seed_points_are_where_views_see_them(courtyard):
    cloud = read_point_cloud(courtyard / "points.ply")
    assert cloud.colors is not None
    assert 60 < len(cloud.points) <= 48 * 36 / 16 + 16  # rounded for each of the 16 training views
    assert np.median(np.linalg.norm(cloud.points, axis=-1)) < 25  # not all on the hills


def test_stated_extrinsics_and_clocks_are_wrong_by_what_was_asked(courtyard, wrong):
    true, stated = extrinsics(wrong / "truth/rig.json"), extrinsics(wrong / "rig.json")
    for name in ("left", "right"):
        turn = Rotation.from_matrix(stated[name][:3, :3] @ true[name][:3, :3].T)
        assert np.degrees(turn.magnitude()) == pytest.approx(2.0)
        assert np.linalg.norm(stated[name][:3, 3] - true[name][:3, 3]) == pytest.approx(0.05)
    assert json.loads((wrong / "truth/rig.json").read_text())["time_offset_s"] == 0.04
    for file in ("lidar/scan_0000.ply", "lidar/scan_0001.ply"):
        scan, stamped = read_point_cloud(courtyard / file), read_point_cloud(wrong / file)
        np.testing.assert_array_equal(scan.points, stamped.points)
        assert scan.time is not None
        assert stamped.time is not None
        np.testing.assert_allclose(stamped.time, scan.time + 0.04, atol=1e-9)
    clean, late = (read_trajectory(folder / "trajectory.txt") for folder in (courtyard, wrong))
    np.testing.assert_allclose(late.times - clean.times, 0.04, atol=1e-9)
    shift = late.poses[:, :3, 3] - clean.poses[:, :3, 3]
    np.testing.assert_allclose(shift, np.tile(shift[:1], (len(shift), 1)), atol=3e-6)
    assert 0.002 < np.linalg.norm(shift[0]) < 0.1


def test_stated_poses_are_noisy_and_the_truth_is_not(courtyard, wrong):
    assert digests(wrong / "truth/depth") == digests(courtyard / "truth/depth")
    clean = np.stack([frame.T_world_camera for frame in read_transforms(courtyard).frames])
    noisy = np.stack([frame.T_world_camera for frame in read_transforms(wrong).frames])
    assert (noisy - clean)[:, :3, 3].std() == pytest.approx(0.02, rel=0.35)
    turns = Rotation.from_matrix(np.einsum("nji,njk->nik", clean[:, :3, :3], noisy[:, :3, :3])).as_rotvec()
    assert np.degrees(turns).std() == pytest.approx(0.5, rel=0.35)


def test_exposures_are_those_of_the_truth(courtyard, wrong):
    for name, entry in true_cameras(wrong).items():
        clean, bright = (read_image_float(folder / f"images/{name}.png") for folder in (courtyard, wrong))
        plain = (bright < 0.98) & (clean > 0.1)
        assert entry["exposure_stops"] != 0
        assert np.median(bright[plain] / clean[plain]) == pytest.approx(2 ** (entry["exposure_stops"] / 2.2), rel=0.02)


def test_noise_of_many_poses_has_its_size():
    poses = np.tile(np.eye(4), (4000, 1, 1))
    noisy = disturbed_poses(poses, 2.0, 0.1, np.random.default_rng(0))
    turns = np.degrees(Rotation.from_matrix(noisy[:, :3, :3]).as_rotvec())
    np.testing.assert_allclose(turns.std(0), 2.0, rtol=0.05)
    np.testing.assert_allclose(noisy[:, :3, 3].std(0), 0.1, rtol=0.05)
    unmoved = disturbed_poses(poses, 0.0, 0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(unmoved, poses)
    np.testing.assert_allclose(wrong_extrinsics(np.eye(4), 0.0, 0.0, np.random.default_rng(0)), np.eye(4))


def test_blur_spreads_a_point_by_its_standard_deviation():
    image = np.zeros((31, 31, 3), np.float32)
    image[15, 15] = 1
    blurred = exposed(image, 0.0, 2.0)
    assert blurred.sum() == pytest.approx(3, rel=1e-3)
    x = np.arange(31) - 15
    assert np.sqrt((blurred[..., 0].sum(0) * x**2).sum()) == pytest.approx(2.0, rel=0.01)
    np.testing.assert_array_equal(exposed(image, 0.0, 0.0), image)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"views": 5}, "views: expected a multiple of 2"),
        ({"views": 2}, "views: expected a multiple of 2"),
        ({"scans": 0}, "scans: expected at least 1"),
        ({"width": 2}, "width, height"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        generate_walk(read_scene(find_scene("courtyard")), tmp_path, **arguments)


def test_bad_defects_and_scenes_without_a_walk_are_refused(tmp_path):
    with pytest.raises(ValueError, match="blur_px: expected a number of at least 0"):
        Defects(blur_px=-1.0)
    with pytest.raises(ValueError, match="dropout: expected at least 0 and less than 1"):
        LidarFaults(dropout=1.0)
    with pytest.raises(ValueError, match="studio: this scene has no walk"):
        generate_walk(read_scene(find_scene("studio")), tmp_path)
