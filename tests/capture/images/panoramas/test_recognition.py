"""What is a panorama, by pixels and by tags that are written byte by byte."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from splatkit.capture.images.panoramas.cuts import panorama_camera
from splatkit.capture.images.panoramas.recognition import gpano_tags, is_panorama
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.io.images import write_image
from tests.capture.images.box_room import level_pose, render

POSE = level_pose((2.3, 2.1, 1.4), 33)
PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"{attributes}>{elements}'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.fixture(scope="module")
def panorama() -> np.ndarray:
    return render(panorama_camera(512, 256), POSE)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return render(Camera("pinhole", 512, 256, 300.0, 300.0, 256.0, 128.0), POSE)


def with_xmp(path: Path, image: np.ndarray, attributes: str = "", elements: str = "") -> Path:
    """A JPEG with an APP1 segment of XMP behind its first marker, as the specification of XMP, part 3, has it."""
    write_image(path, image)
    packet = b"http://ns.adobe.com/xap/1.0/\0" + PACKET.format(attributes=attributes, elements=elements).encode()
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet + data[2:])
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_sphere_is_known_by_its_edges_wherever_it_begins(panorama, tmp_path, suffix):
    for shift in (0, 80, 256, 401):
        path = tmp_path / f"{shift}{suffix}"
        write_image(path, np.roll(panorama, shift, axis=1))
        assert is_panorama(path)


def test_photographs_of_that_shape_are_none(panorama, photograph, tmp_path):
    cut_off = cv2.resize(panorama[:, :440], (512, 256), interpolation=cv2.INTER_AREA)
    ring = cv2.resize(panorama[60:196], (512, 256))  # goes all around, and not up and down
    others = {"photograph": photograph, "cut off": cut_off, "ring": ring, "black": np.zeros_like(panorama)}
    others |= {"squeezed": cv2.resize(panorama, (500, 256))}
    for name, image in others.items():
        path = tmp_path / f"{name}.png"
        write_image(path, image)
        assert not is_panorama(path), name


def test_tags_decide_where_there_are_some(panorama, photograph, tmp_path):
    said = with_xmp(tmp_path / "said.jpg", photograph, ' GPano:ProjectionType="equirectangular"')
    assert is_panorama(said)
    elements = "<GPano:ProjectionType>equirectangular</GPano:ProjectionType>"
    assert is_panorama(with_xmp(tmp_path / "element.jpg", photograph, elements=elements))
    assert not is_panorama(with_xmp(tmp_path / "other.jpg", panorama, ' GPano:ProjectionType="cylindrical"'))


def test_a_part_of_a_sphere_is_refused_in_one_line(panorama, tmp_path):
    sizes = (
        ' GPano:ProjectionType="equirectangular" GPano:FullPanoWidthPixels="1024" GPano:FullPanoHeightPixels="512"'
        ' GPano:CroppedAreaImageWidthPixels="512" GPano:CroppedAreaImageHeightPixels="256"'
    )
    with pytest.raises(DatasetError, match=r"part\.jpg: a panorama of a part of the sphere \(512x256 px\)"):
        is_panorama(with_xmp(tmp_path / "part.jpg", panorama, sizes))
    squat = with_xmp(tmp_path / "squat.jpg", panorama[40:200], ' GPano:ProjectionType="equirectangular"')
    with pytest.raises(DatasetError, match=r"squat\.jpg: a panorama of a part"):
        is_panorama(squat)


def test_damaged_tags_are_no_tags(panorama, tmp_path):
    whole = with_xmp(tmp_path / "whole.jpg", panorama, ' GPano:ProjectionType="equirectangular"').read_bytes()
    end = whole.index(b"</x:xmpmeta>")
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.jpg"
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(30, end, 20):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        tags = gpano_tags(path)
        assert all(isinstance(value, str) for value in tags.values())
