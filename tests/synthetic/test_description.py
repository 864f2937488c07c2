"""Descriptions of scenes: what comes with the package is valid, and what is mistyped is named."""

from pathlib import Path

import pytest

from splatkit.errors import DatasetError
from splatkit.synthetic.description import find_scene, read_scene

SCENE = """
background = [0.5, 0.5, 0.5]
cameras = {target = [0, 0, 0], horizontal_fov_deg = 50, rings = [{radius = 2, height = 1}]}
light = {direction = [0, 0, 1], diffuse = 0.5, ambient = 0.5}
[[objects]]
name = "ball"
shape = "sphere"
position = [0, 0, 0]
radius = 0.5
texture = {kind = "solid", colors = [[1, 0, 0], [0, 0, 0]]}
"""


def read(folder: Path, text: str):
    path = folder / "small.toml"
    path.write_text(text)
    return read_scene(path)


def test_a_small_scene_is_read(tmp_path):
    scene = read(tmp_path, SCENE)
    assert scene.name == "small"
    assert scene.objects[0].radius == 0.5
    assert scene.objects[0].texture.colors == ((1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert scene.cameras.rings[0].radius == 2.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("radius = 0.5", "raduis = 0.5", "ball|unknown entry 'raduis'"),
        ("radius = 0.5", "", "ball: a sphere needs all its dimensions"),
        ("radius = 0.5", "radius = 'big'", "ball: radius: expected a float"),
        ('shape = "sphere"', 'shape = "cone"', "ball: shape: expected one of box"),
        ('kind = "solid"', 'kind = "wood"', "texture: kind: expected one of solid"),
        ("position = [0, 0, 0]", "position = [0, 0]", "ball: position: expected 3 entries, got 2"),
        ("position = [0, 0, 0]", "", "'position' is missing"),
        ("background", "foreground", "unknown entry 'foreground'"),
        ("[[objects]]", "[[objects", "not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, message):
    with pytest.raises(DatasetError, match=r"small\.toml: .*(" + message + ")"):
        read(tmp_path, SCENE.replace(old, new, 1))


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "scenes").glob("*.toml")), ids=lambda p: p.stem)
def test_scenes_of_the_package_are_valid_and_found_by_name(path):
    assert find_scene(path.stem).samefile(path)
    assert len(read_scene(path).objects) > 3


def test_an_unknown_scene_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"there are: .*studio"):
        find_scene("nowhere")
