import numpy as np

from splatkit.optimize.nerfstudio.start_view import start_view


def test_view_starts_at_the_first_camera_and_turns_about_what_it_sees():
    pose = np.array([[1.0, 0, 0, 5], [0, 0, -1, -3], [0, 1, 0, 2]])  # looks along +y, up is +z
    points = np.array([[5.0, 1, 2], [5, 1, 2], [5, 1, 2], [5, -100, 2]])  # one lies behind
    position, look_at, up = start_view(np.stack([pose, pose]), points)
    np.testing.assert_allclose(position, [5, -2.8, 2])  # a step ahead of the picture that hangs before the camera
    np.testing.assert_allclose(look_at, [5, 1, 2])
    np.testing.assert_allclose(up, [0, 0, 1])


def test_cameras_turned_every_way_take_up_from_the_first():
    pose = np.eye(4)[:3]
    upside_down = np.diag([-1.0, -1, 1, 1])[:3]
    up = start_view(np.stack([pose, upside_down]), np.zeros((0, 3)))[2]
    np.testing.assert_allclose(up, [0, 1, 0])
