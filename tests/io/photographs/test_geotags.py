"""Positions of drones: what DJI's XMP says of RTK, against what a file was made with."""

from pathlib import Path

import pytest
from PIL import Image

from splatkit.io.photographs.geotags import geotag

FIXED = {
    **{"GpsLatitude": "+47.376912345", "GpsLongitude": "+8.541712345", "AbsoluteAltitude": "+521.668"},
    **{"RtkFlag": "50", "RtkStdLon": "0.00231", "RtkStdLat": "0.004", "RtkStdHgt": "0.04"},
}


def photograph(path: Path, values: dict[str, str], as_elements: bool = False) -> Path:
    """With EXIF of 1 deg north and 2 deg east, and XMP as DJI writes it."""
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (1.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0), 5: b"\x00", 6: 300.0}
    words = " ".join(f'drone-dji:{name}="{value}"' for name, value in values.items())
    elements = "".join(f"<drone-dji:{name}>{value}</drone-dji:{name}>" for name, value in values.items())
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" '
        f"{'' if as_elements else words}>{elements if as_elements else ''}</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    Image.new("RGB", (16, 12)).save(path, exif=exif, xmp=xmp.encode())
    return path


@pytest.mark.parametrize("as_elements", [False, True])
def test_a_fixed_solution_counts_before_exif(as_elements, tmp_path):
    found = geotag(photograph(tmp_path / "a.jpg", FIXED, as_elements))
    assert found is not None
    assert (found.latitude, found.longitude, found.altitude) == (47.376912345, 8.541712345, 521.668)
    assert found.error_m == pytest.approx((0.004**2 + 0.03**2) ** 0.5)
    assert found.vertical_error_m == pytest.approx(0.05)


def test_a_floating_solution_is_trusted_less(tmp_path):
    found = geotag(photograph(tmp_path / "a.jpg", {**FIXED, "RtkFlag": "34"}))
    assert found is not None
    assert found.latitude == 47.376912345
    assert found.error_m == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"RtkFlag": "16"},
        {"RtkFlag": "0"},
        {"RtkStdLat": "0"},
        {"RtkStdHgt": "nan"},
        {"GpsLatitude": "97"},
        {"RtkFlag": "?"},
    ],
    ids=lambda change: "-".join(*change.items()),
)
def test_what_rtk_does_not_know_is_left_to_exif(change, tmp_path):
    found = geotag(photograph(tmp_path / "a.jpg", {**FIXED, **change}))
    assert found is not None
    assert (found.latitude, found.longitude, found.altitude) == (1.0, 2.0, 300.0)
    assert (found.error_m, found.vertical_error_m) == (None, None)


def test_a_misspelled_name_and_a_damaged_file(tmp_path):
    values = dict(FIXED)
    values["GpsLongtitude"] = values.pop("GpsLongitude")
    path = photograph(tmp_path / "a.jpg", values)
    found = geotag(path)
    assert found is not None
    assert found.longitude == 8.541712345
    path.write_bytes(path.read_bytes()[:30])
    assert geotag(path) is None
