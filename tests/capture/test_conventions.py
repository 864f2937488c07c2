"""Names of images in captured datasets; cameras are tested with the projection of points."""

import numpy as np
import pytest

from splatkit.capture.conventions import name_below_images, opengl


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("images/left/0001.png", "left/0001.png"),
        ("./images/0001.png", "0001.png"),
        ("color/0001.jpg", "color/0001.jpg"),
        ("../elsewhere/0001.jpg", "elsewhere/0001.jpg"),
        ("images", "images"),
        (".hidden.png", ".hidden.png"),
    ],
)
def test_names_begin_below_the_folder_of_images(path, name):
    assert name_below_images(path) == name


def test_axes_turn_back_and_forth():
    pose = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(opengl(opengl(pose)), pose)
    np.testing.assert_array_equal(opengl(np.eye(4)), np.diag([1.0, -1, -1, 1]))
