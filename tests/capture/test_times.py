"""Tables of times are read or refused with their line; nothing else happens."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.capture.times import read_times
from splatkit.errors import DatasetError


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=60) | st.text(alphabet="file,time_s.0123456789eE+-nai\n\t ", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "times.csv"
    path.write_bytes(content)
    assert "times.csv" in (refusal(path) or "times.csv")


def refusal(path):
    """What reading a file says against it; empty if it is read."""
    try:
        read_times(path)
    except DatasetError as error:
        return str(error)
    return ""


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    heading=st.sampled_from(
        ["", "file,time_s", "image;timestamp", "#timestamp [ns],filename", "# t file", "Foto,Zeit"]
    ),
    unit=st.sampled_from([1, 10**3, 10**6, 10**9]),
    separator=st.sampled_from([",", ", ", ";", "\t", " "]),
    swapped=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_columns_units_and_encodings_are_told(heading, unit, separator, swapped, encoding, end, tmp_path_factory):
    if heading[:1] == "#" or ("file" in heading or "image" in heading):
        swapped = heading[:1] == "#"
    unit = {"file,time_s": 1, "#timestamp [ns],filename": 10**9}.get(heading, unit)
    times = {"Küche_1.png": 1_403_636_579_763_555_584, "Küche_2.png": 1_403_636_579_813_555_456}
    rows = []
    for name, time in times.items():
        stamp = str(time) if unit == 10**9 else f"{time // 10**9 * unit + time % 10**9 * unit / 10**9:.9f}"
        rows.append(separator.join((stamp, f"cam0/{name}") if swapped else (f"cam0/{name}", stamp)))
    path = tmp_path_factory.getbasetemp() / "times.csv"
    path.write_bytes(end.join([heading, *rows, ""]).encode(encoding))
    read = read_times(path)
    for name, time in times.items():
        found = read.find(f"elsewhere/{name}")
        assert found is not None
        assert abs(found - time / 1e9) < (5e-6 if unit == 1 else 1e-6)


def test_the_same_name_in_two_folders_is_two_files(tmp_path):
    """Names of two cameras, as EuRoC and KITTI have them, with the separators of any system."""
    (tmp_path / "t.csv").write_text("file,time_s\nleft/0000.png,1.5\nright\\0000.png,2.5\n0001.png,3.5\n")
    times = read_times(tmp_path / "t.csv")
    assert times.find(Path("/data/images/left/0000.png")) == 1.5
    assert times.find("right/0000.png") == 2.5
    assert times.find("middle/0000.png") is None
    assert times.find("anywhere/0001.png") == 3.5
    (tmp_path / "t.csv").write_text("left/0000.png,1.5\nleft/0000.png,2.5\n")
    assert "left/0000.png comes twice" in refusal(tmp_path / "t.csv")
