"""JSON files: one clear line for damaged ones, and the same object after writing."""

import pytest

from splatkit.errors import DatasetError
from splatkit.io.json_files import read_json, write_json


def test_what_is_written_is_read(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5, "c"]})
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5, "c"]}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "not valid JSON"), (b"\xff\xfe{}", "not valid JSON"), (b"[1]", "expected a JSON object, got a list")],
)
def test_damage_is_named(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_json(tmp_path / "a.json")
    assert "a.json" in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"none\.json: no such file"):
        read_json(tmp_path / "none.json")
