"""JSON files: read with one clear line for what is wrong with them, written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.formats.text import decode_text


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: no JSON, or another thing than an object; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        content = json.loads(decode_text(path.read_bytes()))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: expected a JSON object, got a {type(content).__name__}")
    return content


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write an object, for people too: one line a value."""
    with atomic_file(Path(path)) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
