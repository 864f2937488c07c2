"""nerfstudio's own readers of Metashape and RealityCapture see the same cameras, but for what is known to differ.

nerfstudio leaves out a component's scale, takes the first calibration of a sensor, and has RealityCapture's t1 and t2
as OpenCV's p1 and p2, which Epic's reference says are exchanged.
"""

import json

import numpy as np
from nerfstudio.process_data.metashape_utils import metashape_to_json
from nerfstudio.process_data.realitycapture_utils import realitycapture_to_json

from splatkit.capture.images.poses.reading import read_poses
from tests.capture.images.photogrammetry.written import BROWN, COUNT, FOCAL, write_metashape, write_realityscan

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


def from_the_first(poses: np.ndarray) -> np.ndarray:
    """Poses [N, 4, 4] in the axes of the first camera: worlds differ in theirs."""
    return np.linalg.inv(poses[0]) @ poses


def both(folder, path) -> tuple[np.ndarray, np.ndarray, dict]:
    """nerfstudio's poses, ours, and what nerfstudio says of the lens."""
    meta = json.loads((folder / "transforms.json").read_text())
    theirs = np.array([np.array(frame["transform_matrix"]) @ FLIP for frame in meta["frames"]])
    ours = np.stack([camera.posed.T_world_camera for camera in read_poses(path, "auto", None, None, None).cameras])
    return from_the_first(theirs), from_the_first(ours), {**meta, **meta["frames"][0]}


def test_poses_of_metashape_are_nerfstudios_but_for_the_scale(tmp_path):
    path = write_metashape(tmp_path)
    metashape_to_json({str(i): tmp_path / "images" / f"{i}.png" for i in range(COUNT)}, path, tmp_path)
    theirs, ours, _ = both(tmp_path, path)
    np.testing.assert_allclose(theirs[:, :3, :3], ours[:, :3, :3], atol=1e-12)
    np.testing.assert_allclose(0.25 * theirs[:, :3, 3], ours[:, :3, 3], atol=1e-8)  # the scale that was written


def test_cameras_of_realityscan_are_nerfstudios_but_for_the_order_of_t1_and_t2(tmp_path):
    path = write_realityscan(tmp_path)
    path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")  # nerfstudio knows no line of counts
    names = {str(i): tmp_path / "images" / f"{i}.png" for i in range(COUNT)}
    realitycapture_to_json(names, path, None, tmp_path)
    theirs, ours, lens = both(tmp_path, path)
    np.testing.assert_allclose(theirs, ours, atol=1e-12)
    k1, k2, p1, p2, k3 = BROWN
    found = [float(lens[name]) for name in ("fl_x", "cx", "cy", "k1", "k2", "k3", "p2", "p1")]
    np.testing.assert_allclose(found, [FOCAL, 12.5, 8.75, k1, k2, k3, p1, p2], atol=1e-12)
