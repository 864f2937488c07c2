"""Photographs of all listed kinds go the whole way: features are found in each of them."""

import json

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from splatkit.capture.images.findings import find_warnings
from splatkit.capture.images.inputs import ImageInputs, gather_images
from splatkit.capture.images.scene import Solution
from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.images.solved_scene import SolvedScene
from splatkit.capture.images.stage import capture_images
from splatkit.capture.stereo.settings import CaptureStereoSettings
from splatkit.capture.stereo.stage import capture_stereo
from splatkit.capture.work_folder import WorkFolder
from splatkit.errors import CaptureRefusedError
from splatkit.export.files.frames import read_georeference
from splatkit.geometry.geodesy import geocentric
from splatkit.io.images import read_image, write_image
from splatkit.io.photographs.kinds import PLAIN_SUFFIXES
from splatkit.io.transforms_json import read_transforms
from splatkit.progress import no_progress
from tests.io.photographs.dng import degrees, linear_light, rational, write_dng
from tests.room import photograph_room, similarity_errors


def save_as(picture: np.ndarray, path, deep: bool) -> None:
    if deep:
        Image.fromarray(picture[..., 1].astype(np.uint16) * 257).save(path)
    elif path.suffix == ".webp":
        Image.fromarray(picture).save(path, lossless=True)
    else:
        Image.fromarray(picture).save(path, quality=95)


@pytest.mark.slow
def test_every_listed_suffix_works_in_a_capture(tmp_path):
    """16-bit gray as thermal and machine-vision cameras write it among them. Source: Pillow #3011."""
    room = photograph_room(tmp_path / "room")
    (tmp_path / "mixed").mkdir()
    kinds = [*((suffix, False) for suffix in PLAIN_SUFFIXES), (".png", True)]
    assert len(kinds) == len(room.names)
    for name, (suffix, deep) in zip(room.names, kinds, strict=True):
        save_as(read_image(room.folder / name), (tmp_path / "mixed" / name).with_suffix(suffix), deep)
    for name in ("IMG_1.AVIF", "IMG_2.exr", "notes.txt"):
        (tmp_path / "mixed" / name).write_bytes(b"x")
    captured = capture_images(CaptureImagesSettings(tmp_path / "mixed", tmp_path / "out", workers=1, stereo="off"))
    assert captured.verdict().startswith("8 of 8")
    offered = {path.name for path in (tmp_path / "mixed").iterdir()}
    record = json.loads((tmp_path / "out/capture.json").read_text())
    used = {name.rpartition("/")[2] for name in record["figures"]["blur_px"]}
    named = {name for names in record["figures"]["left_out"].values() for name in names}
    assert (used | named, used & named) == (offered, set())
    assert sum("is not read" in warning for warning in record["warnings"]) == 2
    frames = read_transforms(tmp_path / "out").frames
    assert {frame.image_path.suffix for frame in frames} == set(PLAIN_SUFFIXES)
    gray = next(frame for frame in frames if frame.file_path.endswith("07.png"))
    np.testing.assert_array_equal(read_image(gray.image_path)[..., 0], read_image(room.folder / room.names[7])[..., 1])


