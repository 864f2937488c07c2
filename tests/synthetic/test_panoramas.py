"""Panoramas of a generated walk look where their truth says."""

from dataclasses import replace

import numpy as np
import pytest

from splatkit.cli import main
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import image_size, read_image_float
from splatkit.io.json_files import read_json
from splatkit.progress import no_progress
from splatkit.synthetic.description import find_scene, read_scene
from splatkit.synthetic.panoramas import panorama_lens, take_panoramas
from splatkit.synthetic.tracer import Tracer
from splatkit.synthetic.walk import RigMotion


def test_a_pinhole_at_a_panoramas_pose_sees_the_same(tmp_path):
    description = read_scene(find_scene("courtyard"))
    walk = description.walk
    assert walk is not None
    rng = np.random.default_rng(0)
    tracer, motion = Tracer(description, 0), RigMotion(walk, rng)
    (tmp_path / "truth").mkdir()
    take_panoramas(tmp_path, tracer, motion, walk, 24, 2, rng, no_progress)
    entries = read_json(tmp_path / "truth/panoramas.json")["images"]
    assert [entry["name"] for entry in entries] == ["panorama_0000.png", "panorama_0001.png"]
    path = tmp_path / "panoramas" / entries[1]["name"]
    width, height = image_size(path)
    assert width == 2 * height
    lens, image = panorama_lens(height), read_image_float(path)
    pose = np.array(entries[1]["T_world_camera"])
    aside = pose.copy()  # a quarter to the right of the panorama's middle
    aside[:3, :3] = pose[:3, :3] @ np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    # a pinhole of one pixel as wide as one of the panorama, in the middle of both views
    pixel = 2 * np.pi / width
    for center, column in ((pose, width // 2), (aside, width // 2 + width // 4)):
        pinhole = PosedCamera("", Camera("pinhole", 9, 9, 1 / pixel, 1 / pixel, 4.5, 4.5), center)
        seen = tracer.render(pinhole, 3, rng).colors
        around = image[height // 2 - 4 : height // 2 + 4, column - 4 : column + 4]
        # the panorama's pixels lie half a pixel aside of the pinhole's: compared are means
        assert np.abs(seen[:8, :8].mean((0, 1)) - around.mean((0, 1))).max() < 0.06
        assert lens.image(np.array([[0.0, 0.0, 1.0]]))[0] == pytest.approx((width / 2, height / 2))
    assert replace(lens, fx=lens.fy) == lens  # square pixels


def test_scenes_without_a_walk_have_none(tmp_path, capsys):
    assert main(["scene", "studio", "--out", str(tmp_path / "out"), "--panoramas", "2"]) == 2
    assert "--panoramas: expected 0 or more, and a walk" in capsys.readouterr().err
