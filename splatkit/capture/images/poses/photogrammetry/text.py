"""Numbers and elements of XML files, with one clear line for what is wrong with them."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError

_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")  # which make a small file large, or read other files


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: no XML, or one that declares a document type, which files of cameras do not; names it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    content = path.read_bytes()
    if any(word in content for word in _DECLARATIONS):
        raise DatasetError(f"{path}: declares a document type; refused")
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise DatasetError(f"{path}: not valid XML ({error})") from error


def floats(text: str | None, count: int, where: Path | str, name: str) -> NDArray[np.float64]:
    """As many finite numbers [count] as a text of words has.

    Raises:
        DatasetError: it has others, or none.
    """
    try:
        values = np.array([float(word) for word in (text or "").split()])
    except ValueError:
        values = np.zeros(0)
    if len(values) != count or not np.isfinite(values).all():
        raise DatasetError(
            f"{where}: {name}: expected {count} finite number{'s' * (count > 1)}, got {(text or '')[:40]!r}"
        )
    return values
