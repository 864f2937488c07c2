"""Frames of tf: chains of fixed transforms in both directions, and nothing across one that moves."""

import numpy as np

from splatkit.geometry.se3 import exp_se3, invert
from splatkit.io.recordings.frames import RigidFrames


def transform(seed):
    return exp_se3(np.random.default_rng(seed).normal(size=6))


def test_a_chain_leads_up_and_down_the_tree():
    frames, up, down, leaf = RigidFrames(), transform(0), transform(1), transform(2)
    frames.add("base", "/lidar", up)
    frames.add("base", "mount", down)
    frames.add("mount", "left_optical", leaf)
    found = frames.find("left_optical", "lidar")
    assert found is not None
    np.testing.assert_allclose(found, invert(down @ leaf) @ up, atol=1e-12)


def test_what_moves_is_not_fixed_and_what_is_repeated_is():
    frames = RigidFrames()
    frames.add("odom", "base", transform(0))
    frames.add("odom", "base", transform(1))
    frames.add("base", "lidar", transform(2))
    frames.add("base", "lidar", transform(2))
    assert frames.find("odom", "lidar") is None
    assert frames.find("base", "lidar") is not None
    assert frames.find("base", "elsewhere") is None
