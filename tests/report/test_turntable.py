"""Turntables show a mesh whole, and begin where photographs were taken from."""

import cv2
import numpy as np

from splatkit.io.mesh import Mesh
from splatkit.report.turntable import Turntable, write_turntable


def slab() -> Mesh:
    """Red where x > 0, blue where x < 0, with a thin edge between."""
    corners = np.array([[x, y, z] for x in (-1, -0.01, 0.01, 1) for y in (-0.5, 0.5) for z in (0, 1)], float)
    faces = [
        (a, b, c)
        for i in range(0, 12, 4)
        for a, b, c in ((i, i + 4, i + 1), (i + 1, i + 4, i + 5), (i + 2, i + 3, i + 6), (i + 3, i + 7, i + 6))
    ]
    faces += [(0, 1, 2), (1, 3, 2), (12, 14, 13), (13, 14, 15)]
    colors = np.where(corners[:, :1] > 0, [255, 0, 0], [0, 0, 255]).astype(np.uint8)
    return Mesh(corners, np.array(faces), colors)


def test_each_side_is_shown_whole():
    around = Turntable(slab(), (96, 80))
    for azimuth, channel in ((0, 0), (180, 2)):
        picture = around.picture(azimuth).astype(int)
        assert picture[40, 48, channel] == 255
        assert picture[40, 48, 2 - channel] == 0
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert border.min() > 240  # plain ground


def test_azimuths_follow_the_photographs():
    around = Turntable(slab(), (32, 32))
    angles = np.deg2rad(np.linspace(150, 250, 101))  # across the seam of arctan2
    places = np.stack([5 * np.cos(angles), 5 * np.sin(angles), np.ones(101)], -1)
    found = around.azimuths(places, np.array([0.0, 0.5, 1.0])) % 360
    np.testing.assert_allclose(found, [150, 200, 250], atol=0.5)


def test_a_video_and_its_first_picture(tmp_path):
    around = Turntable(slab(), (64, 48))
    write_turntable(tmp_path, around, 180.0, pictures=6)
    video = cv2.VideoCapture(str(tmp_path / "turntable.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 6
    frame = video.read()[1][..., ::-1].astype(int)
    video.release()
    poster = cv2.imread(str(tmp_path / "turntable.png"))
    assert poster is not None
    np.testing.assert_array_equal(poster[..., ::-1], around.picture(180))
    off = [np.abs(frame - around.picture(180 + 60 * turn)).mean() for turn in range(6)]
    assert off[0] < 0.4 * min(off[1:])  # the codec blurs: 5.6 of 255 against 48
    assert sorted(path.name for path in tmp_path.iterdir()) == ["turntable.mp4", "turntable.png"]
