"""JSON files that must hold an object."""

import json
from pathlib import Path
from typing import Any

from splatkit.errors import DatasetError


def read_json_object(path: Path, what: str) -> dict[str, Any]:
    """The object that a file holds.

    Args:
        path: of the file; a byte order mark does no harm.
        what: was expected of it, for the message: "a calibration".

    Raises:
        FileNotFoundError: no such file.
        DatasetError: no JSON, or no object; names the file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # bytes that are no UTF-8 are a ValueError too
        raise DatasetError(f"{path}: not valid JSON ({error}); expected {what}") from None
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: expected {what}, a JSON object, got {type(content).__name__}")
    return content
