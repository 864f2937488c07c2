"""Real photographs: a scene whose cameras were surveyed, and one whose poses another program found."""

import json
import shutil

import numpy as np
import pycolmap
import pytest

from splatkit.cli import main
from splatkit.io.formats.colmap_cameras import colmap_camera
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.transforms_json import read_transforms
from tests.room import similarity_errors

pytestmark = pytest.mark.slow


def centers(transforms) -> np.ndarray:
    """[N, 3] in the order of names."""
    return np.stack([f.T_world_camera[:3, 3] for f in sorted(transforms.frames, key=lambda f: f.file_path)])


def test_fountain_is_found_from_photographs_alone(data_dir, tmp_path):
    """11 of 11 registered, centers within a thousandth of the cameras' extent of those that were surveyed."""
    source, out = data_dir / "fountain_p11", tmp_path / "fountain"
    settings = ["--workers", "1", "--features", "3000"]
    assert (
        main(["capture", "images", "--images", str(source / "images"), "--out", str(out), "--stereo", "off", *settings])
        == 0
    )
    surveyed, found = read_transforms(source), read_transforms(out)
    assert len(found.frames) == 11
    truth = centers(surveyed)
    extent = np.linalg.norm(truth[:, None] - truth[None], axis=-1).max()
    assert similarity_errors(centers(found), truth).max() < 1e-3 * extent
    figures = json.loads((out / "capture.json").read_text())["figures"]
    assert figures["mean_reprojection_px"] < 0.4
    assert figures["points"] > 2000
    assert found.frames[0].camera.fx == pytest.approx(surveyed.frames[0].camera.fx, rel=0.005)


def test_fox_is_triangulated_from_given_poses_of_both_formats(data_dir, tmp_path):
    """A part of it, as transforms.json and as a COLMAP model: the same cameras, and points where its own are."""
    source, part = data_dir / "fox", tmp_path / "part"
    (part / "images").mkdir(parents=True)
    meta = json.loads((source / "transforms.json").read_text())
    meta = {key: value for key, value in meta.items() if not key.endswith("_filenames")}
    frames = sorted(meta["frames"], key=lambda frame: frame["file_path"])[:14]
    for frame in frames:
        shutil.copy(source / frame["file_path"], part / frame["file_path"])
    (part / "transforms.json").write_text(json.dumps({**meta, "ply_file_path": None, "frames": frames}))
    given = read_transforms(part)
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(colmap_camera(given.frames[0].camera, 1))
    for index, known in enumerate(given.frames):
        image = pycolmap.Image(image_id=index + 1, name=known.image_path.name, camera_id=1)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(known.posed.T_camera_world[:3]))
    (tmp_path / "model").mkdir()
    model.write_text(tmp_path / "model")
    outs = [tmp_path / "by_transforms", tmp_path / "by_colmap"]
    assert (
        main(["capture", "images", "--poses", str(part), "--out", str(outs[0]), "--workers", "1", "--stereo", "off"])
        == 0
    )
    arguments = ["--poses", str(tmp_path / "model"), "--images", str(part / "images"), "--keep-world"]
    assert main(["capture", "images", *arguments, "--out", str(outs[1]), "--workers", "1", "--stereo", "off"]) == 0
    for out, tolerance in zip(outs, (1e-12, 1e-5), strict=True):  # COLMAP's quaternions make these rotations exact ones
        assert np.abs(centers(read_transforms(out)) - centers(given)).max() < tolerance
        figures = json.loads((out / "capture.json").read_text())["figures"]
        assert figures["mean_reprojection_px"] < 0.7
        assert figures["points"] > 1000
    clouds = [read_point_cloud(out / "points.ply").points for out in outs]
    assert len(clouds[0]) == pytest.approx(len(clouds[1]), rel=0.05)