def test_heif_and_raw_files_go_the_whole_way_and_become_jpegs(tmp_path):
    """Beside a JPEG that a camera wrote with a raw file. Nothing in the dataset needs an extra any more."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif, which writes test files, is not installed")
    pytest.importorskip("rawpy", reason="rawpy is not installed: pip install 'splatkit[raw]'")
    room, mixed = photograph_room(tmp_path / "room"), tmp_path / "mixed"
    mixed.mkdir()
    for index, name in enumerate(room.names):
        picture, stem = read_image(room.folder / name), f"IMG_{index}"
        if index % 3 == 0:
            pillow_heif.from_pillow(Image.fromarray(picture)).save(mixed / f"{stem}.HEIC", quality=95)
        else:
            write_dng(mixed / f"{stem}.DNG", linear_light(picture))
        if index % 3 == 2:
            Image.fromarray(picture).save(mixed / f"{stem}.JPG", quality=95)
    captured = capture_images(CaptureImagesSettings(mixed, tmp_path / "out", workers=1, stereo="off"))
    assert captured.verdict().startswith("8 of 8")
    assert [warning for warning in captured.warnings if "raw" in warning] == [
        "2 files are left out, raw: the developed photograph of the same name is used (IMG_2.DNG, IMG_5.DNG)"
    ]
    frames = read_transforms(tmp_path / "out").frames
    assert sorted(frame.image_path.name for frame in frames) == [
        *("IMG_0.HEIC.jpg", "IMG_1.DNG.jpg", "IMG_2.JPG", "IMG_3.HEIC.jpg", "IMG_4.DNG.jpg", "IMG_5.JPG"),
        *("IMG_6.HEIC.jpg", "IMG_7.DNG.jpg"),
    ]
    centers = np.stack([frame.posed.center for frame in sorted(frames, key=lambda frame: frame.file_path)])
    assert similarity_errors(centers, room.poses[:, :3, 3]).max() < 0.02  # 0.004
    for frame in frames:
        assert frame.image_path.read_bytes().startswith(b"\xff\xd8")


def test_dark_photographs_of_12_bits_in_16_are_told(tmp_path):
    room = photograph_room(tmp_path / "room")
    (tmp_path / "dark").mkdir()
    for name in room.names:
        gray = read_image(room.folder / name)[..., 1].astype(np.uint16)
        Image.fromarray(gray * 16).save(tmp_path / "dark" / name)
    gathered = gather_images(ImageInputs(tmp_path / "dark"), WorkFolder(tmp_path / "out"), 1, no_progress)
    nothing = Solution(SolvedScene((), np.zeros((0, 3)), np.zeros((0, 3), np.uint8)), {}, ())
    assert any("brighter than 16 of 255" in warning for warning in find_warnings(gathered, nothing))


def test_photographs_from_one_place_are_not_said_to_share_too_little(tmp_path):
    """The same picture again and again, moved by some pixels: features match, places do not follow."""
    room = photograph_room(tmp_path / "room", count=1)
    (tmp_path / "photos").mkdir()
    for index in range(3):
        shifted = np.roll(read_image(room.folder / room.names[0]), 8 * index, axis=1)
        write_image(tmp_path / f"photos/{index}.png", shifted)
    with pytest.raises(CaptureRefusedError, match=r"share up to \d+ features, but show no parallax. Take them from"):
        capture_images(CaptureImagesSettings(tmp_path / "photos", tmp_path / "out", workers=1, stereo="off"))


def test_photographs_with_gps_become_meters_on_earth(tmp_path):
    """A room of 120 m as a drone would see it; and what stereo makes of the dataset keeps its place."""
    room = photograph_room(tmp_path / "room")
    local = 40 * room.poses[:, :3, 3]
    for name, (east, north, up) in zip(room.names, local, strict=True):
        exif = Image.Exif()
        exif[0x8825] = gps_table(46.0 + north / 111_147.0, 7.0 + east / 77_467.0, 500.0 + up)  # m a degree at 46 deg
        Image.fromarray(read_image(room.folder / name)).save((tmp_path / "room" / name).with_suffix(".jpg"), exif=exif)
        (room.folder / name).unlink()
    captured = capture_images(CaptureImagesSettings(room.folder, tmp_path / "out", workers=1, stereo="off"))
    assert "scale metric by GPS, known to" in captured.verdict()
    read = read_transforms(tmp_path / "out")
    centers = np.stack([frame.posed.center for frame in sorted(read.frames, key=lambda frame: frame.file_path)])
    np.testing.assert_allclose(centers - centers.mean(0), local - local.mean(0), atol=1.5)  # 0.2
    record = json.loads((tmp_path / "out/capture.json").read_text())
    assert (record["scale"], record["figures"]["gps"]["used"]) == ("metric", True)
    assert "meters by GPS from latitude 4" in record["frame"]
    assert read.georeference is not None
    assert read.georeference["crs"] == "EPSG:4978"
    assert read.georeference["origin"]["altitude"] == pytest.approx(500 + np.median(local[:, 2]), abs=0.01)
    georeference = read_georeference(tmp_path / "out", None)
    assert georeference is not None
    truth = geocentric(*np.array([[46.0 + y / 111_147.0, 7.0 + x / 77_467.0, 500.0 + z] for x, y, z in local]).T)
    assert np.linalg.norm(georeference.place(centers) - truth, axis=1).max() < 1.5  # 0.24
    capture_stereo(CaptureStereoSettings(tmp_path / "out", tmp_path / "dense", stereo="low"))
    assert read_transforms(tmp_path / "dense").georeference == read.georeference
    kept = capture_images(
        CaptureImagesSettings(room.folder, tmp_path / "kept", workers=1, stereo="off", keep_world=True)
    )
    assert "GPS of 8 photographs was not used: --keep-world leaves the world as it is" in kept.warnings


def gps_table(latitude: float, longitude: float, altitude: float) -> dict:
    """EXIF's GPS directory of a place north and east."""
    angles = [tuple(TiffImagePlugin.IFDRational(*part) for part in degrees(angle)) for angle in (latitude, longitude)]
    return {1: "N", 2: angles[0], 3: "E", 4: angles[1], 5: b"\0", 6: TiffImagePlugin.IFDRational(*rational(altitude))}
