import numpy as np

from splatkit.capture.images.upright import rotation_to_z, up_direction
from tests.room import look_at


def test_up_is_found_from_a_quarter_turn_of_cameras_that_look_down():
    angles = np.linspace(0, np.pi / 2, 7)
    centers = [[3 * np.cos(a), 3 * np.sin(a), 4.0] for a in angles]
    poses = np.stack([look_at(np.array(center), np.zeros(3)) for center in centers])
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    poses[:, :3, :3] = turn @ poses[:, :3, :3]
    ups = [(0, -1)] * len(poses)
    found = up_direction(poses, ups)
    assert found is not None
    assert np.degrees(np.arccos(found @ turn[:, 2])) < 2
    assert np.allclose(rotation_to_z(found) @ found, [0, 0, 1], atol=1e-12)
    # The same photographs stored on their side, as EXIF tells: the camera's x axis points down.
    sideways = poses.copy()
    sideways[:, :3, 0], sideways[:, :3, 1] = poses[:, :3, 1], -poses[:, :3, 0]
    found_sideways = up_direction(sideways, [(-1, 0)] * len(poses))
    assert found_sideways is not None
    assert np.allclose(found_sideways, found, atol=1e-9)
    everyway = np.concatenate([poses, poses @ np.diag([-1.0, -1.0, 1.0, 1.0])])
    assert up_direction(everyway, ups + ups) is None
