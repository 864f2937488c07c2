"""One way to list files: natural order, hidden files left out, suffixes in whatever case."""

import random
import shutil
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.io.listing import find_path, list_files, natural_key
from splatkit.io.photographs.kinds import PLAIN_SUFFIXES


def test_numbers_in_names_count_as_numbers(tmp_path):
    for name in ("10.png", "2.PNG", "1.jpg", "._1.jpg", "notes.txt", "more/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in list_files(tmp_path, PLAIN_SUFFIXES)] == ["1.jpg", "2.PNG", "10.png"]
    assert [path.name for path in list_files(tmp_path, PLAIN_SUFFIXES, below=True)] == [
        "1.jpg",
        "2.PNG",
        "10.png",
        "3.png",
    ]
    assert [path.name for path in list_files(tmp_path)] == ["1.jpg", "2.PNG", "10.png", "notes.txt"]


def test_keys_part_text_and_numbers():
    assert natural_key("pose10.pcd")[:2] == [("pose", 10), (".pcd", 0)]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    numbers=st.lists(st.integers(0, 10**7), min_size=2, max_size=12, unique=True),
    form=st.sampled_from(["{}", "scan{}", "pose.{}", "a.b_{}", "cam0_{}", "Küche {}", "{}.part"]),
    padded=st.booleans(),
    suffix=st.sampled_from([".png", ".PNG", ".jpeg"]),
)
def test_files_come_in_the_order_of_their_numbers(numbers, form, padded, suffix, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "listed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    names = [form.format(f"{number:08d}" if padded else number) + suffix for number in sorted(numbers)]
    for name in random.Random(0).sample(names, len(names)):
        (folder / name).touch()
        (folder / f"._{name}").write_bytes(b"\0\5\x16\7")
    (folder / ".DS_Store").touch()
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "0.png").touch()
    assert [path.name for path in list_files(folder, PLAIN_SUFFIXES)] == names
    assert [path.name for path in list_files(folder, PLAIN_SUFFIXES, below=True)] == names


@settings(max_examples=25, deadline=None, derandomize=True)
@given(stamps=st.lists(st.integers(10**12, 2 * 10**12), min_size=2, max_size=8, unique=True), padded=st.booleans())
def test_stamps_with_a_fraction_come_in_the_order_of_time(stamps, padded):
    names = [f"{s // 1000}.{s % 1000:03d}" for s in stamps]
    names = [f"{name if padded else name.rstrip('0')}.pcd" for name in names]
    times = sorted(names, key=lambda name: float(name.removesuffix(".pcd").removesuffix(".")))
    assert sorted(names, key=natural_key) == times


def test_links_are_followed_and_one_that_leads_nowhere_is_named(tmp_path):
    disk, folder = tmp_path / "disk", tmp_path / "data"
    (disk / "more").mkdir(parents=True)
    folder.mkdir()
    (disk / "1.png").touch()
    (disk / "more/2.png").touch()
    (disk / "more/back").symlink_to(disk)  # in circles
    (folder / "images").symlink_to(disk)
    (folder / "0.png").symlink_to(disk / "1.png")
    assert [path.name for path in list_files(folder / "images", PLAIN_SUFFIXES)] == ["1.png"]
    assert sorted(path.name for path in list_files(folder, PLAIN_SUFFIXES, below=True)) == ["0.png", "1.png", "2.png"]
    (disk / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"0\.png: is a link to .*1\.png, which is not there"):
        list_files(folder, PLAIN_SUFFIXES)
    assert list_files(folder, (".pcd",)) == []


@pytest.mark.parametrize("there", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_accents_may_be_written_in_either_way(tmp_path, there, asked):
    path = tmp_path / unicodedata.normalize(there, "Café/Küche.png")
    path.parent.mkdir()
    path.touch()
    assert find_path(tmp_path / unicodedata.normalize(asked, "Café/Küche.png")) == path
    assert not find_path(tmp_path / "Café/Bad.png").exists()
