"""What EXIF says, and that whatever is in it, it is a position or none."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from splatkit.io.photographs.exif import GpsFix, focal_px, gps_fix
from tests.io.photographs.dng import degrees, rational

RATIONAL = TiffImagePlugin.IFDRational


def save(path, gps: dict, focal: int | None = None):
    exif = Image.Exif()
    exif[0x8825] = gps
    if focal is not None:
        exif[0x8769] = {0xA405: focal}
    Image.fromarray(np.full((6, 8, 3), 90, np.uint8)).save(path, exif=exif)
    return path


def position(latitude: float, longitude: float, **changes) -> dict:
    angles = [tuple(RATIONAL(*part) for part in degrees(abs(angle))) for angle in (latitude, longitude)]
    table = {1: "NS"[latitude < 0], 2: angles[0], 3: "EW"[longitude < 0], 4: angles[1]}
    return table | {int(tag): value for tag, value in changes.items()}


def test_positions_on_both_hemispheres(tmp_path):
    for latitude, longitude in ((48.25, 11.5), (-33.125, -70.75)):
        fix = gps_fix(save(tmp_path / "a.jpg", position(latitude, longitude)))
        assert fix is not None
        assert (fix.latitude, fix.longitude) == pytest.approx((latitude, longitude))
        assert (fix.altitude, fix.error_m) == (None, None)


def test_altitudes_and_errors(tmp_path):
    table = position(48.0, 11.0) | {5: b"\1", 6: RATIONAL(*rational(3.5)), 31: RATIONAL(*rational(6.25))}
    assert gps_fix(save(tmp_path / "a.jpg", table)) == GpsFix(48.0, 11.0, -3.5, 6.25)


@pytest.mark.parametrize(
    "table",
    [
        {},
        position(0.0, 0.0),  # what phones write before they know
        position(48.0, 11.0) | {9: "V"},  # the receiver had no position
        {2: position(48.0, 11.0)[2], 4: position(48.0, 11.0)[4]},  # without the sides
        position(48.0, 11.0) | {2: (RATIONAL(98, 1), RATIONAL(0, 1), RATIONAL(0, 1))},
        position(48.0, 11.0) | {2: (RATIONAL(48, 0), RATIONAL(0, 0), RATIONAL(0, 0))},
    ],
)
def test_what_is_no_position_is_none(tmp_path, table):
    assert gps_fix(save(tmp_path / "a.jpg", table)) is None


def test_focal_lengths(tmp_path):
    assert focal_px(save(tmp_path / "a.jpg", {}, focal=26), 4032, 3024) == pytest.approx(26 / 43.2666 * 5040, rel=1e-5)
    assert focal_px(save(tmp_path / "b.jpg", {}), 4032, 3024) is None
    assert focal_px(save(tmp_path / "c.jpg", {}, focal=0), 4032, 3024) is None


def test_damaged_exif_is_a_position_or_none(tmp_path):
    whole = save(tmp_path / "a.jpg", position(48.0, 11.0), focal=26).read_bytes()
    start, end = whole.index(b"Exif\0\0"), whole.index(b"\xff\xdb")

    @seed(5)
    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.floats(0, 0.999), st.binary(min_size=1, max_size=8))
    def attack(place: float, value: bytes) -> None:
        at = start + int(place * (end - start))
        (tmp_path / "b.jpg").write_bytes(whole[:at] + value + whole[at + len(value) :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, on damaged EXIF
            fix = gps_fix(tmp_path / "b.jpg")
            focal = focal_px(tmp_path / "b.jpg", 8, 6)
        assert fix is None or (abs(fix.latitude) <= 90 and abs(fix.longitude) <= 180)
        assert focal is None or focal > 0

    attack()
