"""Outputs are complete or absent, and errors of the disk say what to do."""

import errno

import pytest

from splatkit.io.atomic import atomic_directory, atomic_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def interrupt_after_creating(path):
    path.touch()
    raise KeyboardInterrupt


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    for text in ("one", "two"):
        with atomic_file(target) as temporary:
            assert temporary.suffix == ".txt"
            temporary.write_text(text)
        assert target.read_text() == text
    assert names(target.parent) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(TypeError), atomic_file(target) as temporary:
        temporary.write_text("half", encoding=0)  # type: ignore[arg-type]  # what fails
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_errors_of_the_disk_name_the_output_and_the_remedy(tmp_path, number):
    message = r"cannot write .*a\.txt: .*(write elsewhere|another place)"
    with pytest.raises(OSError, match=message) as caught, atomic_file(tmp_path / "a.txt"):
        raise OSError(number, "from the system")
    assert caught.value.errno == number
    assert names(tmp_path) == []


def test_a_folder_below_a_file_is_explained(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="out"), atomic_directory(tmp_path / "file" / "out"):
        pass


def test_a_folder_appears_whole(tmp_path):
    with atomic_directory(tmp_path / "out") as temporary:
        (temporary / "a").touch()
        assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a"]


def test_an_existing_folder_is_refused_unless_overwritten(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").touch()
    with pytest.raises(FileExistsError, match="already exists"), atomic_directory(out):
        pytest.fail("the block must not run")
    with atomic_directory(out, overwrite=True) as temporary:
        (temporary / "new").touch()
        assert names(out) == ["old"]
    assert names(out) == ["new"]
    assert names(tmp_path) == ["out"]


def test_a_failed_overwrite_keeps_the_old_folder(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").touch()
    with pytest.raises(KeyboardInterrupt), atomic_directory(out, overwrite=True) as temporary:
        interrupt_after_creating(temporary / "half")
    assert names(out) == ["old"]
    assert names(tmp_path) == ["out"]
