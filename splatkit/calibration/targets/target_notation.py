"""Boards as people write them: in a word, or in a file of Kalibr."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from splatkit.calibration.targets.pattern import marker_dictionary
from splatkit.calibration.targets.target import BoardTarget
from splatkit.errors import DatasetError, SettingsError
from splatkit.io.formats.text import decode_text

_DICTIONARIES = {"charuco": "5x5_100", "aprilgrid": "36h11"}
_FORMS = (
    "7x5:0.095 (chessboard: inner corners, square), charuco:8x6:0.095:0.07 (squares, square, marker; "
    "and :5x5_100 or other markers), aprilgrid:6x6:0.08:0.3 (tags, tag, space over tag), or Kalibr's YAML; meters"
)


def parse_target(pattern: str, plate: str | None) -> BoardTarget:
    """A board by its pattern and the size of its plate.

    Args:
        pattern: COLUMNSxROWS:SQUARE, charuco:COLUMNSxROWS:SQUARE:MARKER[:DICTIONARY],
            aprilgrid:COLUMNSxROWS:TAG:SPACING, or the path of a Kalibr target file.
        plate: WIDTHxHEIGHT in meters; None where the plate ends with the pattern.

    Raises:
        SettingsError: not understood, or such a board cannot be.
        FileNotFoundError, DatasetError: of the file.
    """
    values = _read_kalibr(Path(pattern)) if pattern.endswith((".yaml", ".yml")) else _parse_pattern(pattern)
    size = None
    if plate is not None:
        found = re.fullmatch(r"([\d.]+)x([\d.]+)", plate)
        if not found:
            raise SettingsError(
                f"--board-size: expected WIDTHxHEIGHT of the plate in meters, as 0.85x0.61, got {plate}"
            )
        size = _number(found[1]), _number(found[2])
    target = BoardTarget(**values, width=math.inf, height=math.inf)
    width, height = size or target.pattern_size
    target = replace(target, width=width, height=height)
    if target.kind != "chessboard":
        marker_dictionary(target)
    return target


def _parse_pattern(text: str) -> dict[str, Any]:
    number = r"([\d.]+)"
    if found := re.fullmatch(rf"(?:chessboard:)?(\d+)x(\d+):{number}", text):
        return {"columns": int(found[1]), "rows": int(found[2]), "square": _number(found[3])}
    if found := re.fullmatch(rf"charuco:(\d+)x(\d+):{number}:{number}(?::(\w+))?", text):
        return {
            "kind": "charuco",
            "columns": int(found[1]) - 1,
            "rows": int(found[2]) - 1,
            "square": _number(found[3]),
            "marker": _number(found[4]),
            "dictionary": (found[5] or _DICTIONARIES["charuco"]).lower(),
        }
    if found := re.fullmatch(rf"aprilgrid:(\d+)x(\d+):{number}:{number}", text):
        return _aprilgrid(int(found[1]), int(found[2]), _number(found[3]), _number(found[4]))
    raise SettingsError(f"--board: expected COLUMNSxROWS:SQUARE or another of {_FORMS}; got {text}")


def _aprilgrid(columns: int, rows: int, tag: float, spacing: float) -> dict[str, Any]:
    return {
        "kind": "aprilgrid",
        "columns": 2 * columns,
        "rows": 2 * rows,
        "square": tag,
        "gap": spacing * tag,
        "dictionary": _DICTIONARIES["aprilgrid"],
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"--board, --board-size: expected a length in meters, got {text}") from None


def _read_kalibr(path: Path) -> dict[str, Any]:
    """`target_type` aprilgrid or checkerboard."""
    try:
        record = yaml.safe_load(decode_text(path.read_bytes()))
        if record["target_type"] == "aprilgrid":
            lengths = float(record["tagSize"]), float(record["tagSpacing"])
            return _aprilgrid(int(record["tagCols"]), int(record["tagRows"]), *lengths)
        if record["target_type"] == "checkerboard":
            across, down = float(record["colSpacingMeters"]), float(record["rowSpacingMeters"])
            if across != down:
                raise DatasetError(f"{path}: squares of {across} x {down} m; only squares with equal sides are known")
            return {"columns": int(record["targetCols"]), "rows": int(record["targetRows"]), "square": across}
        raise DatasetError(f"{path}: expected target_type aprilgrid or checkerboard, got {record['target_type']!r}")
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: not a Kalibr target file ({error!r})") from None
