"""What a conversion gives."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Converted:
    """What was written."""

    path: Path
    what: str  # as "300 splats"
    lost: tuple[str, ...]  # what the new file has no room for, in words
