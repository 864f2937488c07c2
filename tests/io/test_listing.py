"""One way to list files: natural order, hidden files left out, suffixes in whatever case."""

from splatkit.io.listing import IMAGE_SUFFIXES, list_files, natural_key


def test_numbers_in_names_count_as_numbers(tmp_path):
    for name in ("10.png", "2.PNG", "1.jpg", "._1.jpg", "notes.txt", "more/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in list_files(tmp_path, IMAGE_SUFFIXES)] == ["1.jpg", "2.PNG", "10.png"]
    assert [path.name for path in list_files(tmp_path, IMAGE_SUFFIXES, below=True)] == [
        "1.jpg",
        "2.PNG",
        "10.png",
        "3.png",
    ]
    assert [path.name for path in list_files(tmp_path)] == ["1.jpg", "2.PNG", "10.png", "notes.txt"]


def test_keys_part_text_and_numbers():
    assert natural_key("pose10.pcd")[:2] == [("pose", 10), (".pcd", 0)]
